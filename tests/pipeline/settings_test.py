"""Settings of a run: invalid values are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.pipeline.settings import RunSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a/b"}, r"run\.name = 'a/b': a plain folder name is needed, none of '\.', "),
        ({"name": "stages"}, r"run\.name = 'stages': a plain folder name .*, 'stages', 'problems'"),
        ({"seeds": ()}, r"run\.seeds = \(\): one or more distinct ones are needed"),
        ({"seeds": (1, 1)}, r"run\.seeds = \(1, 1\): one or more distinct"),
        ({"seeds": (0, -1)}, r"run\.seeds = \(0, -1\): numbers from 0 on are needed"),
        ({"arms": ("rft", "rft")}, r"run\.arms = \('rft', 'rft'\): one or more distinct"),
        ({"train_limit": -1}, r"run\.train_limit = -1: at least 0 is needed"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        RunSettings(**changes)
