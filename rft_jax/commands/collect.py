"""collect: from samples to training paths."""

from __future__ import annotations

import argparse

from rft_jax.commands.advice import after_collect
from rft_jax.commands.base import Command, rows_flag, samples_format_flag
from rft_jax.commands.common import check_samples_format, output_folder_flag, problems_flag
from rft_jax.gin_settings import Config


def _collect_flags(parser: argparse.ArgumentParser) -> None:
    problems_flag(parser)
    text = (
        "a folder that rft sample wrote, or a samples file, also of another program; repeatable: "
        "models are merged (without: only the reference solutions are graded)"
    )
    rows_flag(parser, "--samples", "S", text, default=[], action="append")
    samples_format_flag(parser)
    output_folder_flag(parser)


def _collect(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.rft.collect import collect

    check_samples_format(flags)
    text, form = config.text(), flags.samples_format
    collect(flags.problems, flags.samples, flags.output, config["collect"], text, form)


COLLECT = Command(
    name="collect",
    summary="verify samples, keep the distinct correct ones",
    description=(
        "A sample is kept when its answer and all of its calculator annotations are correct and "
        "no kept sample has the same equations. Writes paths.jsonl (the training data of RFT), "
        "ledger.jsonl (each sample's verdict, and why) and stats.json. Reference solutions are "
        "graded as well, and stats.json lists those that would fail. Needs neither JAX nor "
        "TensorFlow."
    ),
    examples=(
        "rft collect --problems gsm8k:train --samples runs/samples --output runs/collected",
        "rft collect --problems gsm8k:train --samples runs/s7b --samples runs/s13b "
        "--output runs/union",
        "rft collect --problems mine.parquet --samples vllm-output.jsonl --output runs/of-parquet "
        "--columns question=text,answer=meta.target",
    ),
    add_flags=_collect_flags,
    run=_collect,
    settings={"collect": "rft_jax.rft.settings:CollectSettings"},
    next=(
        "rft train --model PRETRAINED --data {output}/paths.jsonl --output RFT",
        "rft report {output} --output REPORT",
    ),
    instead=after_collect,
)
