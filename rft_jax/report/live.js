"use strict";
// Reloads the page when its server has a newer one: at the same place, with the same details open and filters set.
(() => {
  const key = "rft-report-place";
  const shown = document.currentScript.dataset.version;
  const all = (query) => [...document.querySelectorAll(query)];
  const fields = () => all("select[id], input[id]");
  const samples = document.getElementById("samples-list");
  const more = document.getElementById("samples-more");
  const named = (one) => {
    const section = one.closest("section");
    return (section ? section.id : "") + " " + one.querySelector("summary").textContent;
  };
  const save = () => {
    const above = all("section").filter((one) => one.getBoundingClientRect().top <= 1).pop();
    const place = {
      id: above ? above.id : "",
      offset: above ? -above.getBoundingClientRect().top : window.scrollY,
      open: all("details[open]").map(named),
      fields: fields().map((one) => [one.id, one.value]),
      samples: samples ? samples.children.length : 0,
    };
    sessionStorage.setItem(key, JSON.stringify(place));
  };
  const restore = () => {
    const place = JSON.parse(sessionStorage.getItem(key) || "null");
    sessionStorage.removeItem(key);
    if (!place) return;
    for (const one of all("details")) one.open = place.open.includes(named(one));
    const values = new Map(place.fields);
    for (const one of fields()) {
      if (values.get(one.id)) {
        one.value = values.get(one.id);
        one.dispatchEvent(new Event("input"));
      }
    }
    while (samples && !more.hidden && samples.children.length < place.samples) more.click();
    const above = document.getElementById(place.id);
    const top = above ? window.scrollY + above.getBoundingClientRect().top : 0;
    window.scrollTo(0, top + place.offset);
  };
  const ask = async () => {
    try {
      const answer = await fetch("/version", { cache: "no-store" });
      if (answer.ok && (await answer.text()) !== shown) {
        save();
        location.reload();
        return;
      }
    } catch {
      // The server has ended; it may come back.
    }
    setTimeout(ask, 2000);
  };
  history.scrollRestoration = "manual";
  restore();
  setTimeout(ask, 2000);
})();
