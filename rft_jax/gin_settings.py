"""Settings by gin: files and `NAME.FIELD = VALUE` bindings become the settings dataclasses.

The syntax is gin's, read by gin's own parser: literals, `include`, macros (`K = 16`, `%K`), blocks
and scopes (`sft/train.num_epochs = 3`). Nothing global is changed and a config file calls nothing:
`@references` and `import` are refused. Every binding's name and type is checked before any work.
"""

from __future__ import annotations

import dataclasses
import difflib
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gin import config_parser

from rft_jax.errors import UserError
from rft_jax.typed_values import TypeMismatch, convert, field_types

T = TypeVar("T")
_PACKAGE = Path(__file__).resolve().parent
# When installed, the gin files are in the package; in a checkout, beside it.
CONFIG_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
_MAX_INCLUDES = 100


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

    @property
    def key(self) -> str:
        """The left side of the binding."""
        setting = f"{self.name}.{self.field}"
        return f"{self.scope}/{setting}" if self.scope else setting


class Config:
    """Settings classes by their gin names, and the bindings of a command's files and flags.

    Args:
      title: first line of the settings as text.
    """

    def __init__(
        self, classes: Mapping[str, type], bindings: Sequence[Binding], title: str = ""
    ) -> None:
        self._classes = dict(classes)
        self._bindings = list(bindings)
        self._title = title

    @property
    def scopes(self) -> dict[str, str]:
        """Every bound scope with the location of its first binding."""
        return {b.scope: b.where for b in reversed(self._bindings) if b.scope}

    def location_of(self, key: str) -> str:
        """The location of the first binding of `name.field` in any scope; '' without one."""
        return next((b.where for b in self._bindings if f"{b.name}.{b.field}" == key), "")

    def __getitem__(self, name: str) -> Any:
        """An instance of the class of that gin name with the values that are bound in no scope."""
        return self.get(self._classes[name])

    def get(self, kind: type[T], *scopes: str) -> T:
        """An instance of one of the classes with its bound values; the last of `scopes` wins."""
        return kind(**self.bound(kind, *scopes))

    def bound(self, kind: type, *scopes: str) -> dict[str, Any]:
        """The bound values of one of the classes by field; the last of `scopes` wins."""
        name = next(name for name, registered in self._classes.items() if registered is kind)
        values: dict[str, Any] = {}
        for scope in dict.fromkeys(("", *scopes)):
            bound = [b for b in self._bindings if (b.scope, b.name) == (scope, name)]
            values.update({b.field: b.value for b in bound})
        return values

    def text(self, changed: bool = False) -> str:
        """All settings, resolved, as a gin file that reproduces them, under the title.

        Args:
          changed: only those that differ from their defaults, which reproduce the others too.
        """
        lines = [f"# {self._title}"] if self._title else []
        for name, kind in self._classes.items():
            settings: Any = self.get(kind)
            values = {f: getattr(settings, f) for f in field_types(kind)}
            defaults = default_values(kind) if changed else {}
            lines += [
                f"{name}.{field} = {literal(value)}"
                for field, value in values.items()
                if field not in defaults or value != defaults[field]
            ]
        scoped = {b.key: b.value for b in self._bindings if b.scope}
        lines += [f"{key} = {literal(value)}" for key, value in scoped.items()]
        return "\n".join(lines) + "\n"


def has_default(field: dataclasses.Field[Any]) -> bool:
    """Whether a dataclass's field may be left out."""
    missing = dataclasses.MISSING
    return not (field.default is missing and field.default_factory is missing)


def default_values(kind: type) -> dict[str, Any]:
    """The values that a settings class's fields have if nothing is given, presets applied."""
    fields = [field for field in dataclasses.fields(kind) if field.init]
    if all(map(has_default, fields)):
        settings = kind()
        return {field.name: getattr(settings, field.name) for field in fields}
    return {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}


def literal(value: Any) -> str:
    """A setting's value as gin reads it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return repr(dataclasses.asdict(value))
    return repr(value)


def flag_value(value: Any) -> str:
    """A setting's value in a `--gin.NAME=VALUE` flag: text without needless quotes."""
    if isinstance(value, str):
        try:
            next(_parse(f"x = {value}", ""))
        except (UserError, StopIteration):
            return value
    return literal(value)


def load_config(
    classes: Mapping[str, type],
    files: Sequence[str] = (),
    flags: Sequence[str] = (),
    scoped: bool = False,
    title: str = "",
    unused: Mapping[str, str] | None = None,
    defaults: Sequence[str] = (),
) -> Config:
    """Reads gin files, in order, then `NAME.FIELD=VALUE` flags; later bindings win.

    Args:
      classes: the settings dataclasses by their gin names; nothing else can be bound.
      files: names of gin files, as `find_gin_file` takes them.
      flags: bindings as `NAME.FIELD=VALUE`.
      scoped: whether bindings may have a scope.
      title: first line of the settings as text.
      unused: gin names of settings that have no effect here, each with the words for why.
      defaults: bindings as `flags`, which files and flags override.

    Raises:
      UserError: a file is missing or cannot be parsed, or a binding has an unknown name or a value
        of another type; names the location and the closest name.
    """
    statements = [binding for flag in defaults for binding in _read_flag(flag)]
    statements += [binding for file in files for binding in _read_file(file, None, _MAX_INCLUDES)]
    statements += [binding for flag in flags for binding in _read_flag(flag)]
    bindings = _resolve_macros(statements)
    for one in bindings:
        if why := (unused or {}).get(one.name):
            raise UserError(f"{one.where}: {one.key} has no effect {why}; leave it out")
    return Config(classes, [_checked(binding, classes, scoped) for binding in bindings], title)


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
    for statement in _parse(text, str(path)):
        where = f"{path}:{statement.location.line_num}"
        if isinstance(statement, config_parser.IncludeStatement):
            yield from _read_file(statement.filename, path.parent, depth - 1)
        elif isinstance(statement, config_parser.BindingStatement):
            yield _binding(statement, where)
        elif isinstance(statement, config_parser.ImportStatement):
            raise UserError(f"{where}: import: a config file binds values and loads no code")


def _read_flag(flag: str) -> Iterator[Binding]:
    key, equals, value = flag.partition("=")
    where = f"--gin.{flag}"
    if not equals:
        raise UserError(f"{where}: write --gin.NAME.FIELD=VALUE")
    try:
        statements = list(_parse(f"{key} = {value}", where))
    except UserError:  # text whose quotes the shell removed
        statements = list(_parse(f"{key} = {value!r}", where))
    for statement in statements:
        yield _binding(statement, where)


def _binding(statement: config_parser.BindingStatement, where: str) -> Binding:
    return Binding(statement.scope, statement.selector, statement.arg_name, statement.value, where)


def _parse(text: str, where: str) -> Iterator[Any]:
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
    macros = {s.name: s for s in statements if not s.field}
    used: set[str] = set()

    def value_of(value: Any, where: str, depth: int = 0) -> Any:
        if isinstance(value, _Macro):
            if value.name not in macros or depth > len(macros):
                raise UserError(f"{where}: %{value.name} is not defined; add {value.name} = VALUE")
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


def _checked(binding: Binding, classes: Mapping[str, type], scoped: bool) -> Binding:
    where, name = binding.where, binding.name
    if binding.scope and not scoped:
        raise UserError(f"{where}: only rft run and rft plan have scopes such as {binding.scope!r}")
    if name not in classes:
        raise UserError(f"{where}: no settings {name!r} here; {_closest(binding, classes)}")
    types = field_types(classes[name])
    if binding.field not in types:
        raise UserError(f"{where}: {name} has no {binding.field!r}; {_closest(binding, classes)}")
    try:
        value = convert(binding.value, types[binding.field])
    except TypeMismatch as error:
        raise UserError(f"{where}: {name}.{binding.field} is {binding.value!r}; {error}") from error
    return dataclasses.replace(binding, value=value)


# What other programs call a setting -> its name here.
SYNONYMS = {
    "lr": "learning_rate",
    "bs": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "epochs": "num_epochs",
    "num_train_epochs": "num_epochs",
    "steps": "num_steps",
    "max_steps": "num_steps",
    "wd": "weight_decay",
    "warmup": "warmup_ratio",
    "grad_clip": "max_grad_norm",
    "clip": "max_grad_norm",
    "gradient_accumulation_steps": "gradient_accumulation",
    "bf16": "dtype",
    "precision": "dtype",
    "max_seq_length": "max_length",
    "seq_len": "max_length",
    "gradient_checkpointing": "remat",
    "n": "num_samples",
    "k": "num_samples",
    "num_return_sequences": "num_samples",
    "temp": "temperature",
    "max_tokens": "max_new_tokens",
    "max_length": "max_new_tokens",
    "stop_strings": "stop",
}


def _closest(binding: Binding, classes: Mapping[str, type]) -> str:
    names = [f"{name}.{field}" for name, kind in classes.items() for field in field_types(kind)]
    meant = f"{binding.name}.{SYNONYMS.get(binding.field.lower(), '')}"
    if meant in names:
        return f"it is called {meant} here"
    close = difflib.get_close_matches(f"{binding.name}.{binding.field}", names, 3, 0.7)
    return f"closest: {', '.join(close)}" if close else f"there are {', '.join(classes)}"
