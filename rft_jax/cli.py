"""`rft`: a subcommand per stage, its code imported when it runs; paths are flags, the rest gin.

Exit codes are those of `rft_jax.errors`, and 1 for anything else.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import rft_jax
from rft_jax.commands.base import (
    HELP_ALL,
    Command,
    HelpFormatter,
    HelpParser,
    ShowAll,
    wrapped,
)
from rft_jax.commands.collect import COLLECT
from rft_jax.commands.evaluate import EVALUATE
from rft_jax.commands.exports import EXPORT_DATA
from rft_jax.commands.failures import explained
from rft_jax.commands.local_copies import local_copies
from rft_jax.commands.loop import RUN
from rft_jax.commands.planning import PLAN
from rft_jax.commands.policy import POLICY
from rft_jax.commands.report import REPORT
from rft_jax.commands.sample import SAMPLE
from rft_jax.commands.tools import (
    DERIVE,
    DOCTOR,
    EXPORT_HF,
    GENERATE_ARITHMETIC,
    GENERATE_WORDPROBLEMS,
    IMPORT_HF,
)
from rft_jax.commands.train import TRAIN
from rft_jax.errors import UserError
from rft_jax.gin_settings import load_config
from rft_jax.pipeline.supervise.environment import end_with_parent
from rft_jax.signals import stop_on_signals

COMMANDS = {
    command.name: command
    for command in (
        RUN,
        TRAIN,
        SAMPLE,
        COLLECT,
        EVALUATE,
        POLICY,
        REPORT,
        PLAN,
        IMPORT_HF,
        EXPORT_HF,
        EXPORT_DATA,
        GENERATE_WORDPROBLEMS,
        GENERATE_ARITHMETIC,
        DERIVE,
        DOCTOR,
    )
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale may lack letters of names and texts
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(format="rft: %(message)s")
    end_with_parent()
    with stop_on_signals():
        return _exit_code(sys.argv[1:] if argv is None else list(argv))


def _exit_code(argv: list[str]) -> int:
    try:
        _dispatch(argv)
    except BrokenPipeError:  # the reader of our output is gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        code, message = explained(error)
        print(f"rft: {message}", file=sys.stderr, flush=True)
        _end_soon(code)
        return code
    return 0


def _end_soon(code: int) -> None:
    """Where several processes compute as one, doesn't wait for the others for long."""
    if "rft_jax.devices.distributed" in sys.modules:
        from rft_jax.devices.distributed import end_soon

        end_soon(code)


def _dispatch(argv: list[str]) -> None:
    parser = build_parser()
    flags, rest = parser.parse_known_args(argv)
    command: Command = flags.command
    flags.gin = _gin_flags(rest, command)
    load = partial(
        load_config,
        command.settings_classes(flags),
        command.gin_files(flags),
        [*command.bindings(flags), *flags.gin],
        command.scoped,
        f"rft {command.name}",
        command.unused(flags),
    )
    config = load(command.defaults(flags, load()))
    if flags.dry_run:
        print(config.text(changed=True), end="")
        print(f"# every other setting has its default: rft {command.name} {HELP_ALL} lists them")
        if command.dry_run:
            command.dry_run(flags, config)
        return
    typed = argparse.Namespace(**vars(flags))
    with local_copies(flags):
        command.run(flags, config)
        if not _leads():
            return
        instead = command.instead(typed, Path(flags.output)) if command.instead else ()
    following = instead or command.next
    if following:
        lines = [line.format_map(_Typed(vars(typed))) for line in following]
        print("\n".join(["next:", *(f"  {line}" for line in lines)]), flush=True)


class _Typed(dict[str, Any]):
    """Values of flags as they were typed; problems with the names of their columns."""

    def __getitem__(self, name: str) -> str:
        value = super().__getitem__(name)
        if name == "problems" and self.get("columns"):
            return f"{shlex.quote(value)} --columns {self['columns']}"
        return " ".join(map(shlex.quote, value)) if isinstance(value, list) else shlex.quote(value)


def _leads() -> bool:
    """Whether this is the process that speaks, where several compute as one."""
    if "jax" not in sys.modules:
        return True
    import jax

    # Without several processes nothing is asked that would open the devices.
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def _gin_flags(rest: Sequence[str], command: Command) -> list[str]:
    """The bindings of `--gin.NAME=VALUE` flags.

    Raises:
      UserError: another flag is among those that the parser left over.
    """
    for flag in rest:
        if not flag.startswith("--gin."):
            name = f"rft {command.name}"
            raise UserError(f"{flag}: not a flag of {name}; see {name} --help")
    return [flag.removeprefix("--gin.") for flag in rest]


class _RootParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


class _CommandParser(HelpParser, _RootParser):
    pass


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `--help` of one imports that one's settings and nothing else."""
    parser = _RootParser(
        prog="rft",
        description=rft_jax.__doc__,
        epilog=(
            "Start with `rft run --output runs/quickstart`: the whole loop on the embedded data.\n"
            "`rft COMMAND --help` explains each command and its common settings, "
            f"{HELP_ALL} all of them."
        ),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rft_jax {rft_jax.__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_CommandParser
    )
    for command in COMMANDS.values():
        _add_command(commands, command)
    return parser


def _add_command(commands: argparse._SubParsersAction[_CommandParser], command: Command) -> None:
    parser = commands.add_parser(
        command.name,
        help=command.summary,
        description=wrapped(command.description),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.command = command
    parser.set_defaults(command=command, gin_file=[], gin=[], dry_run=False)
    command.add_flags(parser)
    if command.settings:
        parser.add_argument(
            "--gin_file",
            action="append",
            default=[],
            metavar="F",
            help="a gin file: a path, or an installed file's name; repeatable, later bindings win",
        )
        settings = "the settings that are not the defaults"
        text = f"print {settings}{', and the commands,' if command.dry_run else ','} and stop"
        parser.add_argument("--dry_run", action="store_true", help=text)
    text = "show this help message with every setting, and exit"
    help_all = text if command.settings else argparse.SUPPRESS
    parser.add_argument(HELP_ALL, action=ShowAll, nargs=0, help=help_all)


if __name__ == "__main__":
    sys.exit(main())
