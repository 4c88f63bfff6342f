"""`rft`: a subcommand a stage, whose code is imported when it runs; paths are flags, the rest gin.

Exit codes: 0 done; 2 a mistake of the user's, said in one line; 75 stopped by SIGTERM or Ctrl-C
with all state saved; 1 anything else.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn

import rft_jax
from rft_jax.commands.base import Command, HelpFormatter, HelpParser, wrapped
from rft_jax.commands.loop import RUN
from rft_jax.commands.planning import PLAN
from rft_jax.commands.stages import COLLECT, EVALUATE, REPORT, SAMPLE, TRAIN
from rft_jax.commands.tools import DERIVE, DOCTOR, EXPORT_HF, GENERATE_WORDPROBLEMS, IMPORT_HF
from rft_jax.errors import Preempted, UserError
from rft_jax.files.outputs import config_text
from rft_jax.files.remote import fetched, mirrored
from rft_jax.gin_settings import load_config
from rft_jax.pipeline.supervise.environment import end_with_parent
from rft_jax.pipeline.supervise.process import StageFailed

COMMANDS = {
    command.name: command
    for command in (
        RUN,
        TRAIN,
        SAMPLE,
        COLLECT,
        EVALUATE,
        REPORT,
        PLAN,
        IMPORT_HF,
        EXPORT_HF,
        GENERATE_WORDPROBLEMS,
        DERIVE,
        DOCTOR,
    )
}
# Path flags, by what becomes of the files.
_READ = {"model", "problems", "samples", "data", "against", "source", "paths", "inputs"}
_WRITTEN = {"output", "target"}
# What the system says of a path that cannot be written, or read, as it was named.
_BAD_PLACE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}
EXIT_ERROR, EXIT_USER, EXIT_PREEMPTED = 1, 2, 75


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code."""
    end_with_parent()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        _dispatch(sys.argv[1:] if argv is None else list(argv))
    except UserError as error:
        return _fail(EXIT_USER, " ".join(str(error).split()))
    except (Preempted, KeyboardInterrupt) as error:
        return _fail(EXIT_PREEMPTED, f"{error or 'stopped'}; run the same command again to go on")
    except ModuleNotFoundError as error:
        extra = _extra_with(error.name or "")
        if extra is None:
            raise
        hint = f"pip install 'rft-jax[{extra}]'"
        return _fail(EXIT_USER, f"this needs {error.name}, which is not installed: {hint}")
    except BrokenPipeError:  # whoever read our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except StageFailed as error:
        return _fail(error.code, str(error))
    except Exception as error:
        if isinstance(error, OSError) and error.filename and error.errno in _BAD_PLACE:
            place = error.filename2 or error.filename  # the name that a file aside was to have
            return _fail(EXIT_USER, f"{place}: {error.strerror}; name another place")
        if full := _full_disk(error):
            return _fail(EXIT_ERROR, f"{full}; make room and run the same command again")
        traceback.print_exc()
        first_line = (str(error).splitlines() or [""])[0]
        return _fail(EXIT_ERROR, f"{type(error).__name__}: {first_line}")
    return 0


def _full_disk(error: BaseException) -> str:
    """What the system says of a full disk; '' for another error."""
    kinds = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
    for number, said in kinds.items():
        # Libraries that write by themselves pass on its words and not the number.
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            return said
    return ""


def _extra_with(module: str) -> str | None:
    """The optional part of the installation that brings a module."""
    from rft_jax.commands.doctor import EXTRAS

    top = module.partition(".")[0]
    return next((name for name, extra in EXTRAS.items() if top in extra.modules), None)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise Preempted(f"stopped by {signal.Signals(number).name}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C asks to save and stop, as SIGTERM does; the second time it stops at once."""
    del number, frame
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.SIGTERM)


def _fail(code: int, message: str) -> int:
    print(f"rft: {message}", file=sys.stderr, flush=True)
    if "rft_jax.devices.distributed" in sys.modules:
        from rft_jax.devices.distributed import end_soon

        end_soon(code)
    return code


def _dispatch(argv: list[str]) -> None:
    parser = build_parser()
    flags, rest = parser.parse_known_args(argv)
    command: Command = flags.command
    config = load_config(
        command.settings_classes(flags),
        command.gin_files(flags),
        [*command.bindings(flags), *_gin_flags(rest, command)],
        command.scoped,
    )
    text = f"# rft {command.name}\n{config.text()}"
    if flags.dry_run:
        print(text, end="")
        if command.dry_run:
            command.dry_run(flags, config)
        return
    before = config_text.set(text)
    try:
        with _local_copies(flags):
            command.run(flags, config)
    finally:
        config_text.reset(before)


@contextmanager
def _local_copies(flags: argparse.Namespace) -> Iterator[None]:
    """Within the block the path flags name local files, also where URLs were given."""
    for name in _READ & vars(flags).keys():
        value = getattr(flags, name)
        if value:
            copies = [fetched(one) for one in value] if isinstance(value, list) else fetched(value)
            setattr(flags, name, copies)
    with ExitStack() as outputs:
        for name in _WRITTEN & vars(flags).keys():
            setattr(flags, name, outputs.enter_context(mirrored(getattr(flags, name))))
        yield


def _gin_flags(rest: Sequence[str], command: Command) -> list[str]:
    """The bindings of `--gin.NAME=VALUE` flags.

    Raises:
      UserError: another flag is among what the parser did not know.
    """
    for flag in rest:
        if not flag.startswith("--gin."):
            raise UserError(f"{flag}: no flag of rft {command.name}; see rft {command.name} --help")
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
            "`rft COMMAND --help` explains each command and every one of its settings."
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
    parser.set_defaults(command=command, gin_file=[], dry_run=False)
    command.add_flags(parser)
    if command.settings:
        parser.add_argument(
            "--gin_file",
            action="append",
            default=[],
            metavar="F",
            help="a gin file, here or among those installed; repeatable, later bindings win",
        )
        parser.add_argument(
            "--dry_run", action="store_true", help="print the resolved settings and stop"
        )


if __name__ == "__main__":
    sys.exit(main())
