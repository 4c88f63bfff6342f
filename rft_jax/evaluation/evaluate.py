"""`rft evaluate`: samples of a model on problems, counted into figures with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.evaluation.against import check_comparable, write_comparison
from rft_jax.evaluation.inputs import SampledAnswers, read_responses
from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.evaluation.scoring import Scored, score, to_row
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.identity import input_identity
from rft_jax.files.jsonl import read_json, write_json, write_rows
from rft_jax.files.outputs import OutputFolder, open_output
from rft_jax.progress import Progress
from rft_jax.records import Problem
from rft_jax.verify.symbolic import SymbolicComparer

LENGTH_BINS = 4


def evaluate(
    problems: str,
    output: str,
    settings: EvaluateSettings,
    model: str | None = None,
    samples: str | None = None,
    against: str | None = None,
    mesh: Any = None,
    config_text: str = "",
) -> dict[str, Any]:
    """Scores a model's answers (sampled first into `<output>/samples`) or given samples.

    Writes `metrics.json` and `predictions.jsonl`, with `against` (an earlier output folder on the
    same problems) `comparison.json` too, and prints both as small tables.

    Returns:
      What `metrics.json` holds.

    Raises:
      UserError: not exactly one of model and samples, samples that do not fit the problems or the
        settings, nothing to compare with, or an output folder made with other settings.
    """
    if (model is None) == (samples is None):
        raise UserError("evaluate needs --model or --samples, and not both")
    if model is None:
        settings.check_not_sampling()
    else:
        settings.check_sampling()
    if against is not None:
        check_comparable(Path(against), _asked(problems, settings))
    inputs = {"problems": problems, "model": model, "samples": samples}
    known = {name: None if spec is None else input_identity(spec) for name, spec in inputs.items()}
    made_with = {"command": "evaluate", **known, **asdict(settings)}
    if model is None:
        with open_output(output, made_with, config_text) as folder:
            _measure(folder, problems, str(samples), settings, against)
    else:
        from rft_jax.devices import distributed
        from rft_jax.sampling import sample

        distributed.initialize()
        with distributed.open_shared_output(output, made_with, config_text) as folder:
            drawn = str(folder.path / "samples")
            if not folder.is_complete:
                sample(model, problems, drawn, None, settings.sampling(), mesh)
            measure = partial(_measure, folder, problems, drawn, settings, against)
            distributed.on_main(measure, "scoring", folder.path)
    return read_json(Path(output) / "metrics.json")


def _asked(problems: str, settings: EvaluateSettings) -> list[Problem]:
    return load_problems(problems)[: settings.limit or None]


def _measure(
    folder: OutputFolder,
    problems: str,
    samples: str,
    settings: EvaluateSettings,
    against: str | None,
) -> None:
    """Scores the samples, where that is not done, and prints what came out."""
    if not folder.is_complete:
        asked = _asked(problems, settings)
        _score_into(folder.path, asked, read_responses(samples, asked), settings)
        folder.commit()
    print(metrics_table(read_json(folder.path / "metrics.json")), flush=True)
    if against is not None:
        print(write_comparison(folder.path, Path(against), settings), flush=True)


def _score_into(
    output: Path, problems: Sequence[Problem], answers: SampledAnswers, settings: EvaluateSettings
) -> None:
    scored = []
    how = (settings.answers, settings.votes)
    with (
        SymbolicComparer(settings.timeout) as symbolic,
        Progress("score", len(problems), "problems") as progress,
    ):
        for problem in problems:
            scored.append(score(problem, answers.responses[problem.id], *how, symbolic))
            progress.update(len(scored))
    k = _common_k(scored, settings.k)
    for at in settings.curve:
        _common_k(scored, at)
    majority = _majorities(scored, k, settings)
    rows = [to_row(one, k, share) for one, share in zip(scored, majority, strict=True)]
    write_rows(output / "predictions.jsonl", rows)
    write_json(output / "metrics.json", summarise(rows, scored, k, answers, settings))


def _common_k(scored: Sequence[Scored], k: int) -> int:
    """The k asked for, or the number of samples that every problem has.

    Raises:
      UserError: some problem has fewer than k.
    """
    least = min(scored, key=lambda one: len(one.answers))
    if k > len(least.answers):
        raise UserError(
            f"evaluate.k or evaluate.curve asks for k = {k}, but problem {least.problem.id!r} has "
            f"{len(least.answers)} samples; draw more or lower k"
        )
    return k or len(least.answers)


def _majorities(scored: Sequence[Scored], k: int, settings: EvaluateSettings) -> list[float]:
    """maj@k of every problem."""
    resamples, seed = settings.bootstrap_resamples, settings.bootstrap_seed
    return [one.majority_at_k(k, settings.votes, resamples, seed) for one in scored]


def summarise(
    rows: Sequence[dict[str, Any]],
    scored: Sequence[Scored],
    k: int,
    answers: SampledAnswers,
    settings: EvaluateSettings,
) -> dict[str, Any]:
    """What `metrics.json` holds: figures over all problems, by steps, by length and by k."""
    resampling = (settings.bootstrap_resamples, settings.bootstrap_seed)
    shares = [float(one.share_right) for one in scored]
    answered = sum(answer is not None for one in scored for answer in one.answers)
    total = sum(len(one.answers) for one in scored)
    result = {
        "model": answers.model,
        "n": len(rows),
        "k": k,
        "num_samples": max(len(one.answers) for one in scored),
        "votes": settings.votes,
        "accuracy" if answers.is_greedy else "mean@1": mean_with_ci(shares, *resampling),
        "maj@k": mean_with_ci([row["maj@k"] for row in rows], *resampling),
        "pass@k": mean_with_ci([row["pass@k"] for row in rows], *resampling),
        "no_answer": 1 - answered / total,
        "truncated": answers.truncated / total,
        "timeout": sum(one.timeouts for one in scored) / total,
        "by_steps": _by_steps(rows, shares, resampling),
        "by_words": _by_words(rows, shares, resampling),
    }
    if settings.curve:
        result["curve"] = [_at_k(scored, at, settings) for at in settings.curve]
    return result


def _at_k(scored: Sequence[Scored], k: int, settings: EvaluateSettings) -> dict[str, Any]:
    resampling = (settings.bootstrap_resamples, settings.bootstrap_seed)
    return {
        "k": k,
        "maj@k": mean_with_ci(_majorities(scored, k, settings), *resampling),
        "pass@k": mean_with_ci([one.pass_at_k(k) for one in scored], *resampling),
    }


def _by_steps(
    rows: Sequence[dict[str, Any]], shares: Sequence[float], resampling: tuple[int, int]
) -> list[dict[str, Any]]:
    """The share of right samples for each number of reference steps."""
    groups: dict[int, list[float]] = {}
    for row, share in zip(rows, shares, strict=True):
        groups.setdefault(row["steps"], []).append(share)
    return [
        {"steps": steps, **mean_with_ci(groups[steps], *resampling)} for steps in sorted(groups)
    ]


def _by_words(
    rows: Sequence[dict[str, Any]], shares: Sequence[float], resampling: tuple[int, int]
) -> list[dict[str, Any]]:
    """The share of right samples in quarters of the problems by the reference's length."""
    lengths = sorted(row["words"] for row in rows)
    bounds = sorted({lengths[len(lengths) * i // LENGTH_BINS] for i in range(LENGTH_BINS)})
    result = []
    for low, beyond in zip(bounds, [*bounds[1:], lengths[-1] + 1], strict=True):
        inside = [
            share for row, share in zip(rows, shares, strict=True) if low <= row["words"] < beyond
        ]
        result.append({"from": low, "to": beyond - 1, **mean_with_ci(inside, *resampling)})
    return result


def metrics_table(metrics: dict[str, Any]) -> str:
    """The figures as a small table for the terminal."""
    lines = [f"{metrics['model'] or 'samples'}: {metrics['n']} problems, k = {metrics['k']}"]
    # Of one sample the last two say what the first says.
    for name in ("accuracy", "mean@1", "maj@k", "pass@k")[: 2 if metrics["k"] == 1 else 4]:
        if name in metrics:
            low, high = metrics[name]["ci95"]
            value = metrics[name]["value"]
            lines.append(f"  {name:<9}{value:7.1%}   95 % interval {low:.1%} to {high:.1%}")
    return "\n".join(lines)
