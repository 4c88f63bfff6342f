"""The section of test problems that one of two models solves and the other does not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from html import escape

from rft_jax.records import Problem
from rft_jax.report.answers import answers, read_problems_of
from rft_jax.report.browser import LONGEST_QUESTION, badge, marked
from rft_jax.report.examples import Example
from rft_jax.report.html import Section, card, folded, paragraph, sample_link
from rft_jax.report.runs import RunRecord, greedy_evaluations, read_settings
from rft_jax.report.sides import Pair, Side, read_pairs, read_side

_OPEN = 3  # problems of a kind that are shown without a click
_SHOWN = 12

Shown = Mapping[str, Mapping[str, Example]]
"""Name of the model -> problem id -> its response."""


def choose_problems(pair: Pair, seed: int) -> tuple[list[str], list[str]]:
    """Random problems that a solves alone, and that b solves alone; which ones depends on seed."""

    def order(problem: str) -> bytes:
        text = f"{seed}\0{problem}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(text).digest()

    a, b = (sorted(ids, key=order)[:_SHOWN] for ids in (pair.a_alone, pair.b_alone))
    return a, b


def read_side_by_side(
    runs: Sequence[RunRecord], seed: int, named: Sequence[str] = ()
) -> tuple[Section, list[tuple[RunRecord, Example]]]:
    """The section, and the responses of all models to its problems, for the browser of samples.

    Args:
      seed: decides which problems are shown.
      named: the two conditions, as `read_pairs` takes them.
    """
    body, found = "", []
    for pair in read_pairs(runs, named):
        chosen = choose_problems(pair, seed)
        ids = {name for of_side in chosen for name in of_side}
        problems = read_problems_of(pair.a, ids)
        shown = {side.name: answers(side, problems) for side in (pair.a, pair.b)}
        heading = f"{pair.a.run.name}: " if len(runs) > 1 else ""
        body += _pair_html(pair, chosen, problems, shown, heading)
        found += [(pair.a.run, one) for of_side in shown.values() for one in of_side.values()]
        found += _other_answers(pair, problems)
    return Section("side-by-side", "Side by side", body), found


def _other_answers(pair: Pair, problems: Mapping[str, Problem]) -> list[tuple[RunRecord, Example]]:
    """What the other models of the run answer to the problems."""
    run, of_pair = pair.a.run, {pair.a.stage.folder, pair.b.stage.folder}
    asked = read_settings(pair.a.stage.folder).get("problems")
    return [
        (run, example)
        for stage in greedy_evaluations(run)
        if stage.folder not in of_pair and read_settings(stage.folder).get("problems") == asked
        for example in answers(read_side(run, stage), problems).values()
    ]


def _pair_html(
    pair: Pair,
    chosen: tuple[list[str], list[str]],
    problems: Mapping[str, Problem],
    shown: Shown,
    heading: str,
) -> str:
    a, b = pair.a, pair.b
    alone = (pair.a_alone, pair.b_alone)
    total = len(pair.a_alone) + len(pair.b_alone) + pair.both + pair.neither
    text = (
        f"{heading}Of {total:,} test problems, {a.name} alone solves {len(pair.a_alone):,}; "
        f"{b.name} alone {len(pair.b_alone):,}; both {pair.both:,}; neither {pair.neither:,}. "
        "A problem's id leads to the responses of all models."
    )
    body = paragraph(text, "soft")
    for one, other, ids, every in ((a, b, chosen[0], alone[0]), (b, a, chosen[1], alone[1])):
        cards = [_problem_html(problems[name], (one, other), shown) for name in ids]
        cards = [one for one in cards if one]
        more = len(cards) - _OPEN
        inside = "".join(cards[:_OPEN])
        inside += folded(f"{more} more", "".join(cards[_OPEN:])) if more > 0 else ""
        title = f"{one.name} solves, {other.name} does not"
        caption = f"{len(cards)} of {len(every):,} problems, chosen at random."
        body += card(inside, title, caption)
    return body


def _problem_html(problem: Problem, sides: tuple[Side, Side], shown: Shown) -> str:
    """A question, the reference and two responses; empty if no response is on disk any more."""
    found = [(side, shown[side.name].get(problem.id)) for side in sides]
    if all(example is None for _, example in found):
        return ""
    reference = str(sides[0].predictions[problem.id]["reference"])
    solution = problem.answer if problem.question else ""
    said = f"Reference: {reference}"
    told = folded(said, paragraph(solution, "text")) if solution else paragraph(said)
    return (
        f'<div class="sample"><div class="head soft">{sample_link(problem.id)}</div>'
        f"{paragraph(problem.question[:LONGEST_QUESTION], 'text question')}"
        f'<div class="soft reference">{told}</div>'
        f'<div class="pair">{"".join(_response_html(*one) for one in found)}</div></div>'
    )


def _response_html(side: Side, example: Example | None) -> str:
    head = f"<b>{escape(side.name)}</b>"
    if example is None:
        return f"<div>{head}{paragraph('its samples are no longer on disk', 'soft')}</div>"
    return (
        f'<div><div class="head">{head}{badge(example)}</div>'
        f'{paragraph(example.reason, "why")}<p class="text">{marked(example)}</p></div>'
    )
