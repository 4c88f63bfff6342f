"""Arithmetic as text, read by a bounded parser and never run as code.

A text becomes tokens, tokens become postfix order by the shunting-yard algorithm (no recursion, so
no nesting can exhaust the stack), and postfix is evaluated by Python's own numbers (`as Python
does`) or by exact rationals; `canonical` writes it in one order.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TypeAlias

from rft_jax.verify.notation import CURRENCY, OPERATOR_SIGNS
from rft_jax.verify.numbers import parse_decimal

MAX_CHARS = 10_000  # of one expression
MAX_DEPTH = 200  # nested parentheses: what CPython's own tokenizer allows
MAX_BITS = 20_000  # of any intermediate integer

Token: TypeAlias = tuple[str, str]  # kind (int, float, radix, number, operator) and text
Postfix: TypeAlias = list[Token]


class MalformedError(ValueError):
    """The text is not an arithmetic expression, or exceeds the limits above."""


_DIGITS = r"[0-9](?:_?[0-9])*"
_PYTHON_TOKEN = re.compile(
    rf"""[ \t\f]*(?:
      (?P<radix>0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)
    | (?P<float>(?:{_DIGITS}\.(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?
               |{_DIGITS}[eE][+-]?{_DIGITS})
    | (?P<int>[1-9](?:_?[0-9])*|0(?:_?0)*)
    | (?P<operator>\*\*|//|[-+*/%()])
    | (?P<newline>\n)
    )""",
    re.VERBOSE,
)
_EXACT_TOKEN = re.compile(
    rf"""\s*(?:
      [{CURRENCY}]?(?P<number>(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+(?![0-9])|[0-9]+)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?
               |\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    | (?P<operator>\*\*|//|[-+*/%()])
    )\s*""",
    re.VERBOSE,
)
_WORD = re.compile(r"[^\W\s]|[^\x00-\x7f]")
_BLANK_LINES = re.compile(r"\A(?:[ \t\f]*\n)+")
_INDENTED_END = re.compile(r"\n[ \t\f]*[ \t]\Z")
_RADIX = {"x": 16, "o": 8, "b": 2}


def python_postfix(text: str) -> Postfix:
    """Reads an expression of Python: number literals, + - * / // % ** and parentheses.

    Raises:
      MalformedError: Python would not read it so, or it exceeds the limits.
    """
    return _to_postfix(_python_tokens(text), percent=False)


def exact_postfix(text: str) -> Postfix:
    """Reads an expression as people write it: also thousands commas, `$5`, `50%`, × and ÷.

    Raises:
      MalformedError: it is not such an expression, or exceeds the limits.
    """
    return _to_postfix(_exact_tokens(text), percent=True)


def _python_tokens(text: str) -> Iterator[Token]:
    text = _one_line(text)
    position, depth = 0, 0
    while position < len(text):
        match = _PYTHON_TOKEN.match(text, position)
        if match is None:
            raise MalformedError(f"no arithmetic at {text[position : position + 20]!r}")
        kind, value = str(match.lastgroup), match[str(match.lastgroup)]
        position = match.end()
        if kind == "operator":
            depth += (value == "(") - (value == ")")
            yield kind, value
        elif kind == "newline":
            if depth <= 0:
                raise MalformedError("a line break outside of parentheses")
        elif _WORD.match(text, position):
            raise MalformedError(f"a letter or digit right after {value[:20]}")
        else:
            yield kind, value


def _one_line(text: str) -> str:
    """Line breaks as `eval` takes them: none inside, blank lines around are nothing."""
    _check_length(text)
    if "\n" not in text and "\r" not in text and "\f" not in text:
        return text.strip(" \t")
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip(" \t")
    if _INDENTED_END.search(text):
        raise MalformedError("an indented line")
    text = _BLANK_LINES.sub("", text.rstrip(" \t\f\n"))
    content = text.lstrip(" \t\f")
    if text[: len(text) - len(content)].rpartition("\f")[2]:
        raise MalformedError("an indented line")
    return content


def _python_number(kind: str, text: str) -> int | float:
    if kind == "float":
        return float(text)
    if kind == "number":
        value = exact_number(text)
        is_whole = text.replace(",", "").isdigit()
        return _bounded(value.numerator) if is_whole else float(value)
    base = _RADIX[text[1].lower()] if kind == "radix" else 10
    try:
        return _bounded(int(text[2:] if kind == "radix" else text, base))
    except ValueError as error:  # more digits than Python converts
        raise MalformedError("too many digits") from error


def _exact_tokens(text: str) -> Iterator[Token]:
    _check_length(text)
    text = text.translate(OPERATOR_SIGNS)
    position = 0
    while position < len(text):
        match = _EXACT_TOKEN.match(text, position)
        if match is None:
            raise MalformedError(f"no arithmetic at {text[position : position + 20]!r}")
        position = match.end()
        if match["operator"]:
            yield "operator", match["operator"]
            continue
        yield "number", match["number"]


def _check_length(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise MalformedError(f"longer than {MAX_CHARS} characters")


def _bounded(value: int) -> int:
    if value.bit_length() > MAX_BITS:
        raise MalformedError(f"a number of more than {MAX_BITS} bits")
    return value


_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "u-": 3, "u+": 3, "**": 4}


def _to_postfix(tokens: Iterator[Token], percent: bool) -> Postfix:
    """Shunting-yard; with `percent`, a `%` before no operand divides by a hundred."""
    output: Postfix = []
    stack: list[str] = []
    depth = 0
    sequence = list(tokens)
    needs_operand = True
    for index, (kind, value) in enumerate(sequence):
        if kind != "operator":
            if not needs_operand:
                raise MalformedError("two operands without an operator")
            output.append((kind, value))
            needs_operand = False
        elif value == "(":
            depth += 1
            if not needs_operand or depth > MAX_DEPTH:
                raise MalformedError("a parenthesis too many")
            stack.append("(")
        elif value == ")":
            depth -= 1
            if needs_operand or depth < 0:
                raise MalformedError("a closing parenthesis too early")
            while (top := stack.pop()) != "(":
                output.append(("operator", top))
        elif needs_operand:
            if value not in ("+", "-"):
                raise MalformedError(f"{value} without a left operand")
            stack.append(f"u{value}")
        elif percent and value == "%" and not _starts_operand(sequence, index + 1):
            output.append(("operator", "percent"))
        else:
            _push_operator(value, stack, output)
            needs_operand = True
    if needs_operand or depth:
        raise MalformedError("the expression ends too early")
    output.extend(("operator", top) for top in reversed(stack))
    return output


def _starts_operand(sequence: list[Token], index: int) -> bool:
    return index < len(sequence) and (sequence[index][0] != "operator" or sequence[index][1] == "(")


def _push_operator(name: str, stack: list[str], output: Postfix) -> None:
    rank = _PRECEDENCE[name]
    while stack and stack[-1] != "(":
        top = _PRECEDENCE[stack[-1]]
        if top < rank or (top == rank and name == "**"):
            break
        output.append(("operator", stack.pop()))
    stack.append(name)


PythonNumber: TypeAlias = int | float | complex


def python_value(postfix: Postfix) -> float:
    """The value as Python computes it, as a float.

    Raises:
      MalformedError: an intermediate integer exceeds MAX_BITS.
      ArithmeticError: division by zero, or a result that is not a real float.
    """
    result = python_number(postfix)
    if isinstance(result, complex):
        raise ArithmeticError("a complex result")
    return float(result)


def python_number(
    postfix: Postfix, visit: Callable[[str, PythonNumber, PythonNumber], None] | None = None
) -> PythonNumber:
    """The value as Python computes it, also of an expression as people write it.

    Args:
      visit: is given the sign and the operands of each operation, before it is computed.

    Raises:
      MalformedError: an intermediate integer exceeds MAX_BITS.
      ArithmeticError: division by zero, or a number that is too large for a float.
    """
    stack: list[PythonNumber] = []
    for kind, value in postfix:
        if kind != "operator":
            stack.append(_python_number(kind, value))
        elif value == "percent":
            stack[-1] /= 100
        elif value in ("u-", "u+"):
            stack[-1] = -stack[-1] if value == "u-" else stack[-1]
        else:
            right = stack.pop()
            if visit is not None:
                visit(value, stack[-1], right)
            stack[-1] = _apply_python(value, stack[-1], right)
    return stack.pop()


def _apply_python(name: str, left: PythonNumber, right: PythonNumber) -> PythonNumber:
    if isinstance(left, int) and isinstance(right, int):
        _check_power_size(name, left, right)
        result = PYTHON_OPERATORS[name](left, right)
        return _bounded(result) if isinstance(result, int) else result
    try:
        return PYTHON_OPERATORS[name](left, right)
    except TypeError as error:  # // and % of complex numbers
        raise ArithmeticError(str(error)) from error


PYTHON_OPERATORS: dict[str, Callable] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def _check_power_size(name: str, base: int, exponent: int) -> None:
    """Refuses a power before it is computed; the size of any other result is bounded."""
    if name == "**" and abs(base) > 1 and (base.bit_length() - 1) * abs(exponent) > MAX_BITS:
        raise MalformedError(f"a power of more than {MAX_BITS} bits")


def exact_value(postfix: Postfix, read: Callable[[str], Fraction] | None = None) -> Fraction:
    """The value as an exact rational.

    Args:
      read: the value of each number, from left to right; `exact_number` by default.

    Raises:
      MalformedError: a power with no rational value, or numbers beyond MAX_BITS.
      ArithmeticError: division by zero.
    """
    stack: list[Fraction] = []
    for kind, value in postfix:
        if kind != "operator":
            stack.append((read or exact_number)(value))
        elif value == "percent":
            stack[-1] /= 100
        elif value in ("u-", "u+"):
            stack[-1] = -stack[-1] if value == "u-" else stack[-1]
        else:
            right = stack.pop()
            stack[-1] = _apply_exact(value, stack[-1], right)
        _bounded(stack[-1].numerator)
        _bounded(stack[-1].denominator)
    return stack.pop()


def exact_number(text: str) -> Fraction:
    """The value of one number of an expression.

    Raises:
      MalformedError: it has too many digits.
    """
    value = parse_decimal(text)
    if value is None:
        raise MalformedError("too many digits")
    return value


def _apply_exact(name: str, left: Fraction, right: Fraction) -> Fraction:
    if name == "**":
        if right.denominator != 1:
            raise MalformedError("a power whose exponent is not an integer")
        _check_power_size(name, left.numerator, right.numerator)
        _check_power_size(name, left.denominator, right.numerator)
    return Fraction(PYTHON_OPERATORS[name](left, right))
