"""Metrics of samples that are programs: how they ended, and hybrid decoding's two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rft_jax.evaluation.scoring import Scored
from rft_jax.progress import quantity

_WITHOUT_ANSWER = ("truncated", "unsupported", "program_error", "no_output")


def program_metrics(scored: Sequence[Scored]) -> dict[str, Any]:
    """Shares of the samples that are programs: without an answer, by verdict; ran and incorrect.

    Empty where no sample is a program.
    """
    verdicts = Counter(one for problem in scored for one in problem.programs if one is not None)
    samples = verdicts.total()
    if not samples:
        return {}
    shares = {verdict: verdicts[verdict] / samples for verdict in _WITHOUT_ANSWER}
    return {"samples": samples, **shares, "ran_and_incorrect": verdicts["wrong_answer"] / samples}


def program_lines(metrics: dict[str, Any]) -> list[str]:
    """What is printed beside the accuracy."""
    programs = metrics.get("programs")
    if programs is None:
        return []
    shares = {name: f"{value:.1%}" for name, value in programs.items() if name != "samples"}
    counted = "" if "hybrid" in metrics else " (counted as unsolved)"
    number = quantity(programs["samples"], "program")
    return [
        f"  of {number}: {shares['unsupported']} unsupported{counted}, "
        f"{shares['program_error']} ended by an error, {shares['no_output']} printed "
        f"nothing, {shares['ran_and_incorrect']} ran and were incorrect"
    ]
