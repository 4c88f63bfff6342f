"use strict";
// Looks through the samples in #samples-data. All text goes in as text, never as markup.
(() => {
  const holder = document.getElementById("samples-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const pageSize = 20;
  const element = (tag, css, text) => {
    const made = document.createElement(tag);
    if (css) made.className = css;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const list = document.getElementById("samples-list");
  const count = document.getElementById("samples-count");
  const more = document.getElementById("samples-more");
  const pick = (name) => document.getElementById("samples-" + name);
  const filters = { verdict: pick("verdict"), model: pick("model"), problem: pick("problem") };
  let shown = 0;
  let matching = [];

  const fill = (select, values) => {
    for (const value of values) {
      const option = element("option", "", value.replaceAll("_", " "));
      option.value = value;
      select.append(option);
    }
  };
  const address = (name) => {
    try {
      return encodeURIComponent(name);
    } catch {
      return ""; // a lone surrogate
    }
  };
  const draw = (row) => {
    const [question, reference] = data.problems[row.problem];
    const card = element("div", "sample");
    const head = element("div", "head");
    head.append(element("span", "badge " + row.state, row.verdict.replaceAll("_", " ")));
    const name = element("span", "soft", `${row.run} · ${row.model} · `);
    const link = element("a", "", row.problem);
    link.href = "#samples=" + address(row.problem);
    name.append(link, ` · sample ${row.sample}`);
    head.append(name);
    const body = element("p", "text");
    for (const [text, kind] of row.pieces) body.append(kind ? element("mark", kind, text) : text);
    const why = element("p", "why", row.reason);
    card.append(head, why, element("p", "text question", question), body);
    if (row.output) card.append(element("p", "text output", "Output: " + row.output));
    if (reference) card.append(element("p", "soft", "Reference: " + reference));
    return card;
  };
  const extend = () => {
    for (const row of matching.slice(shown, shown + pageSize)) list.append(draw(row));
    shown = Math.min(shown + pageSize, matching.length);
    more.hidden = shown >= matching.length;
    count.textContent = `${matching.length} samples` + (matching.length ? `, ${shown} shown` : "");
  };
  const apply = () => {
    const text = filters.problem.value.trim().toLowerCase();
    const isId = data.rows.some((row) => row.problem.toLowerCase() === text);
    matching = data.rows.filter((row) =>
      (!filters.verdict.value || row.verdict === filters.verdict.value || row.state === filters.verdict.value) &&
      (!filters.model.value || row.model === filters.model.value) &&
      (!text || row.problem.toLowerCase() === text || (!isId &&
        (row.problem.toLowerCase().includes(text) || data.problems[row.problem][0].toLowerCase().includes(text)))));
    list.replaceChildren();
    shown = 0;
    extend();
  };
  // An id that is a link leads to all samples of its problem.
  const follow = () => {
    const [, name] = location.hash.match(/^#samples=(.*)$/) || [];
    if (!name) return;
    filters.verdict.value = filters.model.value = "";
    filters.problem.value = decodeURIComponent(name);
    apply();
    document.getElementById("samples").scrollIntoView();
  };
  fill(filters.verdict, data.verdicts);
  fill(filters.model, data.models);
  for (const filter of Object.values(filters)) filter.addEventListener("input", apply);
  more.addEventListener("click", extend);
  window.addEventListener("hashchange", follow);
  apply();
  follow();
})();
