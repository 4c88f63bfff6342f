from __future__ import annotations

import builtins
import keyword
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.verify.programs.run import evaluate_program
from rft_jax.wordproblems.cast import StoryRandom
from rft_jax.wordproblems.expressions import Number, Product, Sum, Winner, partials
from rft_jax.wordproblems.generator import Story, draw_stories, generate_stories
from rft_jax.wordproblems.programs import render_program, variable_name
from rft_jax.wordproblems.splits import SPLITS

UNIT = partials("@ shells")


def test_a_program_assigns_each_step_and_prints_the_last():
    bags = Product((Number(3), Number(4)), ("The bags hold @ shells.",), UNIT)
    tree = Sum(((1, Number(20)), (-1, bags)), ("Amy has @ shells left.",), UNIT)
    programs = {render_program(tree, StoryRandom(seed)) for seed in range(200)}
    assert programs == {
        "bags_hold_shells = 3 * 4\namy_shells_left = 20 - bags_hold_shells\nprint(amy_shells_left)",
        "bags_hold_shells = 4 * 3\namy_shells_left = 20 - bags_hold_shells\nprint(amy_shells_left)",
        "amy_shells_left = 20 - 3 * 4\nprint(amy_shells_left)",
        "amy_shells_left = 20 - 4 * 3\nprint(amy_shells_left)",
    }


def test_a_program_for_a_name_compares_what_two_people_have():
    amy = Sum(((1, Number(5)), (1, Number(2))), ("Amy has @ shells.",), UNIT)
    tree = Winner((("Amy", amy), ("Ben", Number(9))), False, ("@ has fewer shells.",))
    programs = {render_program(tree, StoryRandom(seed)) for seed in range(100)}
    assert {program.splitlines()[-1] for program in programs} == {
        'print("Amy" if amy_shells < 9 else "Ben")',
        'print("Ben" if 9 < amy_shells else "Amy")',
    }


@pytest.mark.parametrize("split", ["train", "test-large", "train-names"])
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_every_program_prints_exactly_the_answer(split: str, seed: int):
    for story in islice(draw_stories(split, seed, (1, 2, 3, 4)), 3):
        scale = SPLITS[split].scale
        for program in (story.solution("program"), story.sample_program(_rng(seed, scale))):
            outcome = evaluate_program(program)
            assert (outcome.output, outcome.error) == (f"{story.tree.value}\n", ""), program


def test_every_variable_is_an_ordinary_name_that_is_assigned_once(stories: list[Story]):
    for story in stories:
        *assignments, last = story.solution("program").splitlines()
        names = [line.partition(" = ")[0] for line in assignments]
        assert len(set(names)) == len(names)
        assert last == f"print({names[-1]})"
        for name in names:
            assert name.isidentifier()
            assert not keyword.iskeyword(name)
            assert not hasattr(builtins, name)


def test_a_variable_is_named_after_its_sentence():
    assert variable_name("So Amy has $@ left.") == "amy_dollars_left"
    assert variable_name("Each box gets @ shells.") == "box_shells"
    assert variable_name("In all that is @ pages.") == "all_pages"


def test_the_program_of_a_question_is_the_same_each_time():
    one, other = (list(generate_stories("dev", 20, seed=0)) for _ in range(2))
    assert [s.solution("program") for s in one] == [s.solution("program") for s in other]
    assert all(story.solution() == story.reference for story in one)


def _rng(seed: int, scale: int) -> StoryRandom:
    return StoryRandom(f"programs/{seed}", scale)
