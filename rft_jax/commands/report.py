"""report: a page about runs, or served while they go on."""

from __future__ import annotations

import argparse
from functools import partial

from rft_jax.commands.base import Command, input_flag, output_flag
from rft_jax.errors import UserError
from rft_jax.gin_settings import Config

_PORT = 8000


def _report_flags(parser: argparse.ArgumentParser) -> None:
    input_flag(parser, "inputs", "DIR", "outputs of rft run or of single stages", nargs="+")
    output_flag(parser, "--output", "DIR", "folder to write", required=True)
    text = "serve the page on localhost and keep it up to date, until Ctrl-C"
    parser.add_argument("--serve", action="store_true", help=text)
    text = f"port of --serve (default: {_PORT}; 0: any that is free)"
    parser.add_argument("--port", type=int, metavar="N", help=text)


def _report(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.report.report import report
    from rft_jax.report.serve import serve

    if flags.port is not None and not flags.serve:
        raise UserError("--port is for --serve; add --serve or leave it out")
    make = partial(report, flags.inputs, flags.output, config["report"], config.text())
    if flags.serve:
        serve(flags.inputs, make, _PORT if flags.port is None else flags.port)
    else:
        make()


REPORT = Command(
    name="report",
    summary="tables, plots and one HTML page from the folders of runs",
    description=(
        "Writes a self-contained index.html, its tables and a plot, from files alone. With --serve "
        "the page follows runs that are not finished: it is written again when a stage finishes, "
        "and reloads itself in the browser."
    ),
    examples=(
        "rft report runs/quickstart --output runs/quickstart-report",
        "rft report runs/quickstart --output runs/live --serve",
    ),
    add_flags=_report_flags,
    run=_report,
    settings={"report": "rft_jax.report.report:ReportSettings"},
    next=("open {output}/index.html",),
)
