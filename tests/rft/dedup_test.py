from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.rft.dedup import DEDUP_LEVELS, KEYS, canonical_equation
from rft_jax.rft.rows import Row
from tests.rft.fuzz import CORRECT, INCORRECT, MALFORMED


def _key(mode: str, equations: list[str], text: str = "", sample: int = 0) -> str:
    return KEYS[mode](Row(0, sample, "m", text, "stop", None), equations)


def test_the_papers_key_keeps_order_and_drops_spaces() -> None:
    assert _key("equations", ["1 + 2 = 3", "3+4=7"]) == "1+2=3|3+4=7"
    assert _key("equations", ["1+2=3", "3+4=7"]) != _key("equations", ["1+4=5", "5+2=7"])
    assert _key("equations", ["1+2=3", "3+4=7"]) != _key("equations", ["3+4=7", "1+2=3"])
    assert _key("equations", []) == ""


def test_none_gives_each_sample_a_key_of_its_own() -> None:
    assert _key("none", ["1+1=2"], "a", 0) != _key("none", ["1+1=2"], "a", 1)


def test_exact_text_looks_at_every_character() -> None:
    assert _key("exact_text", [], "a") == _key("exact_text", ["1+1=2"], "a", 1)
    assert _key("exact_text", [], "a") != _key("exact_text", [], "a ")
    assert _key("exact_text", [], "\ud800") != _key("exact_text", [], "\ud801")


@pytest.mark.parametrize(
    ("a", "b", "level"),
    [
        (["1+2=3"], ["2+1=3"], "canonical"),
        (["1+2=3"], ["1+2=3.0"], "canonical"),
        (["3*4*2=24"], ["2*3*4=24"], "canonical"),
        (["1,000+2=1,002"], ["2+1000=1002"], "canonical"),
        (["1+2=3", "4/2=2"], ["4/2=2", "2+1=3"], "unordered"),
    ],
)
def test_a_coarser_level_merges_what_a_finer_one_distinguishes(
    a: list[str], b: list[str], level: str
) -> None:
    finer = DEDUP_LEVELS[DEDUP_LEVELS.index(level) - 1]
    assert _key(level, a) == _key(level, b)
    assert _key(finer, a) != _key(finer, b)


def test_unordered_counts_how_often_an_equation_stands_there() -> None:
    assert _key("unordered", ["1+1=2", "1+1=2", "2+2=4"]) != _key("unordered", ["1+1=2", "2+2=4"])


def test_an_unreadable_equation_keeps_its_text() -> None:
    assert canonical_equation(" x + 1 = 2") == "x+1=2"
    assert canonical_equation("") == ""


_EQUATIONS = st.lists(st.sampled_from(CORRECT + INCORRECT + MALFORMED), max_size=4)


@settings(max_examples=200, deadline=None)
@given(_EQUATIONS, st.randoms(use_true_random=False))
def test_duplicates_on_one_level_are_duplicates_on_all_coarser_ones(
    equations: list[str], rng: random.Random
) -> None:
    shuffled = [e.replace("+", " +") for e in equations]
    rng.shuffle(shuffled)
    same = False
    for level in DEDUP_LEVELS[1:]:
        now = _key(level, equations) == _key(level, shuffled)
        assert now or not same
        same = now
    assert same  # a shuffled list is the same multiset


@given(st.integers(0, 99), st.sampled_from("+-*/"), st.integers(0, 99), st.integers(0, 99))
def test_the_short_way_spells_plain_equations_as_the_parser_does(
    a: int, sign: str, b: int, c: int
) -> None:
    short = canonical_equation(f"{a}{sign}{b}={c}")
    long = canonical_equation(f"({a}){sign}{b}={c}.0")  # parentheses need the parser
    assert short == long
