"""evaluate: metrics of a model or of samples."""

from __future__ import annotations

import argparse

from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.advice import after_evaluate
from rft_jax.commands.base import Command, input_flag, rows_flag, samples_format_flag
from rft_jax.commands.common import (
    MESH,
    MODEL_HELP,
    check_samples_format,
    output_folder_flag,
    problems_flag,
)
from rft_jax.commands.lengths import lengths
from rft_jax.gin_settings import Config


def _evaluate_flags(parser: argparse.ArgumentParser) -> None:
    problems_flag(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    input_flag(source, "--model", "M", MODEL_HELP)
    text = "existing samples to score instead; repeatable: they vote together"
    rows_flag(source, "--samples", "S", text, action="append")
    samples_format_flag(parser)
    text = "with --samples and evaluate.answers = 'hybrid': texts of the programs without an answer"
    input_flag(parser, "--fallback", "S", text)
    text = "output of another rft evaluate on the same problems: a paired test of the two"
    input_flag(parser, "--against", "DIR", text)
    output_folder_flag(parser)


def _evaluate(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.evaluation.evaluate import evaluate

    check_samples_format(flags)
    evaluate(
        flags.problems,
        flags.output,
        config["evaluate"],
        model=flags.model and model_folder(flags.model),
        samples=flags.samples,
        against=flags.against,
        mesh=None if flags.samples else config["mesh"],
        config_text=config.text(),
        fallback=flags.fallback,
        samples_format=flags.samples_format,
    )


def _evaluate_unused(flags: argparse.Namespace) -> dict[str, str]:
    return {"mesh": "with --samples"} if flags.samples else {}


EVALUATE = Command(
    name="evaluate",
    summary="accuracy, maj@k and pass@k with intervals",
    description=(
        "Greedy accuracy of a model, or mean@1, maj@k and pass@k of several samples per problem. "
        "Writes metrics.json (with 95 % intervals) and predictions.jsonl (a row per problem)."
    ),
    examples=(
        "rft evaluate --model runs/rft --problems gsm8k:test --output runs/rft-eval "
        "--against runs/sft-eval",
        "rft evaluate --samples runs/samples --problems gsm8k:train --output runs/scored",
        "rft evaluate --samples runs/texts --samples runs/programs --problems gsm8k:train "
        "--output runs/votes",
    ),
    add_flags=_evaluate_flags,
    run=_evaluate,
    settings={"evaluate": "rft_jax.evaluation.settings:EvaluateSettings", **MESH},
    unused=_evaluate_unused,
    defaults=lengths("evaluate.max_new_tokens"),
    next=(
        "rft evaluate --model ANOTHER --problems {problems} --output DIR --against {output}",
        "rft report {output} --output REPORT",
    ),
    instead=after_evaluate,
)
