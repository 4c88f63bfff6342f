"""A subcommand: its flags, its gin settings, its help text and the call that does its work."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from rft_jax.gin_settings import Config, has_default, literal
from rft_jax.typed_values import field_types

WIDTH = 100
HELP_ALL = "--help-all"


class InputPath(str):
    """Type of a flag that names what a command reads: a path, or a URL that is fetched first."""


class RowsPath(InputPath):
    """Type of a flag that names a file with rows, whose columns `--columns` can rename."""


class OutputPath(str):
    """Type of a flag that names what a command writes: a path, or a URL that is kept up to date."""


def input_flag(
    flags: argparse._ActionsContainer, name: str, metavar: str, text: str, **options: Any
) -> None:
    """Adds a flag that names what a command reads; `text` is its help, `options` argparse's."""
    flags.add_argument(name, type=InputPath, metavar=metavar, help=text, **options)


def rows_flag(
    flags: argparse._ActionsContainer, name: str, metavar: str, text: str, **options: Any
) -> None:
    """Adds a flag that names a file with rows; `text` is its help, `options` argparse's."""
    flags.add_argument(name, type=RowsPath, metavar=metavar, help=text, **options)


def columns_flag(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Adds `--columns`, which is about every flag of `rows_flag`; `options` are argparse's."""
    text = (
        "names of columns that are not recognised: ours=theirs, separated by commas; for example "
        "question=prompt,answer=target"
    )
    parser.add_argument("--columns", metavar="C", default="", help=text, **options)


def samples_format_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--samples_format`."""
    text = (
        "format of the samples: rft, columns, nemo_skills, vllm (run-batch), openai or lm_eval "
        "(default: recognised by the first row)"
    )
    parser.add_argument("--samples_format", metavar="F", default="", help=text)


def output_flag(
    flags: argparse._ActionsContainer, name: str, metavar: str, text: str, **options: Any
) -> None:
    """Adds a flag that names what a command writes; `text` is its help, `options` argparse's."""
    flags.add_argument(name, type=OutputPath, metavar=metavar, help=text, **options)


@dataclass(frozen=True)
class Command:
    """One subcommand.

    Attributes:
      name: as it is typed.
      summary: one line for `rft --help`.
      description: what it does and leaves behind, for `rft NAME --help`.
      examples: whole command lines.
      add_flags: adds the flags, paths by `input_flag` and `output_flag`.
      run: does the work, given the parsed flags and the settings.
      settings: gin name to `module:Class` of the settings it takes; imported on demand.
      rare: gin names of settings that only --help-all shows.
      unused: of a command line, gin names of settings that have no effect there, each with
        the words for why: `with --server`.
      gin_files: the gin files of a command line, by default those of --gin_file; `flags.gin` has
        the bindings of its --gin.… flags.
      bindings: what other flags bind; --gin.… flags override it.
      defaults: defaults of a command line other than the settings' own, given its settings without
        them; everything overrides them.
      scoped: whether a binding may be limited to one condition (`sft/train.num_epochs = 3`).
      dry_run: prints what the command would do, after the settings.
      next: command lines that use the output, printed at the end; `{output}` and other flags are
        filled in as they were typed.
      instead: command lines in place of `next` for what became of a command line, given its flags
        as typed and the local output folder; none where `next` holds.
    """

    name: str
    summary: str
    description: str
    examples: tuple[str, ...]
    add_flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Config], None]
    settings: Mapping[str, str] = field(default_factory=dict)
    rare: Collection[str] = ()
    unused: Callable[[argparse.Namespace], Mapping[str, str]] = lambda _flags: {}
    gin_files: Callable[[argparse.Namespace], list[str]] = lambda flags: flags.gin_file
    bindings: Callable[[argparse.Namespace], list[str]] = lambda _flags: []
    defaults: Callable[[argparse.Namespace, Config], list[str]] = lambda _flags, _config: []
    scoped: bool = False
    dry_run: Callable[[argparse.Namespace, Config], None] | None = None
    next: tuple[str, ...] = ()
    instead: Callable[[argparse.Namespace, Path], Sequence[str]] | None = None

    def settings_classes(self, flags: argparse.Namespace | None = None) -> dict[str, type]:
        """The settings classes by gin name: all, or those that a command line takes."""
        unused = {} if flags is None else self.unused(flags)
        return {
            name: resolve_name(where) for name, where in self.settings.items() if name not in unused
        }


def wrapped(text: str) -> str:
    """Paragraphs, filled to the help's width; a paragraph's further lines are items of a list."""
    return "\n\n".join(_filled(*paragraph.split("\n")) for paragraph in text.split("\n\n"))


def _filled(first: str, *items: str) -> str:
    listed = [
        textwrap.fill(item, WIDTH, initial_indent=" " * 2, subsequent_indent=" " * 6)
        for item in items
    ]
    return "\n".join([textwrap.fill(first, WIDTH), *listed])


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """argparse's, at our width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH, max_help_position=24)


class _Once(argparse._StoreAction):
    """Stores a flag's value; a second one is refused, as it would replace the first silently."""

    def __call__(
        self, _: argparse.ArgumentParser, flags: argparse.Namespace, value: Any, *__: Any
    ) -> None:
        _check_filled(self, value)
        given = getattr(flags, self.dest)
        if given is not self.default:
            raise argparse.ArgumentError(self, f"given twice, {given} and {value}; give it once")
        setattr(flags, self.dest, value)


class _Each(argparse._AppendAction):
    """Stores every value of a flag that is repeatable."""

    def __call__(
        self, parser: argparse.ArgumentParser, flags: argparse.Namespace, value: Any, *_: Any
    ) -> None:
        _check_filled(self, value)
        super().__call__(parser, flags, value)


def _check_filled(flag: argparse.Action, value: Any) -> None:
    """Refuses an empty value, but for a flag of the type `str`, which takes any text."""
    values = value if isinstance(value, list) else [value]
    if flag.type is not str and not all(str(one).strip() for one in values):
        raise argparse.ArgumentError(flag, "the value is empty (an unset variable?); write one")


class HelpParser(argparse.ArgumentParser):
    """A subcommand's parser, whose help ends with examples and its gin settings.

    A flag that is not repeatable is given once, and no flag has an empty value.
    """

    command: Command
    shows_all = False
    """Whether the help has every setting, or the common ones."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, action in ((None, _Once), ("store", _Once), ("append", _Each)):
            self.register("action", name, action)

    def format_help(self) -> str:
        parts = [super().format_help().rstrip()]
        if self.command.examples:
            parts.append("examples:\n" + "\n".join(f"  {line}" for line in self.command.examples))
        parts += self._settings()
        return "\n\n".join(parts) + "\n"

    def _settings(self) -> list[str]:
        shown, left_out = {}, 0
        for name, kind in self.command.settings_classes().items():
            every = list(field_types(kind))
            is_rare = name in self.command.rare and not self.shows_all
            shown[name] = every if self.shows_all else [] if is_rare else common_fields(kind)
            left_out += len(every) - len(shown[name])
        if not shown:
            return []
        kinds = self.command.settings_classes()
        parts = ["settings (--gin.NAME=VALUE, or NAME = VALUE in a gin file):"]
        parts += [_describe_class(name, kinds[name], fields) for name, fields in shown.items()]
        if left_out:
            parts.append(f"{left_out} more settings: rft {self.command.name} {HELP_ALL}")
        return [part for part in parts if part]


class ShowAll(argparse.Action):
    """Prints the help with every setting, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        assert isinstance(parser, HelpParser)
        parser.shows_all = True
        parser.print_help()
        parser.exit()


def common_fields(kind: type) -> list[str]:
    """The settings of a class that `--help` shows: those of its `COMMON`, and what must be given.

    Without a `COMMON` all of them.
    """
    marked = getattr(kind, "COMMON", None)
    if marked is None:
        return list(field_types(kind))
    required = {field.name for field in dataclasses.fields(kind) if not has_default(field)}
    return [name for name in field_types(kind) if name in {*marked, *required}]


def _describe_class(name: str, kind: type, shown: Sequence[str]) -> str:
    documents = field_documents(kind)
    defaults = {f.name: _default(f) for f in dataclasses.fields(kind)}
    rows = []
    for field_name in shown:
        rows.append(f"  {name}.{field_name} = {defaults[field_name]}")
        rows += textwrap.wrap(
            documents.get(field_name, ""), WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return "\n".join(rows)


def _default(setting: dataclasses.Field[Any]) -> str:
    if not has_default(setting):
        return "(must be given)"
    factory = setting.default_factory
    return literal(setting.default if factory is dataclasses.MISSING else factory())


def field_documents(kind: type) -> dict[str, str]:
    """What a settings class's docstring says of each field (`name: text`, continued deeper).

    Fields that it does not name are documented by the class that it extends.
    """
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    texts = [inspect.cleandoc(vars(base).get("__doc__") or "") for base in reversed(kind.__mro__)]
    for line in "\n".join(texts).splitlines():
        match = re.match(r" {2}(\w+(?:, \w+)*): (.*)", line)
        if match:
            current = [match[2]]
            found.update(dict.fromkeys(match[1].split(", "), current))
        elif current is not None and line.startswith("    "):
            current.append(line.strip())
        else:
            current = None
    return {name: " ".join(lines) for name, lines in found.items()}
