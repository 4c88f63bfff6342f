"""What `metrics.json` says of scored samples, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rft_jax.evaluation.arithmetic import arithmetic_lines
from rft_jax.evaluation.hybrid import hybrid_lines
from rft_jax.evaluation.inputs import Responses
from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.evaluation.metrics import METRICS
from rft_jax.evaluation.programs import program_lines, program_metrics
from rft_jax.evaluation.scoring import Scored
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.evaluation.unread import unread_metrics, unread_note
from rft_jax.progress import quantity

LENGTH_BINS = 4


def majorities(scored: Sequence[Scored], k: int, settings: EvaluateSettings) -> list[float | None]:
    """maj@k of every problem; None where no sample is decided."""
    resamples, seed = settings.bootstrap_resamples, settings.bootstrap_seed
    return [one.majority_at_k(k, settings.votes, resamples, seed) for one in scored]


def summarise(
    rows: Sequence[dict[str, Any]],
    scored: Sequence[Scored],
    k: int,
    responses: Responses,
    settings: EvaluateSettings,
) -> dict[str, Any]:
    """The content of `metrics.json`: metrics over all problems, by steps, by length and by k.

    A problem without a decided sample is in none of the means, as each one's `n` says.
    """
    shares = [None if one.share_correct is None else float(one.share_correct) for one in scored]
    answered = sum(answer is not None for one in scored for answer in one.answers)
    undecided = sum(one.undecided for one in scored)
    total = sum(len(one.answers) for one in scored)
    result = {
        "model": responses.model,
        "n": len(rows),
        "k": k,
        "num_samples": max(len(one.answers) for one in scored),
        "votes": settings.votes,
        "accuracy" if responses.is_greedy else "mean@1": _mean(shares),
        "maj@k": _mean(row["maj@k"] for row in rows),
        "pass@k": _mean(row["pass@k"] for row in rows),
        "no_answer": 1 - answered / total,
        "truncated": responses.truncated / total,
        "timeout": undecided / total,
        "undecided": {"samples": undecided, "problems": shares.count(None)},
        "by_steps": _by_steps(rows, shares),
        "by_words": _by_words(rows, shares),
    }
    result |= unread_metrics(scored, responses, 1 - answered / total)
    if programs := program_metrics(scored):
        result["programs"] = programs
    if settings.curve:
        result["curve"] = [_at_k(scored, at, settings) for at in settings.curve]
    return result


def _mean(values: Iterable[float | None]) -> dict[str, Any]:
    return mean_with_ci([value for value in values if value is not None])


def _at_k(scored: Sequence[Scored], k: int, settings: EvaluateSettings) -> dict[str, Any]:
    return {
        "k": k,
        "maj@k": _mean(majorities(scored, k, settings)),
        "pass@k": _mean(one.pass_at_k(k) for one in scored),
    }


def _by_steps(
    rows: Sequence[dict[str, Any]], shares: Sequence[float | None]
) -> list[dict[str, Any]]:
    """The share of correct samples for each number of steps in the reference."""
    groups: dict[int, list[float | None]] = {}
    for row, share in zip(rows, shares, strict=True):
        groups.setdefault(row["steps"], []).append(share)
    return [{"steps": steps, **_mean(groups[steps])} for steps in sorted(groups)]


def _by_words(
    rows: Sequence[dict[str, Any]], shares: Sequence[float | None]
) -> list[dict[str, Any]]:
    """The share of correct samples in quarters of the problems by the reference's length."""
    lengths = sorted(row["words"] for row in rows)
    bounds = sorted({lengths[len(lengths) * i // LENGTH_BINS] for i in range(LENGTH_BINS)})
    result = []
    for low, beyond in zip(bounds, [*bounds[1:], lengths[-1] + 1], strict=True):
        inside = [
            share for row, share in zip(rows, shares, strict=True) if low <= row["words"] < beyond
        ]
        result.append({"from": low, "to": beyond - 1, **_mean(inside)})
    return result


def metrics_table(metrics: dict[str, Any]) -> str:
    """The metrics as a small table for the terminal."""
    title = f"{metrics['model'] or 'samples'}: {quantity(metrics['n'], 'problem')}"
    title += f", k = {metrics['k']}"
    note = unread_note(metrics)
    lines = [f"{title}; warning: {note}" if note else title]
    # For one sample the last two equal the first.
    for name in METRICS[: 2 if metrics["k"] == 1 else 4]:
        if name in metrics:
            low, high = metrics[name]["ci95"]
            value = metrics[name]["value"]
            lines.append(
                f"  {name:<9}{value:7.1%}   95 % interval over questions {low:.1%} to {high:.1%}"
            )
    lines += [*program_lines(metrics), *hybrid_lines(metrics), *arithmetic_lines(metrics)]
    undecided = metrics.get("undecided", {"samples": 0})
    if undecided["samples"]:
        samples = quantity(undecided["samples"], "sample")
        problems = quantity(undecided["problems"], "problem")
        lines.append(
            f"  {samples} undecided, {problems} without any other: not counted (a comparison took "
            "longer than evaluate.timeout)"
        )
    return "\n".join(lines)
