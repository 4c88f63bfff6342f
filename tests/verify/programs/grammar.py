"""Random programs whose output CPython can be asked for: from a grammar, by seed."""

from __future__ import annotations

import random
from collections.abc import Callable

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_ARITHMETIC = ("+", "-", "*", "/", "//", "%")


class ProgramWriter:
    """Writes one program of a seed: numbers, lists, strings, functions, loops, errors now and then.

    Programs end by themselves: loops run over small ranges, and calls go one level deep.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._numbers = ["a", "b"]
        self._lists = ["xs"]
        self._functions: list[tuple[str, int]] = []
        self._count = 0

    def program(self) -> str:
        """The source."""
        lines = [
            "import math",
            f"a = {self._literal()}",
            f"b = {self._literal()}",
            f"xs = [{', '.join(self._literal() for _ in range(self._random.randint(0, 4)))}]",
            "d = {'k': 1, 2: 'two'}",
        ]
        for _ in range(self._random.randint(3, 9)):
            lines += self._statement(0)
        lines.append(f"print({', '.join(self._any() for _ in range(self._random.randint(1, 3)))})")
        return "\n".join(lines) + "\n"

    def _pick(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _literal(self) -> str:
        return self._random.choice(
            [
                str(self._random.randint(-9, 99)),
                str(self._random.randint(0, 10**6)),
                f"{self._random.uniform(-50, 50):.2f}",
                self._pick("0", "1", "True", "False", "0.5", "-0.0", "2.5", "1e16", "7"),
            ]
        )

    def _number(self, depth: int = 0) -> str:
        if depth > 2 or self._random.random() < 0.3:
            return self._random.choice([*self._numbers, self._literal()])
        inner = lambda: self._number(depth + 1)  # noqa: E731
        return self._random.choice(
            [
                lambda: f"({inner()} {self._pick(*_ARITHMETIC)} {inner()})",
                lambda: f"{inner()} {self._pick(*_ARITHMETIC)} {inner()}",
                lambda: f"-{inner()}" if self._random.random() < 0.5 else f"-({inner()})",
                lambda: f"abs({inner()})",
                lambda: f"round({inner()}, {self._random.randint(-1, 3)})",
                lambda: f"int({inner()})",
                lambda: f"({inner()} if {self._test()} else {inner()})",
                lambda: f"max({inner()}, {inner()}, {inner()})",
                lambda: f"{self._pick('min', 'max')}({self._several(inner)}, key=abs)",
                lambda: f"sum({self._list(depth + 1)})",
                lambda: f"len({self._list(depth + 1)})",
                lambda: f"{self._list(depth + 1)}[{self._random.randint(-2, 2)}]",
                lambda: f"({inner()}) ** {self._random.randint(0, 3)}",
                lambda: f"math.{self._pick('floor', 'ceil', 'sqrt')}({inner()})",
                lambda: self._call(depth),
                lambda: f"(lambda v, w={inner()}: v + w)({inner()})",
                lambda: f"d.get({self._pick('2', repr('k'), '0')}, {inner()})",
            ]
        )()

    def _several(self, write: Callable[[], str]) -> str:
        return ", ".join(write() for _ in range(self._random.randint(2, 6)))

    def _call(self, depth: int) -> str:
        if not self._functions:
            return self._literal()
        name, count = self._random.choice(self._functions)
        return f"{name}({', '.join(self._number(depth + 1) for _ in range(count))})"

    def _test(self) -> str:
        return self._random.choice(
            [
                lambda: f"{self._number(2)} {self._pick(*_COMPARISONS)} {self._number(2)}",
                lambda: f"{self._number(2)} < {self._number(2)} >= {self._number(2)}",
                lambda: f"not {self._number(2)}",
                lambda: f"{self._number(2)} {self._pick('and', 'or')} {self._number(2)}",
                lambda: f"{self._number(2)} in {self._list(2)}",
                lambda: f"{self._list(2)} {self._pick('==', '!=', '<')} {self._list(2)}",
                lambda: f"any(v > 3 for v in {self._list(2)})",
            ]
        )()

    def _list(self, depth: int = 0) -> str:
        if depth > 1 or self._random.random() < 0.4:
            return self._random.choice(self._lists)
        return self._random.choice(
            [
                lambda: (
                    f"[{', '.join(self._number(2) for _ in range(self._random.randint(0, 4)))}]"
                ),
                lambda: f"sorted({self._list(depth + 1)})",
                lambda: f"list(range({self._random.randint(-2, 9)}))",
                lambda: f"[v * {self._literal()} for v in {self._list(depth + 1)} if v != 1]",
                lambda: f"{self._list(depth + 1)}[{self._pick('1:', ':2', '::-1', '-2:', '::2')}]",
                lambda: f"{self._list(depth + 1)} + {self._list(depth + 1)}",
                lambda: f"{self._list(depth + 1)} * {self._random.randint(0, 2)}",
                lambda: f"list(map(lambda v: v + 1, {self._list(depth + 1)}))",
                lambda: f"[v for v, w in zip({self._list(depth + 1)}, range(3))]",
                lambda: f"[i for i, v in enumerate({self._list(depth + 1)}) if v]",
            ]
        )()

    def _text(self) -> str:
        return self._random.choice(
            [
                lambda: repr(self._pick("ab", "x y", "", "Öl", "7")),
                lambda: f'f"{{{self._number(2)}}} and {{{self._number(2)}:.2f}}"',
                lambda: f"str({self._any(1)})",
                lambda: f"{self._text()} + {self._text()}",
                lambda: f"{self._text()}.{self._pick('upper', 'strip', 'title')}()",
                lambda: f"', '.join([str(v) for v in {self._list(1)}])",
                lambda: f"{self._text()} * 2",
                lambda: f"{self._text()}[{self._pick('0', '-1', ':2', '::-1')}]",
            ]
        )()

    def _any(self, depth: int = 0) -> str:
        choices = [self._number, self._list, self._test]
        if depth == 0:
            choices += [self._text, lambda: f"({self._number(2)}, {self._test()})", lambda: "d"]
        return self._random.choice(choices)()

    def _new_name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _statement(self, depth: int) -> list[str]:
        kinds = [self._assignment, self._augmented, self._printing, self._list_change]
        if depth < 3:
            kinds += [self._if, self._for, self._while, self._try]
        if depth == 0:
            kinds += [self._definition]
        return self._random.choice(kinds)(depth)

    def _block(self, depth: int) -> list[str]:
        names = len(self._numbers), len(self._lists)
        lines = [
            line for _ in range(self._random.randint(1, 2)) for line in self._statement(depth + 1)
        ]
        del self._numbers[names[0] :], self._lists[names[1] :]
        return ["    " + line for line in lines]

    def _assignment(self, _depth: int) -> list[str]:
        if self._random.random() < 0.3:
            name = self._new_name("l")
            line = f"{name} = {self._list()}"
            self._lists.append(name)
            return [line]
        if self._random.random() < 0.2:
            return [f"a, b = {self._number()}, {self._number()}"]
        name = self._random.choice([*self._numbers, self._new_name("n")])
        line = f"{name} = {self._number()}"
        if name not in self._numbers:
            self._numbers.append(name)
        return [line]

    def _augmented(self, _depth: int) -> list[str]:
        return [
            f"{self._random.choice(self._numbers)} {self._pick(*_ARITHMETIC)}= {self._number()}"
        ]

    def _printing(self, _depth: int) -> list[str]:
        values = [self._any() for _ in range(self._random.randint(0, 6))]
        values.append(f"sep={self._pick(repr(' '), repr('|'))}")
        if self._random.random() < 0.2:
            values.append(f"end={self._pick(repr(''), repr(';'))}")
        return [f"print({', '.join(values)})"]

    def _list_change(self, _depth: int) -> list[str]:
        name = self._random.choice(self._lists)
        return [
            self._random.choice(
                [
                    lambda: f"{name}.append({self._number()})",
                    lambda: f"{name} += {self._list()}",
                    lambda: f"{name}.sort()",
                    lambda: f"d[{self._number(2)}] = {self._number()}",
                    lambda: f"{name}[{self._random.randint(-2, 2)}] = {self._number()}",
                ]
            )()
        ]

    def _if(self, depth: int) -> list[str]:
        lines = [f"if {self._test()}:", *self._block(depth)]
        return lines + (["else:", *self._block(depth)] if self._random.random() < 0.5 else [])

    def _for(self, depth: int) -> list[str]:
        name = self._new_name("i")
        source = self._random.choice(
            [lambda: f"range({self._random.randint(0, 5)})", lambda: f"{self._list()}[:4]"]
        )()
        self._numbers.append(name)
        lines = [f"for {name} in {source}:", *self._block(depth)]
        self._numbers.remove(name)
        if self._random.random() < 0.3:
            lines += [f"    if {self._test()}:", f"        {self._pick('break', 'continue')}"]
        return lines

    def _while(self, depth: int) -> list[str]:
        name = self._new_name("w")
        limit = self._random.randint(0, 5)
        return [f"{name} = 0", f"while {name} < {limit}:", f"    {name} += 1", *self._block(depth)]

    def _try(self, depth: int) -> list[str]:
        error = self._pick(
            "ZeroDivisionError", "Exception", "(IndexError, ValueError)", "TypeError"
        )
        return ["try:", *self._block(depth), f"except {error}:", "    print('caught')"]

    def _definition(self, _depth: int) -> list[str]:
        name, count = self._new_name("f"), self._random.randint(1, 3)
        before = list(self._numbers)
        self._numbers += ["p", "q", "r"][:count]
        body = [
            f"    s = {self._number()}",
            f"    if {self._test()}:",
            f"        return {self._any(1)}",
        ]
        body.append(f"    return s + {self._number()}")
        self._numbers = before
        self._functions.append((name, count))
        return [f"def {name}({', '.join(['p', 'q', 'r'][:count])}):", *body]
