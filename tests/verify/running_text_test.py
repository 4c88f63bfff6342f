from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.verify.equations import check_paper
from rft_jax.verify.running_text import text_equations


@pytest.mark.parametrize(
    ("text", "equations"),
    [
        ("Natalia sold 48/2 = 24 clips in May.", ["48/2=24"]),
        ("He pays 3 x $1,200 = $3,600 in all.", ["3*1200=3600"]),
        ("12 × 4 ÷ 2 = 24 and 5 − 3 = 2", ["12*4/2=24", "5-3=2"]),
        (r"so $12 \times 4 = 48$.", ["12*4=48"]),
        ("(12 + 3) * 2 = 30", ["(12+3)*2=30"]),
        ("He is old (12 + 3 = 15).", ["12+3=15"]),
        ("2 + 3 = 5 = 5", ["2+3=5=5"]),
        ("20% * 50 = 10", ["0.20*50=10"]),
        ("- 5 + 3 = 8", ["5+3=8"]),
        ("1. 5 + 3 = 8\n2) 8 - 2 = 6", ["5+3=8", "8-2=6"]),
        ("In 2020 5 + 3 = 8 people", ["5+3=8"]),
        ("48/2 = <<48/2=24>>24 clips", ["48/2=24"]),
        ("x = 5 + 3 = 8", ["5+3=8"]),
        ("there are 5 = five", []),
        ("a = 7", []),
        ("2x + 3 = 7", []),
        ("so 2x - 3 - 1 = 6", []),
        ("price - 5 - 2 = 5", []),
        ("so -5 - 2 = -7", ["-5-2=-7"]),
        ("= 7", []),
        ("5 + 3 =", []),
        ("no equation", []),
        ("1.5*2=3.0.", ["1.5*2=3.0"]),
        ("3^2 = 9", ["3**2=9"]),
        ("-5 + 8 = 3", ["-5+8=3"]),
        ("5 + = 8", []),
        ("7 + 4(9) = 43 and 2(3)(4)=24", ["7+4*(9)=43", "2*(3)*(4)=24"]),
        ("She has 8 (5 + 3 = 8).", ["5+3=8"]),
        ("162 cm * 2/3 = 108 cm", []),
        ("$5 a day + 3 + 2 = 10", []),
        ("(X+10) + (X+10)*1/2 = 45", []),
        ("21 x (1 and 1/3) = 28", []),
        ("it took 4+4=8, then 8+1=9!", ["4+4=8", "8+1=9"]),
    ],
)
def test_equations_are_found_in_running_text(text: str, equations: list[str]) -> None:
    assert text_equations(text) == equations


@given(
    st.integers(0, 9999), st.sampled_from("+-*"), st.integers(0, 9999), st.sampled_from(["", " "])
)
def test_a_plain_equation_in_a_sentence_is_checked(a: int, sign: str, b: int, space: str) -> None:
    value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    text = f"She gets {a:,}{space}{sign}{space}{b:,}{space}={space}{value:,} coins."
    (equation,) = text_equations(text)
    assert check_paper(equation) == "correct"
    (wrong,) = text_equations(f"She gets {a}{sign}{b} = {value + 1} coins")
    assert check_paper(wrong) == "wrong_equation"


_NUMBER = st.sampled_from(["12", "3.5", "1,000", "7", "$4", "50%", "(2", "3)", "x", "<<", ""])
_SIGN = st.sampled_from(["+", "-", " * ", "/", " ", "=", "\n"])
_EQUALS, _END = st.sampled_from(["=", " = ", "=="]), st.sampled_from(["", ".", " eggs", "= 7"])
_SENTENCES = st.tuples(_NUMBER, _SIGN, _NUMBER, _EQUALS, _NUMBER, _SIGN, _NUMBER, _END).map("".join)


@given(_SENTENCES)
def test_what_is_found_has_a_left_and_a_right_side(text: str) -> None:
    for equation in text_equations(text):
        assert all(equation.split("=")), (text, equation)
        assert " " not in equation


@pytest.mark.parametrize("piece", ["(", "1+", "=", "1=", "-", "x ", "$", "1,", "<<", "1+1=2 "])
def test_long_repetitions_hold_what_one_piece_holds_and_are_searched_to_the_end(piece: str) -> None:
    times = 100_000 // len(piece)
    whole = ["1+1=2"] * times if "=2" in piece else []  # no other piece makes a calculation
    assert text_equations(piece * times) == whole


@pytest.mark.parametrize("front", ["", "1+1=2"])
def test_a_word_of_any_length_is_searched_once(front: str) -> None:
    assert text_equations(front + "a" * 200_000 + "=") == ([front] if front else [])


def test_a_percentage_of_any_length_is_exact() -> None:
    assert text_equations(f"1+1={'9' * 40}%") == [f"1+1={'9' * 38}.99"]
    assert text_equations(f"1+1={'9' * 1_500_000}%") == [f"1+1={'9' * 1_499_998}.99"]
