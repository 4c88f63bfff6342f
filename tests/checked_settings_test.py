"""Checks of settings' values: each names the setting as it is bound, its value and what fits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from rft_jax.checked_settings import CheckedSettings
from rft_jax.errors import UserError


@dataclass(frozen=True)
class Oven(CheckedSettings):
    gin_name: ClassVar[str] = "oven"

    degrees: float = 180.0
    minutes: float = 40.0
    door: float = 0.5
    heat: str = "top"
    rolls: int = 12
    rows: int = 3

    def __post_init__(self) -> None:
        self._check_at_least(100, "degrees")
        self._check_above(0, "minutes")
        self._check_share("door")
        self._check_choice("heat", ("top", "all round"))
        self._check_multiple("rolls", "rows")


@pytest.mark.parametrize(
    "fitting",
    [{"degrees": 100}, {"minutes": 1e-9}, {"door": 1}, {"heat": "all round"}, {"rows": 4}],
)
def test_a_value_at_the_edge_of_what_fits_is_taken(fitting: dict[str, Any]) -> None:
    assert vars(Oven(**fitting)) == vars(Oven()) | fitting


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"degrees": 99}, "oven.degrees = 99: at least 100 is needed"),
        ({"degrees": math.nan}, "oven.degrees = nan: at least 100 is needed"),
        ({"degrees": math.inf}, "oven.degrees = inf: a finite number is needed"),
        ({"minutes": 0}, "oven.minutes = 0: above 0 is needed"),
        ({"minutes": math.inf}, "oven.minutes = inf: a finite number is needed"),
        ({"door": 0}, "oven.door = 0: above 0 and at most 1 is needed"),
        ({"door": 1.01}, "oven.door = 1.01: above 0 and at most 1 is needed"),
        ({"rows": 5}, "oven.rolls = 12: a multiple of oven.rows = 5 is needed"),
        ({"heat": "bottom"}, "oven.heat = 'bottom': one of 'top', 'all round' is needed"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_does(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        Oven(**changes)
    assert str(caught.value) == message
