"""Evaluations in which most responses give no answer: a reader that does not fit, or a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rft_jax.evaluation.inputs import Responses
from rft_jax.evaluation.scoring import Scored
from rft_jax.verify.answers import UNREAD, readers_of

_SHOWN = 2


def unread_metrics(
    scored: Sequence[Scored], responses: Responses, no_answer: float
) -> dict[str, dict[str, float]]:
    """`readable`, where most responses give no answer: the share of these that a reader reads.

    Programs, which are executed and not read, do not count.

    Args:
      no_answer: the share of responses without an answer.
    """
    texts = [
        response.text
        for one in scored
        for response, answer, program in zip(
            responses.by_problem[one.problem.id], one.answers, one.programs, strict=True
        )
        if answer is None and program is None
    ]
    if no_answer <= UNREAD or not texts:
        return {}
    counts = Counter(reader for text in texts for reader in readers_of(text))
    return {"readable": {reader: n / len(texts) for reader, n in counts.most_common(_SHOWN)}}


def unread_note(metrics: Mapping[str, Any]) -> str:
    """Says that most responses give no answer, and which readers find some; '' if they do.

    Args:
      metrics: of `metrics.json`, or a row of results.
    """
    share = metrics.get("no_answer") or 0.0
    if share <= UNREAD or "readable" not in metrics:
        return ""
    readers = metrics["readable"].items()
    advice = ", ".join(f"evaluate.answers = {name!r} reads {n:.0%}" for name, n in readers)
    return f"{share:.0%} of the responses give no answer ({advice or 'no reader finds one'})"
