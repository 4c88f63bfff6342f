"""Metrics of a step's samples, a part of its row in `metrics.jsonl`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rft_jax.policy.responses import PerResponse
from rft_jax.policy.scored import Scored, StepSamples, has_equal_rewards
from rft_jax.records import VERDICTS


def sample_metrics(samples: StepSamples) -> dict[str, float]:
    """Rewards, lengths, entropy and shares of a step; those without a value are left out."""
    every = samples.every
    verdicts = [VERDICTS[one.judged.grade.verdict].answer_correct for one in every]
    lengths = [len(one.rollout.logprobs) for one in every]
    pairs = list(zip(verdicts, lengths, strict=True))
    equal = zip(every, has_equal_rewards(every), strict=True)
    problems = {one.rollout.index: bool(same) for one, same in equal}
    means = {
        "reward": _mean(one.reward for one in every if math.isfinite(one.reward)),
        "accuracy": _mean(correct for correct in verdicts if correct is not None),
        "length_correct": _mean(length for correct, length in pairs if correct),
        "length_incorrect": _mean(length for correct, length in pairs if correct is False),
        "truncated": _mean(one.rollout.sample.finish_reason == "length" for one in every),
        "zero_variance": _mean(problems.values()),
        "entropy": _entropy(every),
    }
    counts = {"samples": len(every), "dropped": len({o.rollout.index for o in samples.dropped})}
    return {name: value for name, value in means.items() if value is not None} | counts


def divergence(scored: list[Scored], reference: PerResponse) -> float:
    """log π - log π_ref, a mean over the tokens of all samples: KL(π‖π_ref) per token (k1)."""
    sampled = [one.rollout.logprobs[: one.length] for one in scored]
    pairs = zip(sampled, reference, strict=True)
    total = math.fsum(float((ours - theirs).sum(dtype="float64")) for ours, theirs in pairs)
    return total / sum(map(len, sampled))


def _entropy(every: list[Scored]) -> float | None:
    """-log π of sampled tokens: an estimate of the distributions' mean entropy."""
    return _mean(-float(logprob) for one in every for logprob in one.rollout.logprobs)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return math.fsum(found) / len(found) if found else None
