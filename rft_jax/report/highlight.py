"""Programs in pieces by their syntax: keywords, texts, numbers and comments."""

from __future__ import annotations

import keyword
import re

from rft_jax.verify.programs.source import read_program

_TOKEN = re.compile(
    rf"""(?P<comment>\#[^\n]*)
    | (?P<string>'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
    | (?P<keyword>\b(?:{"|".join(keyword.kwlist)})\b)
    | (?P<number>\b[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\b)""",
    re.VERBOSE | re.DOTALL,
)

Piece = tuple[str, str]  # text, and how it is marked; '' for not at all


def program_pieces(response: str) -> list[Piece]:
    """A response in pieces; the prose around its program is one piece before and one after."""
    source = read_program(response)
    start = max(response.rfind(source), 0) if source else len(response)
    end = start + len(source)
    pieces = [(response[:start], ""), *_highlight(response[start:end]), (response[end:], "")]
    return [piece for piece in pieces if piece[0]]


def _highlight(source: str) -> list[Piece]:
    pieces: list[Piece] = []
    done = 0
    for token in _TOKEN.finditer(source):
        pieces += [(source[done : token.start()], ""), (token[0], str(token.lastgroup))]
        done = token.end()
    return [*pieces, (source[done:], "")]


def cut(pieces: list[Piece], begin: int, end: int) -> list[Piece]:
    """The pieces of the characters from `begin` up to `end`."""
    result: list[Piece] = []
    offset = 0
    for text, kind in pieces:
        part = text[max(begin - offset, 0) : max(end - offset, 0)]
        result += [(part, kind)] if part else []
        offset += len(text)
    return result
