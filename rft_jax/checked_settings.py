"""Checks of settings' values: a value that is refused is named as it is bound, with what fits."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import ClassVar, NoReturn

from rft_jax.errors import UserError


class CheckedSettings:
    """Base of settings dataclasses, which call these checks in `__post_init__`.

    Every check raises a UserError that names the setting, its value and what is needed.
    """

    gin_name: ClassVar[str]
    """The name before the dot where these settings are bound, as messages write it."""
    COMMON: ClassVar[tuple[str, ...] | None] = None
    """The settings that `--help` shows, `--help-all` the others too; None for all."""

    def _refuse(self, name: str, needed: str) -> NoReturn:
        raise UserError(f"{self.gin_name}.{name} = {getattr(self, name)!r}: {needed}")

    def _check_at_least(self, least: float, *names: str) -> None:
        for name in names:
            if not getattr(self, name) >= least:
                self._refuse(name, f"at least {least} is needed")
            self._check_finite(name)

    def _check_above(self, bound: float, *names: str) -> None:
        for name in names:
            if not getattr(self, name) > bound:
                self._refuse(name, f"above {bound} is needed")
            self._check_finite(name)

    def _check_finite(self, name: str) -> None:
        if math.isinf(getattr(self, name)):
            self._refuse(name, "a finite number is needed")

    def _check_share(self, *names: str) -> None:
        for name in names:
            if not 0 < getattr(self, name) <= 1:
                self._refuse(name, "above 0 and at most 1 is needed")

    def _check_choice(self, name: str, choices: Collection[str]) -> None:
        if getattr(self, name) not in choices:
            self._refuse(name, f"one of {', '.join(map(repr, choices))} is needed")

    def _check_multiple(self, name: str, unit: str) -> None:
        """The setting `name` has to be a multiple of the setting `unit`."""
        if getattr(self, name) % getattr(self, unit):
            needed = f"{self.gin_name}.{unit} = {getattr(self, unit)}"
            self._refuse(name, f"a multiple of {needed} is needed")
