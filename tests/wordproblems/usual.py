"""The problems of the splits, generated once for all tests."""

from __future__ import annotations

from functools import cache

from rft_jax.records import Problem
from rft_jax.wordproblems.generator import generate_problems
from rft_jax.wordproblems.splits import SPLITS


@cache
def usual_problems(split: str) -> tuple[Problem, ...]:
    """As many as the split usually has, at seed 0."""
    return tuple(generate_problems(split, SPLITS[split].size))
