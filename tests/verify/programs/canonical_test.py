"""Which programs count as the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.verify.programs.canonical import program_key

BASE = "eggs = 16\neaten = 3\nsold = eggs - eaten - 4\nprint(sold * 2)"


@pytest.mark.parametrize(
    "source",
    [
        "a = 16\nb = 3\nc = a - b - 4\nprint(c * 2)",
        "# count\neggs = 16  # a day\neaten = 3\n\nsold = eggs - eaten - 4\nprint(2 * sold)",
        '"""Janet."""\neggs: int = 16\neaten = 3\nsold = (eggs - eaten) - 4\nprint(sold*2)'.replace(
            ": int", ""
        ),
    ],
)
def test_names_comments_spacing_and_the_order_of_operands_make_no_difference(source):
    assert program_key(source) == program_key(BASE)


@pytest.mark.parametrize(
    "source",
    [
        BASE.replace("16", "17"),
        BASE.replace("sold * 2", "sold + 2"),
        BASE.replace("eggs - eaten", "eaten - eggs"),
        BASE.replace("print(sold * 2)", "print(sold * 2.0)"),
        BASE + "\nprint(1)",
    ],
)
def test_another_calculation_has_another_key(source):
    assert program_key(source) != program_key(BASE)


def test_the_operands_of_a_long_sum_are_sorted_and_a_difference_is_kept():
    assert program_key("print(1 + 2 + 3)") == program_key("print(3 + 1 + 2)")
    assert program_key("print(1 - 2 + 3)") == program_key("print(3 + (1 - 2))")
    assert program_key("print(1 - 2 - 3)") != program_key("print(1 - 3 - 2)")


def test_functions_and_their_parameters_are_renamed_and_library_names_are_not():
    one = "import math\ndef solution(x):\n    return math.floor(x)\nprint(solution(2))"
    two = "import math\ndef answer(y):\n    return math.floor(y)\nprint(answer(2))"
    three = one.replace("floor", "ceil")
    assert program_key(one) == program_key(two) != program_key(three)


def test_a_text_that_is_not_a_program_is_its_own_key():
    assert program_key("She has 3 apples.") == "She has 3 apples."


@given(st.lists(st.integers(0, 99), min_size=2, max_size=6), st.randoms())
def test_any_order_of_the_terms_has_one_key(terms, random):
    shuffled = list(terms)
    random.shuffle(shuffled)
    one, two = (f"x = 1\nprint({' + '.join(map(str, t))} + x)" for t in (terms, shuffled))
    assert program_key(one) == program_key(two)
