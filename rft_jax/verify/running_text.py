"""Equations in running text (`He pays 48/2 = 24 dollars`), for models that write no annotations."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from rft_jax.verify.equations import find_annotations

_ANNOTATION = re.compile(r"<<[^>]*>?>?")
_LATEX = (("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"), ("\\$", "$"), ("\\%", "%"))
_SPELLINGS = str.maketrans({"×": "*", "✕": "*", "·": "*", "∙": "*", "÷": "/", "−": "-", "–": "-"})
# A hyphen or star that begins a line is a bullet, and `3.` or `3)` a number in a list.
_BULLET = re.compile(r"^[ \t]*(?:[-*+•][ \t]+|[0-9]{1,3}[.)][ \t]+)", re.MULTILINE)
_TOKEN = re.compile(
    r"""(?P<number>[$€£¥₹]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?%?
                  |[$€£¥₹]?\.[0-9]+%?)
    | (?P<operator>\*\*|//|[-+*/()^])
    | (?P<times>(?<=[0-9)%\s])[xX](?=[ \t]*[($€£¥₹0-9.]))
    | (?P<equals>=)
    | (?P<space>[ \t]+)
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

# What a run begins with when a minus takes something from a word: `price - 5`.
_MINUS = "- "
_NEEDS_LEFT = (["*"], ["/"], ["//"], ["**"], ["+"], [_MINUS])


def equation_source(name: str) -> Callable[[str], list[str]]:
    """What finds equations: in `annotations`, in `text`, or `either` (text where no other is)."""
    if name == "annotations":
        return find_annotations
    if name == "text":
        return text_equations
    return lambda response: find_annotations(response) or text_equations(response)


def text_equations(text: str) -> list[str]:
    """Equations in running text, spelled as annotations are: `48/2=24`, chains `2+3=5=5` too.

    An equation is a longest run of numbers, operators and `=`, whose left side calculates
    something. Annotations are passed over, thousands commas and currency signs
    dropped, 25% written 0.25.
    """
    if "=" not in text:
        return []
    plain = _ANNOTATION.sub("", text).translate(_SPELLINGS)
    for latex, sign in _LATEX:
        plain = plain.replace(latex, sign)
    equations = []
    for run in _runs(_BULLET.sub("\n", plain)):
        if "=" in run:
            equations.extend(_equations_of(run))
    return equations


def _runs(text: str) -> list[list[str]]:
    """Splits a text into runs of arithmetic tokens; words and two numbers in a row end a run."""
    runs: list[list[str]] = []
    run: list[str] = []
    last = "space"
    for match in _TOKEN.finditer(text):
        kind, token = str(match.lastgroup), match[0]
        if token == "(" and last != "space" and run and _ends_operand(run[-1]):
            run.append("*")  # 4(9) is a product, 4 (9) is not
        last = kind
        if kind == "space":
            continue
        if kind == "other" or (kind == "number" and run and _ends_operand(run[-1])):
            runs.append(run)
            run = []
        if kind == "number":
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
    digits = re.sub(r"[,$€£¥₹%]", "", token)
    return f"{Decimal(digits).scaleb(-2):f}" if token.endswith("%") else digits


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

    Nothing where it begins with an operator: what that works on is no number (`162 cm * 2/3`).
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
    """The longest beginning of the last side that can be an expression."""
    depth, end = 0, 0
    for index, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        if depth < 0:
            break
        if depth == 0 and _ends_operand(token):
            end = index + 1
    return tokens[:end]


def _calculates(side: str) -> bool:
    return re.search(r"[0-9.)%][-+*/]", side) is not None
