"""Settings of `rft plan` outside their ranges are refused by name and value."""

from __future__ import annotations

from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.planning.settings import PlanSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_problems": 0}, r"plan\.num_problems = 0: at least 1 is needed"),
        ({"response_tokens": 0.5}, r"plan\.response_tokens = 0\.5: at least 1 is needed"),
        ({"paths_per_problem": 0}, r"plan\.paths_per_problem = 0"),
        ({"train_efficiency": 0.0}, r"plan\.train_efficiency = 0\.0: above 0 and at most 1"),
        ({"fill": 1.5}, r"plan\.fill = 1\.5"),
        ({"sample_tensor": -1}, r"plan\.sample_tensor = -1: at least 0 is needed"),
    ],
)
def test_a_value_outside_its_range_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        PlanSettings(**changes)
