"""What one program may use, and how a program ends that cannot go on.

Everything is counted and nothing is timed: an outcome never depends on how busy the machine is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Limits:
    """The budgets of one program.

    Attributes:
      source_chars: characters of its source.
      nesting: levels of brackets, blocks and expressions within each other.
      steps: nodes evaluated; library functions cost a step for each element that they look at.
      bits: of any one whole number.
      elements: of all lists, tuples, dicts and sets ever made; a whole number beyond 64 bits counts
        as an element for each 64 bits.
      characters: of all strings ever made.
      output: characters printed.
      calls: calls of the program's functions within each other.
      operations: of arithmetic that are recorded, the first ones; more are executed all the same.
    """

    source_chars: int = 20_000
    nesting: int = 60
    steps: int = 100_000
    bits: int = 13_288  # 10**4000
    elements: int = 300_000
    characters: int = 2_000_000
    output: int = 10_000
    calls: int = 200
    operations: int = 256


class ProgramError(Exception):
    """The program made a mistake, or spent a budget; CPython would have raised here, or continued.

    Attributes:
      kind: one of `KINDS`.
      detail: what happened, in a few words.
      line: of the source, from 1, where it is known without executing the program.
    """

    def __init__(self, kind: str, detail: str, line: int | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.line = kind, detail, line


class BudgetSpent(ProgramError):
    """A budget is spent; the program cannot catch it."""

    def __init__(self, budget: str, limit: int) -> None:
        super().__init__("limit", f"more than {limit:,} {budget}")


class Unsupported(Exception):
    """The program needs a part of Python that is not evaluated here."""


_KIND_OF_ERROR: dict[type[Exception], str] = {
    ZeroDivisionError: "zero division",
    OverflowError: "overflow",
    ArithmeticError: "value",  # of decimal: an invalid operation
    KeyError: "key",
    IndexError: "index",
    ValueError: "value",
    TypeError: "type",
    RuntimeError: "runtime",  # a dict that changed while it was iterated
}
_LONGEST_KEY = 64  # characters, or bits, of a key that a message shows
PYTHON_ERRORS = tuple(_KIND_OF_ERROR)
KINDS = ("syntax", "name", "attribute", "assertion", "raised", "limit", *_KIND_OF_ERROR.values())


def as_program_error(error: Exception) -> ProgramError:
    """What a Python error, raised by an operation on the program's values, is to the program."""
    kind = next(k for python, k in _KIND_OF_ERROR.items() if isinstance(error, python))
    text = name_key(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return ProgramError(kind, f"{type(error).__name__}: {text}"[:200])


def name_key(key: Any) -> str:
    """A key as messages name it: a short text or number, else its type.

    Other keys may have a text of any length, or one with an address in memory.
    """
    if type(key) is str:
        return repr(key[:_LONGEST_KEY])
    if type(key) in (float, bool, type(None)) or (
        type(key) is int and key.bit_length() <= _LONGEST_KEY
    ):
        return repr(key)
    return f"a key of type {type(key).__name__}"


Operation: TypeAlias = tuple[str, Any, Any, Any]
"""Sign, left and right operand, and value of an operation on numbers."""


class Meter:
    """Counts what a program uses, and records its arithmetic.

    Attributes:
      limits: the budgets.
      steps, elements, characters, output, calls: what is used, never more than the budget; `calls`
        is the current depth.
      stored: large keys that collections were given, by hash.
      operations: on numbers, in the order of their execution, as many as the limits say.
    """

    __slots__ = (
        "calls",
        "characters",
        "elements",
        "limits",
        "operations",
        "output",
        "steps",
        "stored",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = self.elements = self.characters = self.output = self.calls = 0
        self.operations: list[Operation] = []
        self.stored: dict[int, int] = {}

    def step(self, count: int = 1) -> None:
        """Counts steps."""
        if self.steps + count > self.limits.steps:
            raise BudgetSpent("steps", self.limits.steps)
        self.steps += count

    def make_elements(self, count: int) -> None:
        """Counts elements of a collection that is about to be made."""
        if self.elements + count > self.limits.elements:
            raise BudgetSpent("elements", self.limits.elements)
        self.elements += count

    def make_characters(self, count: int) -> None:
        """Counts characters of a string that is about to be made."""
        if self.characters + count > self.limits.characters:
            raise BudgetSpent("characters", self.limits.characters)
        self.characters += count

    def need_bits(self, bits: int) -> None:
        """Counts a whole number of so many bits."""
        if bits > 64:
            if bits > self.limits.bits:
                raise BudgetSpent("bits in a whole number", self.limits.bits)
            self.make_elements(bits // 64)

    def record(self, sign: str, left: Any, right: Any, value: Any) -> None:
        """Records an operation on numbers, unless there are enough."""
        if len(self.operations) < self.limits.operations:
            self.operations.append((sign, left, right, value))

    def enter(self) -> None:
        """Counts a call within the calls under way; `calls -= 1` ends it."""
        self.calls += 1
        if self.calls > self.limits.calls:
            raise BudgetSpent("calls within each other", self.limits.calls)

    def print(self, characters: int) -> None:
        """Counts characters of output."""
        if self.output + characters > self.limits.output:
            raise BudgetSpent("characters of output", self.limits.output)
        self.output += characters
