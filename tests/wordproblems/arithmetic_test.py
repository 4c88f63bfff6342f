from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from rft_jax.wordproblems.arithmetic import drill
from rft_jax.wordproblems.cast import StoryRandom
from rft_jax.wordproblems.generator import Story, equations


def test_drilled_equations_are_correct_and_stay_within_the_bounds(
    check_path: Callable[[str, str], list[str]],
):
    rng = StoryRandom(0)
    for _ in range(20000):
        query, response = drill(rng)
        result = re.fullmatch(r"(\d+)>>", response)
        assert result, response
        numbers = " ".join(re.findall(r"\d+", query))
        check_path(numbers, f"{query}{response}{result[1]}\n#### {result[1]}")


def test_the_drill_covers_the_single_equations_of_the_solutions(stories: list[Story]):
    rng = StoryRandom(1)
    drilled = {"".join(drill(rng)) for _ in range(300_000)}
    wanted = Counter(
        f"<<{equation}>>"
        for story in stories
        for equation in equations(story.reference)
        if len(re.findall(r"[-+*/]", equation)) == 1
    )
    covered = sum(n for equation, n in wanted.items() if equation in drilled)
    assert covered / wanted.total() > 0.98


def test_the_drill_has_equations_of_one_to_three_operations_and_brackets():
    rng = StoryRandom(2)
    left_sides = [drill(rng)[0] for _ in range(5000)]
    counts = Counter(len(re.findall(r"[-+*/]", left)) for left in left_sides)
    assert set(counts) == {1, 2, 3}
    assert counts[1] > counts[2] > counts[3] > 50
    assert sum("(" in left for left in left_sides) > 100
