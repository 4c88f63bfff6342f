"""Evaluations in which most responses give no answer: a reader that does not fit, or a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rft_jax.evaluation.inputs import Responses
from rft_jax.verify.answers import UNREAD, readers_of

_SHOWN = 2


def unread_metrics(responses: Responses, no_answer: float) -> dict[str, dict[str, float]]:
    """`readable`, where most responses give no answer: the share that each other reader reads.

    Args:
      no_answer: the share of responses without an answer.
    """
    if no_answer <= UNREAD:
        return {}
    texts = [one.text for found in responses.by_problem.values() for one in found]
    counts = Counter(reader for text in texts for reader in readers_of(text))
    return {"readable": {reader: n / len(texts) for reader, n in counts.most_common(_SHOWN)}}


def unread_note(metrics: Mapping[str, Any]) -> str:
    """Says that most responses give no answer, and which readers find some; '' if they do.

    Args:
      metrics: of `metrics.json`, or a row of results.
    """
    share = metrics.get("no_answer") or 0.0
    if share <= UNREAD:
        return ""
    readers = metrics.get("readable", {}).items()
    advice = ", ".join(f"evaluate.answers = {name!r} reads {n:.0%}" for name, n in readers)
    return f"{share:.0%} of the responses give no answer ({advice or 'no reader finds one'})"
