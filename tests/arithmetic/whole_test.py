from __future__ import annotations

import re
from random import Random

import pytest

from rft_jax.arithmetic import whole
from rft_jax.arithmetic.reading import read_tokens
from rft_jax.arithmetic.steps import evaluate, steps_of
from rft_jax.arithmetic.whole import OutOfBounds, WholeNumbers, apply_whole
from rft_jax.errors import UserError


@pytest.mark.parametrize("operations", [1, 2, 3, 5])
def test_values_are_whole_and_in_bounds_after_every_step(operations: int):
    rng = Random(0)
    numbers = WholeNumbers(rng, lambda: rng.choice("+-*/"), 2, 99)
    for _ in range(300):
        drawn = numbers.draw(lambda: operations)
        tokens = read_tokens(drawn.text)
        assert evaluate(tokens) == drawn.value
        steps = list(steps_of(tokens))
        assert len(steps) == operations
        for step in steps:
            assert 2 <= apply_whole(step.sign, int(step.left), int(step.right), 2, 99) <= 99


@pytest.mark.parametrize("largest", range(4, 21))
def test_every_number_is_in_bounds_where_they_are_narrow(largest: int):
    rng = Random(largest)
    numbers = WholeNumbers(rng, lambda: rng.choice("+-*/"), 2, largest)
    for _ in range(300):
        text = numbers.draw(lambda: rng.randint(1, 3)).text
        assert all(2 <= int(number) <= largest for number in re.findall("[0-9]+", text)), text


def test_results_out_of_bounds_are_refused():
    for sign, left, right in (("+", 60, 60), ("-", 3, 2), ("*", 20, 5), ("/", 7, 2)):
        with pytest.raises(OutOfBounds):
            apply_whole(sign, left, right, 2, 99)


def test_an_expression_that_hardly_exists_is_refused_after_so_many_attempts(monkeypatch):
    monkeypatch.setattr(whole, "MOST_ATTEMPTS", 1000)
    rng = Random(0)
    numbers = WholeNumbers(rng, lambda: rng.choice("+-*/"), 2, 9)
    with pytest.raises(UserError, match=r"in 1,000 attempts no .* from 2 to 9; ask"):
        numbers.draw(lambda: 110)
