"""Programs by their syntax: no character is lost, prose around them is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rft_jax.report.highlight import cut, program_pieces

PROGRAM = "x = 'a # b'  # if\nfor i in range(12):\n    print(x, 1.5e3)"


def test_keywords_texts_numbers_and_comments_are_marked() -> None:
    marked = [piece for piece in program_pieces(PROGRAM) if piece[1]]
    assert marked == [
        ("'a # b'", "string"),
        ("# if", "comment"),
        ("for", "keyword"),
        ("in", "keyword"),
        ("12", "number"),
        ("1.5e3", "number"),
    ]


def test_the_prose_around_a_program_is_not_marked() -> None:
    prose = "If this is not so, 12 and 'then' or else:\n"
    pieces = program_pieces(f"{prose}```python\nx = 1\n```\nand 5 more")
    assert [piece for piece in pieces if piece[1]] == [("1", "number")]
    assert program_pieces("") == []


@given(st.text("ab1'\"#\n`= if", max_size=60) | st.text())
def test_no_character_is_lost(response: str) -> None:
    assert "".join(text for text, _ in program_pieces(response)) == response


@given(st.text("ab1'\"#\n= if", max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_a_cut_has_the_characters_between_its_bounds(response: str, a: int, b: int) -> None:
    pieces, begin, end = program_pieces(response), min(a, b), max(a, b)
    assert "".join(text for text, _ in cut(pieces, begin, end)) == response[begin:end]
