"""Equations in running text (`He pays 48/2 = 24 dollars`), for models that write no annotations."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import MAX_EMAX, MAX_PREC, Context, Decimal

from rft_jax.arithmetic.reading import plain_steps
from rft_jax.verify.equations import find_annotations
from rft_jax.verify.notation import CURRENCY, OPERATOR_SIGNS

_ANNOTATION = re.compile(r"<<[^>]*>?>?")
_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:times|cdot)(?![A-Za-z]) ?", "*"),
        (r"\\div(?![A-Za-z]) ?", "/"),
        (r"\\([$%])", r"\1"),
        (r"\^ ?\{([0-9]+)\}", r"^\1"),
        (r"\\[dt]?frac ?\{([0-9]+)\} ?\{([0-9]+)\}", r" \1/\2"),
    )
)
# `3 1/7`, but not the two numbers in `in 2020 48/2`.
_MIXED = re.compile(r"(?<![0-9.,/_^])([0-9]+) +([1-9][0-9]*)/([0-9]+)(?![0-9.,]*[0-9/])")
# A hyphen or star that begins a line is a bullet, and `3.` or `3)` a number in a list.
_BULLET = re.compile(r"^[ \t]*(?:[-*+•][ \t]+|[0-9]{1,3}[.)][ \t]+)", re.MULTILINE)
_TOKEN = re.compile(
    rf"""(?P<number>[{CURRENCY}]?(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?%?
                  |[{CURRENCY}]?\.[0-9]+%?)
    | (?P<operator>\*\*|//|[-+*/()^])
    | (?P<times>(?<=[0-9)%\s])[xX](?=[ \t]*[({CURRENCY}0-9.]))
    | (?P<equals>=)
    | (?P<space>[ \t]+)
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

# What a run begins with when a minus takes something from a word: `price - 5`.
_MINUS = "- "
# At either end of a run that something else touches: `x_1 + 2`, `10\\sqrt{9}`.
_TOUCHED = "?"
_TOUCHING = re.compile(r"[^\W0-9]|[\\{}]")
_UNIT = re.compile(r"[A-Za-z]{2,}(?![\w^*/+(])")  # `16km`, but not `5A/5`
_NEEDS_LEFT = (["*"], ["/"], ["//"], ["**"], ["+"], [_MINUS], [_TOUCHED])
_UNFINISHED = (["*"], ["**"], ["+"], [_TOUCHED])
_MAX_DIGITS = 9
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX)


EQUATION_SOURCES = ("annotations", "text", "either", "steps")


def equation_source(name: str) -> Callable[[str], list[str]]:
    """What finds equations: one of EQUATION_SOURCES.

    In `annotations`, in `text`, in `either` (text where no other is), or in the `steps` of an
    expression, which are one chain.
    """
    if name == "steps":
        return _steps_chain
    if name == "annotations":
        return find_annotations
    if name == "text":
        return text_equations
    return lambda response: find_annotations(response) or text_equations(response)


def _steps_chain(response: str) -> list[str]:
    chain = plain_steps(response.strip())
    return [chain] if "=" in chain else []


def text_equations(text: str) -> list[str]:
    """Equations in running text, spelled as annotations are: `48/2=24`, chains `2+3=5=5` too.

    An equation is a longest run of numbers, operators and `=`, whose left side calculates
    something. Annotations are ignored, thousands commas and currency signs dropped; 25% becomes
    0.25, 3 1/7 a sum. A side that a letter or a macro belongs to (`2x`, `10\\sqrt{9}`) is ignored.
    """
    if "=" not in text:
        return []
    plain = drop_annotations(text).translate(OPERATOR_SIGNS)
    for pattern, replacement in _REWRITES:
        plain = pattern.sub(replacement, plain)
    plain = _MIXED.sub(_as_sum, _BULLET.sub("\n", plain))
    return [equation for run in _runs(plain) if "=" in run for equation in _equations_of(run)]


def drop_annotations(text: str) -> str:
    """A text without its calculator annotations."""
    return _ANNOTATION.sub("", text)


def _as_sum(match: re.Match[str]) -> str:
    whole, above, below = match.groups()
    is_proper = len(below) <= _MAX_DIGITS and len(above) <= _MAX_DIGITS and int(above) < int(below)
    return f"({whole}+{above}/{below})" if is_proper else match[0]


def _runs(text: str) -> list[list[str]]:
    """Splits a text into runs of arithmetic tokens; words and two numbers in a row end a run."""
    runs: list[list[str]] = []
    run: list[str] = []
    last = "space"
    for match in _TOKEN.finditer(text):
        kind, token = str(match.lastgroup), match[0]
        if token == "(" and last != "space" and run and _ends_operand(run[-1]):
            run.append("*")  # 4(9) is a product, 4 (9) is not
        if kind == "other" or (kind == "number" and run and _ends_operand(run[-1])):
            touches = _TOUCHING.match(token) is not None
            # Within a word there is no run to cut, and its rest is not looked at again.
            may_cut = touches and last not in ("space", "other")
            is_cut = may_cut and not _UNIT.match(text, match.start())
            runs.append([*run, _TOUCHED] if is_cut else run)
            run = [_TOUCHED] if touches else []
        last = kind
        if kind == "space":
            run = [] if run == [_TOUCHED] else run
        elif kind == "number":
            run.append(_plain_number(token))
        elif kind == "times":
            run.append("*")
        elif token == "-" and not run and text[match.end() : match.end() + 1] in (" ", "\t"):
            run.append(_MINUS)
        elif kind != "other":
            run.append("**" if token == "^" else token)
    runs.append(run)
    return runs


def _plain_number(token: str) -> str:
    """Without commas and currency sign; `25%` is 0.25."""
    digits = re.sub(f"[,{CURRENCY}%]", "", token)
    return f"{Decimal(digits).scaleb(-2, _EXACT):f}" if token.endswith("%") else digits


def _ends_operand(token: str) -> bool:
    return token[0].isdigit() or token[0] == "." or token == ")"


def _equations_of(run: list[str]) -> list[str]:
    """The chains in a run: sides that stand whole; a broken side parts two chains."""
    sides: list[list[str]] = [[]]
    for token in run:
        if token == "=":
            sides.append([])
        else:
            sides[-1].append(token)
    sides[0], sides[-1] = _balanced_tail(sides[0]), _balanced_head(sides[-1])
    chains: list[list[str]] = [[]]
    for side in sides:
        if side and _ends_operand(side[-1]):
            chains[-1].append("".join(side))
        else:
            chains.append([])
    return ["=".join(c) for c in chains if len(c) > 1 and _calculates(c[0])]


def _balanced_tail(tokens: list[str]) -> list[str]:
    """The longest end of the first side that can be an expression.

    Nothing where it begins with an operator: what that works on is not a number
    (`162 cm * 2/3`); nor where a letter touches it.
    """
    depth, start = 0, len(tokens)
    for index in range(len(tokens) - 1, -1, -1):
        depth += (tokens[index] == ")") - (tokens[index] == "(")
        if depth < 0:
            break
        if depth == 0:
            start = index
    return [] if tokens[start : start + 1] in _NEEDS_LEFT else tokens[start:]


def _balanced_head(tokens: list[str]) -> list[str]:
    """The longest beginning of the last side that can be an expression.

    Nothing where an operator that works on something else, or a letter, follows it.
    """
    depth, end = 0, 0
    for index, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        if depth < 0:
            break
        if depth == 0 and _ends_operand(token):
            end = index + 1
    return [] if tokens[end : end + 1] in _UNFINISHED else tokens[:end]


def _calculates(side: str) -> bool:
    return re.search(r"[0-9.)%][-+*/]", side) is not None
