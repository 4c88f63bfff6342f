"""Settings by gin: bindings of files and flags become the settings dataclasses.

Every binding's name and type is checked before any work. `rft_jax.gin_files` reads the text.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from rft_jax.errors import UserError
from rft_jax.gin_files import Binding, parse_gin, read_bindings
from rft_jax.typed_values import TypeMismatch, convert, field_types

T = TypeVar("T")
_NO_DEFAULT = object()


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

    @property
    def bindings(self) -> list[Binding]:
        """The bindings that count: of each setting in each scope the last one."""
        return list({b.key: b for b in self._bindings}.values())

    def is_asked_for(self, binding: Binding) -> bool:
        """Whether somebody wants a binding: a flag, or another value than the setting's default.

        Files of resolved settings (`config.gin`) have all defaults.
        """
        values = default_values(self._classes[binding.name])
        return binding.origin == "flag" or binding.value != values.get(binding.field, _NO_DEFAULT)

    def __getitem__(self, name: str) -> Any:
        """An instance of the class of that gin name with the values that are bound in no scope."""
        return self.get(self._classes[name])

    def get(self, kind: type[T], *scopes: str) -> T:
        """An instance of one of the classes with its bound values; the last of `scopes` wins."""
        return kind(**self.bound(kind, *scopes))

    def bound(self, kind: type, *scopes: str) -> dict[str, Any]:
        """The bound values of one of the classes by field; the last of `scopes` wins."""
        return self.bound_in(kind, "", *scopes)

    def bound_in(self, kind: type, *scopes: str) -> dict[str, Any]:
        """As `bound`, without what is bound outside the scopes."""
        name = next(name for name, registered in self._classes.items() if registered is kind)
        values: dict[str, Any] = {}
        for scope in dict.fromkeys(scopes):
            bound = [b for b in self._bindings if (b.scope, b.name) == (scope, name)]
            values.update({b.field: b.value for b in bound})
        return values

    def text(self, changed: bool = False) -> str:
        """All settings, resolved, as a gin file that reproduces them, under the title.

        What is left to other settings, such as a preset, is a comment: as a binding it would be
        for every condition, whatever its preset.

        Args:
          changed: only those that differ from their defaults, which reproduce the others too.
        """
        lines = [f"# {self._title}"] if self._title else []
        for name, kind in self._classes.items():
            settings: Any = self.get(kind)
            values = {f: getattr(settings, f) for f in field_types(kind)}
            defaults: Mapping[str, Any] = default_values(kind) if changed else {}
            left = self._left_to_others(kind)
            lines += [
                f"{'# ' if field in left else ''}{name}.{field} = {literal(value)}"
                for field, value in values.items()
                if field not in defaults or value != defaults[field]
            ]
        scoped = {b.key: b.value for b in self._bindings if b.scope}
        lines += [f"{key} = {literal(value)}" for key, value in scoped.items()]
        return "\n".join(lines) + "\n"

    def _left_to_others(self, kind: type) -> set[str]:
        """The fields of a class whose value, not given, is made of other fields'."""
        given = self.bound(kind)
        settings: Any = self.get(kind)
        return {
            field.name
            for field in dataclasses.fields(kind)
            if field.default is None
            and given.get(field.name) is None
            and getattr(settings, field.name) is not None
        }


def has_default(field: dataclasses.Field[Any]) -> bool:
    """Whether a dataclass's field may be left out."""
    missing = dataclasses.MISSING
    return not (field.default is missing and field.default_factory is missing)


@cache
def default_values(kind: type) -> Mapping[str, Any]:
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
            next(parse_gin(f"x = {value}", ""))
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
      files: names of gin files, as `gin_files.find_gin_file` takes them.
      flags: bindings as `NAME.FIELD=VALUE`.
      scoped: whether bindings may have a scope.
      title: first line of the settings as text.
      unused: gin names of settings that have no effect here, each with the words for why.
      defaults: bindings as `flags`, which files and flags override.

    Raises:
      UserError: a file is missing or cannot be parsed, or a binding has an unknown name or a value
        of another type; names the location and the closest name.
    """
    bindings = read_bindings(files, flags, defaults)
    for one in bindings:
        if why := (unused or {}).get(one.name):
            raise UserError(f"{one.where}: {one.key} has no effect {why}; leave it out")
    return Config(classes, [_checked(binding, classes, scoped) for binding in bindings], title)


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
