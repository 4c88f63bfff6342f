from __future__ import annotations

import pytest

from rft_jax.arithmetic.generator import line
from rft_jax.arithmetic.settings import MOST_BEYOND, ArithmeticSettings
from rft_jax.errors import UserError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"digits": (0.0, 0.0)}, r"arithmetic\.digits = \(0\.0, 0\.0\): weights of at least 0"),
        ({"operations": ()}, r"arithmetic\.operations = \(\): weights"),
        ({"signs": (1.0, -1.0, 1.0, 1.0)}, r"arithmetic\.signs = .*: weights"),
        ({"mixed": 1.5}, r"arithmetic\.mixed = 1\.5: from 0 to 1 is needed"),
        (
            {"percents": 0.8},
            r"arithmetic\.percents = 0\.8: at most 1 - arithmetic\.decimals = 0\.7",
        ),
        ({"decimals": 0.0, "percents": 0.0, "negatives": 0.0}, r"arithmetic\.mixed = 0\.5"),
        ({"largest": 3}, r"arithmetic\.largest = 3: at least 4 is needed"),
        ({"beyond": 0}, r"arithmetic\.beyond = 0: at least 1 is needed"),
        ({"beyond": 101}, r"arithmetic\.beyond = 101: at most 100 is needed"),
    ],
)
def test_impossible_settings_are_refused(change: dict, message: str):
    with pytest.raises(UserError, match=message):
        ArithmeticSettings(**change)


@pytest.mark.parametrize(
    ("split", "whole"),
    [("test-digits", 0.0), ("test-digits", 1.0), ("test-operations", 0.0), ("test-brackets", 0.0)],
)
def test_lines_far_beyond_training_are_generated(split: str, whole: float):
    settings = ArithmeticSettings(beyond=MOST_BEYOND, whole=whole)
    assert len(line(settings, split, seed=0, i=0).expression) >= MOST_BEYOND
