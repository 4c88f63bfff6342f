"""The table of splits: what it says about the published experiments."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from rft_jax.wordproblems.splits import SPLITS

MEASURED_AGAIN = {"test": 11}
"""Of `rft_k`, `self_consistency`, `what_carries_the_gain`, `quickstart_seeds`, `iterate`,
`query_augmentation`, `rft_union`, `self_revising`, `path_diversity`, `temperature` and
`pretraining_loss`."""

RESULTS = Path(__file__).parents[2] / "docs/results"


def test_the_published_experiments_that_a_split_was_used_for_are_counted():
    """An experiment that was measured again on another split counts for both.

    The development split is there to choose by, and no page calls it unseen.
    """
    named = r"^run\.test_problems = 'wordproblems:(.*)'$"
    used = Counter(
        found[1]
        for config in RESULTS.glob("*/config.gin")
        if (found := re.search(named, config.read_text(), re.M)) and found[1] != "dev"
    )
    counted = {name: split.experiments for name, split in SPLITS.items() if split.experiments}
    assert used == Counter(counted) - Counter(MEASURED_AGAIN)
