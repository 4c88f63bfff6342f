"""`rft evaluate`: metrics with intervals of a model's samples on problems."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from rft_jax.data.sources import load_problems, problems_identity
from rft_jax.errors import UserError
from rft_jax.evaluation.against import check_comparable, write_comparison
from rft_jax.evaluation.arithmetic import arithmetic_metrics, check_expressions, score_line
from rft_jax.evaluation.graded import grade_all, make_grader
from rft_jax.evaluation.hybrid import hybrid_metrics, read_texts, sample_texts
from rft_jax.evaluation.inputs import NO_RESPONSES, Responses, read_responses
from rft_jax.evaluation.scoring import Scored, score, to_row
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.evaluation.summary import majorities, metrics_table, summarise
from rft_jax.files.identity import input_identity, settings_identity
from rft_jax.files.jsonl import read_json, write_json, write_rows
from rft_jax.files.names import METRICS_FILE, PREDICTIONS_FILE, SAMPLES_FOLDER
from rft_jax.files.outputs import OutputFolder, open_output
from rft_jax.progress import quantity
from rft_jax.records import Problem
from rft_jax.records.foreign import check_format
from rft_jax.verify.answers import are_expressions
from rft_jax.verify.grading import check_references
from rft_jax.verify.programs.reading import check_programs

logger = logging.getLogger(__name__)


def evaluate(
    problems: str,
    output: str,
    settings: EvaluateSettings,
    model: str | None = None,
    samples: str | Sequence[str] | None = None,
    against: str | None = None,
    mesh: Any = None,
    config_text: str = "",
    fallback: str | None = None,
    samples_format: str = "",
) -> dict[str, Any]:
    """Scores a model's samples, sampled first into `<output>/samples`, or given samples.

    Writes `metrics.json` and `predictions.jsonl`, with `against` `comparison.json` too, and prints
    both as small tables. Hybrid decoding samples texts too, or takes those of `fallback`.

    Args:
      problems: a file, or a name that `data.sources.load_problems` knows.
      output: the folder that is written.
      settings: how the model is sampled and its answers are counted.
      model: a model folder or name; None where samples are given.
      samples: folders or files; those of several vote together, each read by its own form.
      against: an earlier output folder on the same problems, to compare with.
      mesh: sizes of the device mesh, as `sampling.sample` takes them; None for one device.
      config_text: the resolved settings as a gin file, written into the output.
      fallback: text samples of hybrid decoding, where `samples` are programs.
      samples_format: of all samples, a key of `records.sample_formats.SAMPLE_FORMATS`; '' for
        found by looking.

    Returns:
      The content of `metrics.json`.

    Raises:
      UserError: not exactly one of model and samples, samples that do not fit the problems or the
        settings, nothing to compare with, or an output folder made with other settings.
    """
    given = [samples] if isinstance(samples, str) else list(samples or ())
    _check_source(model, given, fallback, settings)
    if model is None:
        settings.check_not_sampling()
    else:
        settings.check_sampling()
    if against is not None:
        check_comparable(Path(against), _problems(problems, settings))
    check_programs(settings.programs)
    check_format(samples_format)
    made_with = partial(_made_with, problems, model, given, fallback, settings, samples_format)
    if model is None:
        with open_output(output, made_with(), config_text) as folder:
            _measure(folder, problems, given, fallback, settings, against, samples_format)
    else:
        from rft_jax.devices import distributed

        distributed.initialize()
        with distributed.open_shared_output(output, made_with, config_text) as folder:
            sampled = folder.path / SAMPLES_FOLDER
            if not folder.is_complete:
                fallback = _sample(model, problems, sampled, settings, mesh)
            given = [str(sampled)]
            measure = partial(_measure, folder, problems, given, fallback, settings, against)
            distributed.on_main(measure, "scoring", folder.path)
    return read_json(Path(output) / METRICS_FILE)


def _sample(
    model: str, problems: str, sampled: Path, settings: EvaluateSettings, mesh: Any
) -> str | None:
    """Samples the model into a folder; returns the folder of hybrid decoding's texts, if any.

    Raises:
      UserError: problems without an answer or a value, which are refused before they are sampled.
    """
    from rft_jax.evaluation.calculator import calculator_of
    from rft_jax.sampling import sample

    loaded = _problems(problems, settings)
    forcing, sampling = calculator_of(settings), settings.sampling()
    sample(model, problems, str(sampled), None, sampling, mesh, forcing=forcing)
    return (
        sample_texts(model, loaded, sampled.parent, settings, mesh) if settings.is_hybrid else None
    )


def _check_source(
    model: str | None, samples: Sequence[str], fallback: str | None, settings: EvaluateSettings
) -> None:
    if (model is None) == (not samples):
        raise UserError("evaluate needs --model or --samples, and not both")
    if fallback is not None and not (samples and settings.is_hybrid):
        raise UserError("--fallback needs --samples and evaluate.answers = 'hybrid'; leave it out")
    if len(samples) > 1 and settings.is_hybrid:
        raise UserError(
            f"evaluate.answers = 'hybrid' takes one --samples, and there are {len(samples)}; texts "
            "and programs vote together without it, each read by its own form"
        )


def _made_with(
    problems: str,
    model: str | None,
    samples: Sequence[str],
    fallback: str | None,
    settings: EvaluateSettings,
    samples_format: str,
) -> dict[str, Any]:
    """Everything that decides the result: the content of the inputs, and settings."""
    values = settings_identity(settings)
    return {
        "command": "evaluate",
        "problems": problems_identity(problems),
        "model": model and input_identity(model),
        "samples": _identity_of_samples(samples),
        **({"fallback": input_identity(fallback)} if fallback else {}),
        **({"samples_format": samples_format} if samples_format else {}),
        **{name: value for name, value in values.items() if name != "workers"},
    }


def _identity_of_samples(samples: Sequence[str]) -> str | list[str] | None:
    found = [input_identity(one) for one in samples]
    return found if len(found) > 1 else next(iter(found), None)


def _problems(spec: str, settings: EvaluateSettings) -> list[Problem]:
    problems = load_problems(spec)[: settings.limit or None]
    check_references(problems, settings.reading(problems).graded_by, spec)
    if _are_scored_as_expressions(problems):
        check_expressions(problems, spec)
    return problems


def _are_scored_as_expressions(problems: Sequence[Problem]) -> bool:
    return are_expressions([problem.question for problem in problems])


def _measure(
    folder: OutputFolder,
    problems: str,
    samples: Sequence[str],
    fallback: str | None,
    settings: EvaluateSettings,
    against: str | None,
    samples_format: str = "",
) -> None:
    """Scores the samples, unless that is done, and prints the metrics."""
    if not folder.is_complete:
        loaded = _problems(problems, settings)
        responses = read_responses(samples, loaded, samples_format)
        if responses.skipped:
            count = quantity(responses.skipped, "sample")
            logger.warning("left out: %s of other problems than these", count)
        _score_into(folder.path, loaded, responses, fallback, settings)
        folder.commit()
    print(metrics_table(read_json(folder.path / METRICS_FILE)), flush=True)
    if against is not None:
        print(write_comparison(folder.path, Path(against)), flush=True)


def _score_into(
    output: Path,
    problems: Sequence[Problem],
    responses: Responses,
    fallback: str | None,
    settings: EvaluateSettings,
) -> None:
    settings = settings.reading(problems)
    graded = grade_all(problems, responses, settings)
    texts = read_texts(fallback, output, graded) if settings.is_hybrid else NO_RESPONSES
    with closing(make_grader(settings)) as grader:
        scored = [
            score(one, grader, settings.votes, texts.by_problem.get(one.problem.id, ()))
            for one in graded
        ]
    k = _common_k(scored, settings.k)
    for at in settings.curve:
        _common_k(scored, at)
    shares = majorities(scored, k, settings)
    rows = [to_row(one, k, share) for one, share in zip(scored, shares, strict=True)]
    metrics = summarise(rows, scored, k, responses, settings)
    if _are_scored_as_expressions(problems):
        found = [score_line(one, responses.by_problem[one.id]) for one in problems]
        metrics["arithmetic"] = arithmetic_metrics(found)
        rows = [row | one.row for row, one in zip(rows, found, strict=True)]
    write_rows(output / PREDICTIONS_FILE, rows)
    if settings.is_hybrid:
        metrics["hybrid"] = hybrid_metrics(scored, responses, texts)
    write_json(output / METRICS_FILE, metrics)


def _common_k(scored: Sequence[Scored], k: int) -> int:
    """k, or for k = 0 the number of samples that every problem has.

    Raises:
      UserError: some problem has fewer than k.
    """
    least = min(scored, key=lambda one: len(one.answers))
    if k > len(least.answers):
        raise UserError(
            f"evaluate.k or evaluate.curve asks for k = {k}, but problem {least.problem.id!r} has "
            f"{quantity(len(least.answers), 'sample')}; sample more or lower k"
        )
    return k or len(least.answers)
