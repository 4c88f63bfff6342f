from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.verify.comparison import AnswerComparer


@pytest.fixture(scope="module")
def comparer() -> Iterator[AnswerComparer]:
    with closing(AnswerComparer(timeout=20.0)) as shared:
        yield shared


def _equal(comparer: AnswerComparer, a: str, b: str) -> bool:
    """Whether two answers are equal, which must not depend on which is the reference."""
    there, back = comparer.equal(a, b), comparer.equal(b, a)
    assert there == back
    return there


EQUAL = {
    "numbers": [
        ("18", "18.0"), ("18", "$18"), ("1,234", "1234"), ("1 234", "1234"), ("1/2", "0.5"),
        ("1.5e3", "1500"), ("2e-06", "0.000002"), ("−3", "-3"), (r"\frac{1}{2}", ".5"),
        ("1 1/2", "1.5"), (r"\(1 1/2\)", r"\frac{3}{2}"), (r"-2\frac{1}{2}", "-2.5"),
        ("½", "0.5"), (r"0.\overline{3}", "1/3"), (r"0.1\overline{6}", r"\frac16"),
        (r"6.02\times10^{23}", "6.02e23"), (r"\textbf{13}", "13"), ("070.0", "70"),
        ("5 million", "5,000,000"), ("5,000.", "5000"), ("５", "5"), ("１，２３４．５", "1234.5"),
        ("٣", "3"), ("3⁄4", "0.75"), ("10\u200b", "10"), ("`10`", "10"),
    ],
    "decimals that round an exact value": [
        ("1/3", "0.333333"), (r"\frac13", "0.333333333"), ("2/3", "0.666667"),
        ("1/12", "0.0833333333333333"), (r"\sqrt{2}", "1.41421"), (r"\pi", "3.14159265358979"),
        (r"(3, \frac{\pi}{2})", "(3, 1.5707963)"), (r"\frac{16\pi}{3}", "16.7551608"),
        ("-1/3", "−0.333333"), ("1/3", r"\$0.333333"), ("1/3", "0.333333 "), (r"-\pi", "–3.14159"),
    ],
    "formulas": [
        (r"\sqrt{4}", "2"), (r"2\sqrt{3}", r"\sqrt{12}"), ("x+1", "1+x"), ("2(3)", "6"),
        (r"5\binom{4}{2}", "30"), ("(x+1)^2", "x^2+2x+1"), (r"\frac{x+2}{7}", r"\frac x7+\frac27"),
        (r"2\frac{a}{2b}", r"\frac{a}{b}"), ("14-i", "14.0 - 1.0i"), ("(1+i)^2", "2i"),
        ("e^{16}-1", "-1 + exp(16)"), (r"-2\pi", "-2*pi"), (r"\tan^2 y+1", r"\sec^2(y)"),
        (r"\pi r^2", r"r^2\pi"), (r"\log_2 8", "3"), (r"\sum_{i=1}^5 i", "15"), ("xy", "yx"),
        (r"\begin{pmatrix}1/2\\2\end{pmatrix}", r"\begin{pmatrix} 0.5 \\ 2 \\\end{pmatrix}"),
    ],
    "infinities": [
        (r"\infty", r"+\infty"), (r"-\infty", r"- \infty"), (r"(0,\infty)", r"(0,+\infty)"),
    ],
    "units": [
        ("5", "5 cm"), (r"15\mbox{ cm}^2", "15"), ("12", "12 square units"), ("18", "18 (eggs)"),
        ("2 hours", "120 minutes"), (r"36\text{ km/h}", r"10\text{ m/s}"),
        ("5 cm", "5 centimeters"),
        (r"12\text{ cm}^2", "12 square cm"), ("50%", "50"), ("50%", "0.5"), ("50 percent", r"50\%"),
        (r"60^\circ", "60"), (r"60^\circ", r"60\text{ degrees}"), (r"60^\circ", r"\frac{\pi}{3}"),
        (r"45^\circ, 135^\circ", "45, 135"), ("2516_8", "2516_{8}"), ("2516_8", "2516"),
        (r"\$18.90", "18.90 dollars"), (r"33\frac{1}{3}\%", "1/3"),
    ],
    "names": [
        ("x = 5", "5"), (r"x \in [0,1]", "[0,1]"), ("f(x) = 2x", "2x"), ("x = y = 3", "3"),
        ("9 * 2 = 18", "18"), ("n = 2, 3", "2, 3"), ("x = 1, y = 2", "(x, y) = (1, 2)"),
        ("x = 1, y = 2", "(1, 2)"), ("y = 2, x = 1", "x = 1, y = 2"),
    ],
    "relations": [
        ("2x+4y-3=0", r"y=-\frac12x+\frac34"), (r"\frac{x^2}{9}+\frac{y^2}{5}=1", "5x^2+9y^2=45"),
        ("y=2x", "y/x=2"), ("y=x", "x=y"), ("x>3", "3<x"), ("x<3", r"(-\infty,3)"),
        ("0<x<12.5", "(0,12.5)"), (r"x\ge3", r"[3,\infty)"), ("2x<6", "x<3"), ("-2x<6", "x>-3"),
        (r"x\ne2", r"2\neq x"), ("x<-1 or x>5", r"(-\infty,-1)\cup(5,\infty)"),
    ],
    "lists": [
        ("1,-2", "-2,1"), ("1, 2", r"\{2, 1\}"), (r"1331\text{ and }1728", "1331, 1728"),
        (r"a=1\text{ or }a=-2", r"a=-2\text{ or }a=1"), ("x=1 or x=2", "1, 2"),
        (r"1\pm\sqrt2", r"1+\sqrt2, 1-\sqrt2"), (r"A\cup B", r"B\cup A"), ("3:4", "6:8"),
        ("1:2:3", "2:4:6"), (r"(-\infty,2)\cup(2,\infty)", r"\mathbb{R}\setminus\{2\}"),
        (r"[0,1]\cup[1,2]", "[0,2]"), (r"\emptyset", "no solution"), (r"\{\}", r"\varnothing"),
        ("2 hours 30 minutes", "2 hours and 30 minutes"), (r"\left\{1,2\right\}", r"\{2,1\}"),
    ],
    "words": [
        (r"\text{east}", "East"), (r"\text{(A)}", "a"), (r"\mathrm{C}", "C"), ("Yes", "yes"),
        ("Bob and Alice", "Alice and Bob"), (r"25 @ \$ 18", r"25 @ \$18"),
    ],
}  # fmt: skip
DIFFERENT = {
    "numbers": [
        ("18", "19"), ("9007199254740993", "9007199254740992"), ("0.1", "0.10000000000000001"),
        ("1 1/2", "11/2"), ("(1 1/2, 3)", "(11/2, 3)"), ("2", "2 2/3"), ("0,1", "01"),
        ("2e-06", "2"),
        (r"0.\overline{3}", r"0.\overline{4}"), ("5 000", "5 999"), ("5 million", "5"),
        ("1,5", "1.5"), ("5 7", "12"), ("5", ""), ("", "5"),
    ],
    "decimals that round too coarsely": [
        ("1/3", "0.33333"), ("33.3", "100/3"), ("1/8", "0.1250001"), (r"\sqrt{2}", "1.41"),
        (r"\sqrt{2}", "1.41422"), ("2/3", "0.666668"), ("e^{-50}", "0"),
    ],
    "formulas": [
        ("46", r"46\sqrt(2)"), ("46", r"46+\sqrt(2)"), ("2(3)", "5"), ("x+1", "x-1"),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}"), ("10^{-20}x", "10^{-21}x"),
        ("10^{100}", "10^{100}+1"),
        (r"\pi R^2", r"\pi r^2"), ("5+t", "7+t"), ("T-t", "0"), ("x_1+2", "x_2+2"),
        (r"\sqrt{x^2}", "x"),
        ("3+4i", "4+3i"), (r"4\mathbf{i}-\mathbf{k}", r"4\mathbf{i}+9\mathbf{k}"), ("2n-1", "2n-7"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    ],
    "what cannot be read": [
        ("7", "7+"), ("7", r"7\cdot"), ("7", "7^"), ("7", r"7\frac(1)(2)"), ("7", r"7 \to 8"),
        ("7", "7 & 8"), ("5", r"\sqrt"), ("-6", "(3-9) (5-15"), (r"25 @ \$ 18", r"25 @ \$ 16"),
        ("A^T", "A"), ("f'(x)", "f(x)"), ("x", "__import__('os')"), ("7", r"7 \equiv 1 \pmod 3"),
        (r"\{x : x > 0\}", r"\{x : 2x > 0\}"),
    ],
    "infinities": [
        (r"\infty", r"-\infty"), (r"\infty", "5"), (r"\frac10", r"\frac20"),
        (r"\log 0", r"-\infty"),
        (r"-\infty", r"\frac{-1}{0}"), (r"\infty-\infty", "0"),
    ],
    "units": [
        (r"5\text{ m}", r"5\text{ km}"), ("5 cm^2", "5 cm"), ("2 hours", "2 days"), ("5", "6 cm"),
        ("50 cents", "50 dollars"), ("10:30 am", "10:45 am"), ("10:30 am", "10:30 pm"),
        ("50", "0.5"),
        ("50%", "5%"), ("13.20%", "13"), (r"90^\circ", r"45^\circ"), ("2516_8", "2516_9"),
        (r"20^\circ\text{C}", r"20^\circ\text{F}"), ("2 hours 30 minutes", "2 hours 45 minutes"),
    ],
    "names": [
        ("x=5", "y=5"), ("x=5", "X=5"), ("I=5", "I=7"), ("i=5t", "i=7t"), ("T=5+t", "T=7+t"),
        ("x=1, y=2", "2, 1"), ("x=1, y=2", "(2, 1)"), ("3", "n=3k"), (r"x\ne2", "2"),
    ],
    "relations": [
        ("x^2=-1", "x^2=-5"), (r"\frac{x^2}{9}+y^2=1", r"\frac{x^2}{36}+y^2=1"), ("x>3", r"x\ge3"),
        ("x<3", "x<4"), ("-2x<6", "x<-3"), ("x>3", "x<3"), (r"x\ne2", "x=2"), ("3x+5", "3x+5=0"),
        ("x>1 and x<5", "x>1 or x<5"),
    ],
    "lists": [
        ("x=1 or x=2", "x=2"), ("15, 15", "15"), ("0,1", "1"), ("(7,49)", r"\{7,49\}"),
        ("(1,2)", "(2,1)"), ("(1,2)", "[1,2]"), ("[0,1]", "[0,1)"), ("1,234", "(1,234)"),
        ("3:2", "3:7"),
        ("1:2:3", "1:4:9"), ("n=2,3,4", "n=1,2,3"), ("A", "A, B"), (r"A\cup B", r"A\cap B"),
        (r"1,2,\ldots,n", r"1,3,\ldots,2n-1"), (r"\emptyset", "0"),
    ],
    "words": [
        (r"\text{east}", r"\text{seat}"), ("no", "on"), ("Evelyn", "Carla"), ("8.75", "C"),
        ("A", "B"),
        ("x^2+C", "x^2+K"), (r"f(x)=x+c\text{ for any }c", "f(x)=x+c"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", EQUAL)
def test_answers_of_one_meaning_are_equal_whichever_is_the_reference(
    comparer: AnswerComparer, kind: str
) -> None:
    assert [pair for pair in EQUAL[kind] if not _equal(comparer, *pair)] == []


@pytest.mark.parametrize("kind", DIFFERENT)
def test_answers_of_other_meanings_are_not(comparer: AnswerComparer, kind: str) -> None:
    assert [pair for pair in DIFFERENT[kind] if _equal(comparer, *pair)] == []


def _spellings(value: Fraction) -> list[str]:
    n, d = value.numerator, value.denominator
    whole, rest = divmod(abs(n), d)
    sign = "-" if n < 0 else ""
    texts = [f"{n}/{d}", rf"\frac{{{n}}}{{{d}}}", rf"${sign}\dfrac{{{abs(n)}}}{{{d}}}$"]
    texts += [rf"x = {n}/{d}", f"{n}/{d} apples", rf"\text{{{n}/{d}}}", f"**{n}/{d}**."]
    if whole and rest:
        texts += [f"{sign}{whole} {rest}/{d}", rf"{sign}{whole}\frac{{{rest}}}{{{d}}}"]
    if 10**6 % d == 0:
        decimal = Decimal(n) / d
        texts += [f"{decimal:.6f}", f"${decimal:,.6f}"]
    return texts


_FRACTIONS = st.fractions(-(10**9), 10**9, max_denominator=50)


@given(st.data(), _FRACTIONS, _FRACTIONS)
@settings(max_examples=300, deadline=None)
def test_numbers_are_equal_by_value_however_they_are_spelled(
    data: st.DataObject, a: Fraction, b: Fraction
) -> None:
    comparer = AnswerComparer()
    left, right = (data.draw(st.sampled_from(_spellings(value))) for value in (a, b))
    assert _equal(comparer, left, data.draw(st.sampled_from(_spellings(a))))
    assert _equal(comparer, left, right) == (a == b)


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_a_list_does_not_count_and_that_of_a_point_does(items, random) -> None:
    comparer = AnswerComparer()
    shuffled = random.sample(items, len(items))
    a, b = (", ".join(map(str, order)) for order in (items, shuffled))
    assert _equal(comparer, a, rf"\{{{b}\}}")
    assert _equal(comparer, f"({a})", f"({b})") == (items == shuffled)
    assert not _equal(comparer, a, b + ", 100")


@pytest.mark.parametrize(
    "answer",
    [f"1.{'1' * 400}e-4000", f"{'9' * 900}e4000", "1e1900", "1e1900:3e-1900", "1e1900 dozen"],
)
def test_a_number_of_thousands_of_digits_is_compared(comparer: AnswerComparer, answer: str) -> None:
    assert not _equal(comparer, r"\sqrt{2}", answer)
    assert not _equal(comparer, "5 km", f"{answer} m")
    assert comparer.value(answer)


@pytest.mark.parametrize("formula", ["e^{1000000000}", "e^{-1000000000}", "-e^{10000000}"])
def test_a_formula_of_millions_of_digits_is_compared(
    comparer: AnswerComparer, formula: str
) -> None:
    """Its value as a ratio would take the memory of the machine."""
    assert not _equal(comparer, "3.141592", formula)
    assert comparer.value(formula)


def test_plain_numbers_words_and_lists_of_them_start_no_process() -> None:
    comparer = AnswerComparer()
    for a, b in (("18", "19"), ("1/2", "0.25"), ("50%", "18"), ("(1,2)", "(1,3)"), ("east", "18")):
        assert not comparer.equal(a, b)
        assert comparer.value(a) != comparer.value(b)
    assert comparer._formulas._child is None


def test_as_floats_two_numbers_are_equal_as_the_papers_script_has_it() -> None:
    pairs = [("18", "18.00000000000000000001"), ("9007199254740993", "9007199254740992")]
    assert all(AnswerComparer(floats=True).equal(a, b) for a, b in pairs)
    assert not any(AnswerComparer().equal(a, b) for a, b in pairs)
    assert AnswerComparer(floats=True).equal("3:2", "6:4")


def test_what_cannot_be_decided_in_time_raises_and_the_next_is_compared() -> None:
    with closing(AnswerComparer(timeout=1.0)) as comparer:
        with pytest.raises(TimeoutError):
            comparer.equal("9^{9^{9^{9}}}", "x+1")
        assert comparer.equal("x+1", "1+x")


def test_long_answers_are_compared_as_text() -> None:
    comparer = AnswerComparer()
    long = "1+" * 1000 + "1"
    assert comparer.equal(long, f" {long}\n")
    assert not comparer.equal(long, "1001")
    assert not comparer.equal(r"(0,1)\cup(2,3)", "{" + r"\over " * 100_000)
    assert comparer._formulas._child is None


@pytest.mark.parametrize(
    "spellings",
    [
        (r"1\frac{1}{2}", "1.5", r"\frac32", r"x = 1 1/2", r"\text{1.5 cups}"),
        ("1, 2", "2, 1", r"\{1,2\}", "x=2 or x=1"),
        (r"2\sqrt3", r"\sqrt{12}", r"x=\sqrt{12}"),
        ("x+1", "1+x", r"\frac{2x+2}{2}"),
        ("East", r"\text{east}"),
        ("B", r"\text{(b)}"),
        ("50%", "50"),
        (r"\sqrt{4}", "2"),
    ],
)
def test_spellings_of_one_answer_vote_together(
    comparer: AnswerComparer, spellings: tuple[str, ...]
) -> None:
    assert len({comparer.value(one) for one in spellings}) == 1


def test_different_answers_do_not_vote_together(comparer: AnswerComparer) -> None:
    answers = ["1.5", "15", "x+1", "x-1", "1, 2", "(1, 2)", "(2, 1)", "east", "A", r"\infty", "0"]
    answers += [r"\sqrt2", "1.41421", r"\frac10", "7+", "10^{40}"]
    values = [comparer.value(one) for one in answers]
    assert len(set(values)) == len(values)
