"""The table of splits: what it says about the published experiments."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from rft_jax.wordproblems.splits import SPLITS

RESULTS = Path(__file__).parents[2] / "docs/results"


def test_the_published_experiments_that_a_split_was_used_for_are_counted():
    used = Counter(
        re.search(r"^run\.test_problems = 'wordproblems:(.*)'$", config.read_text(), re.M)[1]
        for config in RESULTS.glob("*/config.gin")
    )
    assert used == {name: split.experiments for name, split in SPLITS.items() if split.experiments}
