"""export-data: problems, paths and samples for other trainers."""

from __future__ import annotations

import argparse

from rft_jax.commands.base import (
    Command,
    columns_flag,
    output_flag,
    rows_flag,
    samples_format_flag,
)
from rft_jax.commands.common import check_samples_format
from rft_jax.gin_settings import Config
from rft_jax.progress import quantity


def _flags(parser: argparse.ArgumentParser) -> None:
    text = "problems (a file or a name), paths, or a folder that rft collect or rft policy wrote"
    rows_flag(parser, "--from", "P", text, required=True, dest="source")
    parser.add_argument("--format", required=True, metavar="F", help="one of the formats above")
    text = "file to write; its suffix says how: .jsonl, .jsonl.gz or .parquet"
    output_flag(parser, "--output", "FILE", text, required=True)
    text = "the samples of a ledger (default: those in its folder); repeatable"
    rows_flag(parser, "--samples", "S", text, action="append", default=[])
    samples_format_flag(parser)
    text = "the problems of a ledger (default: those in its folder's paths.jsonl)"
    rows_flag(parser, "--problems", "P", text, default="")
    columns_flag(parser)
    text = "write a data card (README.md) next to the file: source, counts, models"
    parser.add_argument("--card", action="store_true", help=text)
    text = "template that makes a prompt of a question; chat: messages (default: plain)"
    parser.add_argument("--template", metavar="T", default="plain", help=text)


def _export(flags: argparse.Namespace, config: Config) -> None:
    del config
    from rft_jax.derive.exports import Source, export_data

    check_samples_format(flags)
    source = Source(
        *(flags.source, tuple(flags.samples), flags.problems, flags.template),
        flags.samples_format,
    )
    rows = export_data(source, flags.format, flags.output)
    print(f"{flags.output}: {quantity(rows, 'row')}")
    if flags.card:
        from rft_jax.report.cards import write_data_card

        write_data_card(flags.output, flags.format, rows, flags.source)


EXPORT_DATA = Command(
    name="export-data",
    summary="problems, paths and samples as data for other trainers (TRL, axolotl, verl)",
    description=(
        "Formats:\n"
        "paths: the rows of paths.jsonl\n"
        "messages: conversations of question and response\n"
        "prompt_completion: the question in a template, and the response\n"
        "preference (DPO): a correct and an incorrect response to the same problem\n"
        "kto: responses with label true or false\n"
        "verl: problems with their final answers\n\n"
        "preference and kto need a ledger with its samples: the output of rft collect (with "
        "--samples) or of rft policy (with --problems). With --template chat, their prompts and "
        "responses, and those of prompt_completion, are lists of messages."
    ),
    examples=(
        "rft export-data --from runs/collected/paths.jsonl --format messages --output sft.jsonl",
        "rft export-data --from runs/collected --samples runs/samples --format preference "
        "--output dpo.parquet",
        "rft export-data --from gsm8k:train --format verl --output train.parquet",
    ),
    add_flags=_flags,
    run=_export,
)
