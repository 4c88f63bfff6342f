"""The sections with samples: a few examples, and a browser of many."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from html import escape
from typing import Any

from rft_jax.records import VERDICTS, LedgerRow
from rft_jax.report.collected import Collected
from rft_jax.report.examples import (
    PER_PROBLEM,
    Example,
    choose_rows,
    random_order,
    stage_examples,
)
from rft_jax.report.html import Section, asset, paragraph, sample_link
from rft_jax.report.runs import RunRecord

_KEPT_SHOWN = 2
LONGEST_QUESTION = 1500


def choose_examples(
    collected: Sequence[Collected], per_verdict: int, seed: int, problems: Collection[str] = ()
) -> list[tuple[RunRecord, Example]]:
    """Up to `per_verdict` random samples of each verdict over all collect stages.

    A sample that several stages of a run graded is shown for the first of them.

    Args:
      collected: the collect stages.
      per_verdict: most samples of each verdict.
      seed: seed of the choice.
      problems: ids of problems of which up to `PER_PROBLEM` samples are added in any case.
    """
    candidates: dict[tuple[str, str, str, int], tuple[int, int, LedgerRow]] = {}
    for index, one in enumerate(collected):
        for rows in choose_rows(one.stage.folder, per_verdict, seed, problems).values():
            for row in rows:
                key = (one.run.name, row.model, row.id, row.sample)
                candidates.setdefault(key, (random_order(row, seed), index, row))
    chosen: list[dict[str, list[LedgerRow]]] = [defaultdict(list) for _ in collected]
    counts: Counter[str] = Counter()
    of_problem: Counter[str] = Counter()
    for _, index, row in sorted(candidates.values(), key=lambda item: -item[0]):
        is_linked = row.id in problems and of_problem[row.id] < PER_PROBLEM
        if counts[row.verdict] < per_verdict or is_linked:
            counts[row.verdict] += 1
            of_problem[row.id] += 1
            chosen[index][row.verdict].append(row)
    return [
        (one.run, example)
        for one, rows_by_verdict in zip(collected, chosen, strict=True)
        for example in stage_examples(one.run, one.stage, rows_by_verdict)
    ]


def examples_section(examples: Sequence[tuple[RunRecord, Example]]) -> Section:
    """Two kept samples, a correct one that was not kept, and one of every other verdict."""
    shown: list[Example] = []
    for state, limit in (("kept", _KEPT_SHOWN), ("spare", 1)):
        shown += [e for _, e in examples if e.state == state][:limit]
    for verdict in reversed(VERDICTS):
        if verdict != "correct":
            shown += [e for _, e in examples if e.row.verdict == verdict][:1]
    body = "".join(example_html(one, is_linked=True) for one in shown)
    return Section("examples", "Kept and rejected", f'<div class="card">{body}</div>' * bool(shown))


def example_html(example: Example, is_linked: bool = False) -> str:
    """A sample with its question, reason and marked equations.

    Args:
      example: the sample.
      is_linked: whether its problem's id leads to the browser, which notebooks do not have.
    """
    row = example.row
    name = sample_link(row.id) if is_linked else escape(row.id)
    return (
        f'<div class="sample"><div class="head">{badge(example)}'
        f'<span class="soft">{escape(row.model)} · {name} · sample {row.sample}</span>'
        f"</div>{paragraph(example.reason, 'why')}"
        f"{paragraph(example.question[:LONGEST_QUESTION], 'text question')}"
        f'<p class="text">{marked(example)}</p>{_output(example)}</div>'
    )


def badge(example: Example) -> str:
    """What became of a sample, in one or two words."""
    shown = {"kept": "kept", "spare": "not needed"}.get(example.state, example.row.verdict)
    return f'<span class="badge {example.state}">{escape(shown.replace("_", " "))}</span>'


def marked(example: Example) -> str:
    """A response as HTML."""
    return "".join(
        f'<mark class="{kind}">{escape(text)}</mark>' if kind else escape(text)
        for text, kind in example.pieces
    )


def _output(example: Example) -> str:
    return paragraph(f"Output: {example.output}", "text output") if example.output else ""


def browser_section(
    examples: Sequence[tuple[RunRecord, Example]], per_verdict: int, seed: int
) -> Section:
    """A browser of samples with filters by verdict, model and problem."""
    if not examples:
        return Section("samples", "Samples", "")
    caption = (
        f"Up to {per_verdict:,} random samples of each verdict, chosen with seed {seed}, and those "
        "of the problems whose ids are links. "
        "Correct equations are marked, and the line of an incorrect one or of a program's error."
    )
    filters = (
        '<div class="filters">'
        '<label>Verdict<select id="samples-verdict"><option value="">all</option></select></label>'
        '<label>Model<select id="samples-model"><option value="">all</option></select></label>'
        '<label>Problem<input id="samples-problem" type="search" placeholder="id or words">'
        "</label></div>"
    )
    body = (
        f'{paragraph(caption, "soft")}<div class="card">{filters}'
        '<p class="soft" id="samples-count"></p><div id="samples-list"></div>'
        '<button id="samples-more" type="button">Show more</button></div>'
        f'<script type="application/json" id="samples-data">{_data(examples)}</script>'
        f"<script>{asset('browser.js')}</script>"
    )
    return Section("samples", "Samples", body)


def _data(examples: Sequence[tuple[RunRecord, Example]]) -> str:
    """The samples as JSON without any `<`, so that it cannot end its script element."""
    verdicts = {e.row.verdict for _, e in examples}
    states = [state for state in ("kept", "spare") if any(e.state == state for _, e in examples)]
    content = {
        "verdicts": states + [verdict for verdict in VERDICTS if verdict in verdicts],
        "models": sorted({e.row.model for _, e in examples}),
        "problems": {e.row.id: [e.question[:LONGEST_QUESTION], e.reference] for _, e in examples},
        "rows": [_data_row(run, e) for run, e in examples],
    }
    return json.dumps(content).replace("<", "\\u003c")


def _data_row(run: RunRecord, example: Example) -> dict[str, Any]:
    return {
        "run": run.name,
        "verdict": example.row.verdict,
        "model": example.row.model,
        "problem": example.row.id,
        "sample": example.row.sample,
        "state": example.state,
        "reason": example.reason,
        "pieces": example.pieces,
        **({"output": example.output} if example.output else {}),
    }
