"""The text of settings: gin files and `NAME.FIELD=VALUE` flags become bindings.

The syntax is gin's, read by gin's own parser: literals, `include`, macros (`K = 16`, `%K`), blocks
and scopes (`sft/train.num_epochs = 3`). Nothing global is changed and a config file calls nothing:
`@references` and `import` are refused.
"""

from __future__ import annotations

import dataclasses
import difflib
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gin import config_parser

from rft_jax.errors import UserError

_PACKAGE = Path(__file__).resolve().parent
# When installed, the gin files are in the package; in a checkout, beside it.
CONFIG_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
_MAX_INCLUDES = 100

Origin = Literal["default", "installed", "file", "flag"]
"""Who bound a setting: a command's defaults, a gin file of the package, the user's file or flag."""


@dataclass(frozen=True)
class _Macro:
    name: str


@dataclass(frozen=True)
class Binding:
    """`scope/name.field = value` and its location (`file:line` or flag); a macro has no field."""

    scope: str
    name: str
    field: str
    value: Any
    where: str
    origin: Origin = "file"

    @property
    def key(self) -> str:
        """The left side of the binding."""
        setting = f"{self.name}.{self.field}"
        return f"{self.scope}/{setting}" if self.scope else setting


def read_bindings(
    files: Sequence[str], flags: Sequence[str], defaults: Sequence[str] = ()
) -> list[Binding]:
    """All bindings in their order, macros replaced by their values: defaults, files, flags.

    Args:
      files: names of gin files, as `find_gin_file` takes them.
      flags: bindings as `NAME.FIELD=VALUE`.
      defaults: bindings as `flags`.

    Raises:
      UserError: a file is missing or cannot be parsed, or a macro has no value; names the location.
    """
    statements = [binding for flag in defaults for binding in _read_flag(flag, "default")]
    statements += [binding for file in files for binding in _read_file(file, None, _MAX_INCLUDES)]
    statements += [binding for flag in flags for binding in _read_flag(flag, "flag")]
    return _resolve_macros(statements)


def find_gin_file(name: str, beside: Path | None = None) -> Path:
    """The gin file of that name: as a path, beside the including file, or an installed one.

    Args:
      beside: the including file's folder.

    Raises:
      UserError: there is no such file; lists the installed files with the closest names.
    """
    short = name.removeprefix("configs/")
    candidates = [Path(name), *([beside / name] if beside else [])]
    candidates += [folder / (short + end) for folder in CONFIG_FOLDERS for end in ("", ".gin")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    installed = installed_gin_files()
    close = difflib.get_close_matches(short, installed, 3, 0.4) or installed
    raise UserError(f"{name}: no such gin file, here or installed; installed: {', '.join(close)}")


def installed_gin_files() -> list[str]:
    """Names of the package's own gin files, e.g. `runs/quickstart.gin`."""
    return sorted(
        {str(p.relative_to(folder)) for folder in CONFIG_FOLDERS for p in folder.rglob("*.gin")}
    )


class _Delegate(config_parser.ParserDelegate):
    """Macros stay names until all bindings are read; references to code are refused."""

    def macro(self, macro_name: str) -> _Macro:
        return _Macro(macro_name)

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> None:
        del evaluate
        raise UserError(f"@{scoped_configurable_name}: a setting is a plain value here")


def _read_file(name: str, beside: Path | None, depth: int) -> Iterator[Binding]:
    path = find_gin_file(name, beside)
    if depth == 0:
        raise UserError(f"{path}: gin files include one another in a cycle")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    is_installed = any(path.resolve().is_relative_to(folder) for folder in CONFIG_FOLDERS)
    origin: Origin = "installed" if is_installed else "file"
    for statement in parse_gin(text, str(path)):
        where = f"{path}:{statement.location.line_num}"
        if isinstance(statement, config_parser.IncludeStatement):
            yield from _read_file(statement.filename, path.parent, depth - 1)
        elif isinstance(statement, config_parser.BindingStatement):
            yield _binding(statement, where, origin)
        elif isinstance(statement, config_parser.ImportStatement):
            raise UserError(f"{where}: import: a config file binds values and loads no code")


def _read_flag(flag: str, origin: Origin) -> Iterator[Binding]:
    key, equals, value = flag.partition("=")
    where = f"--gin.{flag}"
    if not equals:
        raise UserError(f"{where}: write --gin.NAME.FIELD=VALUE")
    try:
        statements = list(parse_gin(f"{key} = {value}", where))
    except UserError:  # text whose quotes the shell removed
        statements = list(parse_gin(f"{key} = {value!r}", where))
    for statement in statements:
        yield _binding(statement, where, origin)


def _binding(statement: config_parser.BindingStatement, where: str, origin: Origin) -> Binding:
    named = statement.scope, statement.selector, statement.arg_name
    return Binding(*named, statement.value, where, origin)


def parse_gin(text: str, where: str) -> Iterator[Any]:
    """The statements of a text in gin's syntax, as gin's parser has them.

    Raises:
      UserError: the text is not gin, or refers to code; begins with `where` and the line.
    """
    try:
        yield from config_parser.ConfigParser(text, _Delegate())
    except SyntaxError as error:
        line = getattr(error.args[1], "line_num", None) if len(error.args) > 1 else error.lineno
        message = str(error.args[0]).splitlines()[-1].strip()
        raise UserError(f"{where}{f':{line}' if line else ''}: not gin: {message}") from error
    except tokenize.TokenError as error:
        raise UserError(f"{where}:{error.args[1][0]}: not gin: {error.args[0]}") from error
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _resolve_macros(statements: Iterable[Binding]) -> list[Binding]:
    statements = list(statements)
    for one in statements:
        if one.scope and not one.field:
            raise UserError(
                f"{one.where}: {one.scope}/{one.name} is not a setting, and a macro has no scope; "
                f"bind {one.scope}/NAME.FIELD"
            )
    macros = {s.name: s for s in statements if not s.field}
    used: set[str] = set()

    def value_of(value: Any, where: str, depth: int = 0) -> Any:
        if isinstance(value, _Macro):
            if value.name not in macros:
                raise UserError(f"{where}: %{value.name} is not defined; add {value.name} = VALUE")
            if depth > len(macros):
                at = macros[value.name].where
                raise UserError(f"{at}: %{value.name} is defined by itself; give it a value")
            used.add(value.name)
            return value_of(macros[value.name].value, where, depth + 1)
        if isinstance(value, list | tuple):
            return type(value)(value_of(v, where, depth) for v in value)
        if isinstance(value, dict):
            return {k: value_of(v, where, depth) for k, v in value.items()}
        return value

    bound = [
        dataclasses.replace(s, value=value_of(s.value, s.where)) for s in statements if s.field
    ]
    for name in macros.keys() - used:
        raise UserError(f"{macros[name].where}: {name}: not a setting; write NAME.FIELD = VALUE")
    return bound
