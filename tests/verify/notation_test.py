from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.verify.notation import squeeze, tidy


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r" **$\dfrac12$.** ", r"\frac{1}{2}"),
        (r"\(1 1/2\)", "1 1/2"),
        ("\\[\n42\n\\]", "42"),
        (r"\left[0,\,1\right)", "[0, 1)"),
        (r"12,\!345", "12,345"),
        ("10⁴", "10^4"),
        ("10⁻²", "10^{-2}"),
        ("5 m² x¹²", "5 m^2 x^{12}"),
        (r"11,\! 111,\! 100", "11,111,100"),
        (r"115{,}000", "115,000"),
        (r"12\,345", "12 345"),
        (r"\textbf{13}", "13"),
        (r"\mathbf{13}", "13"),
        (r"15\mbox{ cm}^2", r"15\text{cm}^2"),
        (r"1-\frac{1}{\mathrm{e}}", r"1-\frac{1}{e}"),
        (r"\sqrt3", r"\sqrt{3}"),
        ("sqrt(2)/2", r"\sqrt{2}/2"),
        (r"\frac 3 x", r"\frac{3}{x}"),
        (r"\frac{2}15", r"\frac{2}{1}5"),
        (r"{3 \over 4}", r"\frac{3 }{4}"),
        ("2**3", "2^3"),
        ("-2*pi", r"-2\cdot \pi"),
        ("exp(16)", r"\exp (16)"),
        ("½", r"\frac{1}{2}"),
        ("x² ≤ √2", r"x^2 ≤ \sqrt{2}"),
        (r"x \leq 2", "x ≤ 2"),
        (r"x \ne 2", "x ≠ 2"),
        ("28 percent", "28%"),
        (r"28\%", "28%"),
        (r"60\text{ degrees}", r"60^\circ"),
        ("60°", r"60^\circ"),
        ("9:00 A.M.", "9:00 am"),
        (r"12:30 \text{ p.m.}", r"12:30 \text{ pm}"),
        (r"\varnothing", "no solution"),
        (r"\$18.90", "$18.90"),
        ("−3", "-3"),
        ("５％", "5%"),
        ("（１，２）。", "(1,2)"),
        ("٣٫٥", "3.5"),
        ("1⁄2", "1/2"),
        ("\ufeff1\u200b0", "10"),
        ("`10`", "10"),
        (".5", ".5"),
        ("5!", "5!"),
        (r"\leftarrow", r"\leftarrow"),
        (r"\begin{pmatrix}1\\[2pt]2\end{pmatrix}", r"\begin{pmatrix}1\\[2pt]2\end{pmatrix}"),
    ],
)
def test_one_spelling_for_what_changes_no_meaning(text: str, plain: str) -> None:
    assert tidy(text) == plain


@given(st.text(alphabet="\\{}()[]$^_ 12x,.;:*%√½\n", max_size=40))
def test_no_text_raises_and_what_is_tidy_has_no_math_marks(text: str) -> None:
    assert "\n" not in tidy(text)


def test_spaces_beside_signs_and_braces_around_one_sign_do_not_count() -> None:
    assert squeeze("( 1 , x^{2} )") == "(1,x^2)"
    assert squeeze("1 1/2") == "1 1/2"
    assert squeeze("a b") != squeeze("ab")


@pytest.mark.parametrize("piece", ["{", r"\frac{", r"\text{", "1,", " ", r"\over", "(", "^", "$"])
def test_long_repetitions_take_no_time(piece: str) -> None:
    start = time.process_time()
    tidy(piece * (2_000 // len(piece)))
    assert time.process_time() - start < 1
