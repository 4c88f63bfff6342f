"""Arithmetic drill for pretraining: equations as the solutions write them."""

from __future__ import annotations

from functools import partial

from rft_jax.arithmetic.whole import WholeNumbers
from rft_jax.wordproblems.cast import SMALLEST, StoryRandom

OPERATION_COUNTS = (*(1,) * 15, *(2,) * 4, 3)
"""Operations of one equation: mostly one, with several slightly more often than in solutions."""
SYMBOLS = ("+", "+", "+", "-", "-", "-", "*", "*", "*", "/", "/")


def drill(rng: StoryRandom) -> tuple[str, str]:
    """One equation up to its `=`, and its result with the closing sign: `<<12+7=`, `19>>`."""
    numbers = WholeNumbers(rng, partial(rng.choice, SYMBOLS), SMALLEST, rng.largest)
    drawn = numbers.draw(lambda: rng.choice(OPERATION_COUNTS))
    return f"<<{drawn.text}=", f"{drawn.value}>>"
