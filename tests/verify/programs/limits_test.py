"""Programs that would take all time or memory end by a named verdict, within the budgets."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from rft_jax.verify.programs.limits import Limits
from rft_jax.verify.programs.run import Outcome, evaluate_program

LIMITS = Limits()
EXHAUSTING = {
    "a tower of powers": "print(10**10**10)",
    "a power of a bit too much": "print(2**13288)",
    "a separator often": "print(*range(1000), sep='a' * 10**5)",
    "a wide shift": "x = 1 << 10**9",
    "a long string": "x = 'a' * 10**9",
    "a long list": "x = [0] * 10**9",
    "a long tuple, number first": "x = 10**9 * (0,)",
    "a list that grows by itself": "x = [1]\nwhile True:\n    x = x + x",
    "a list that grows by itself in place": "x = [1]\nwhile True:\n    x += x",
    "a string that grows by itself": "x = 'a'\nwhile True:\n    x += x",
    "a number that is squared": "x = 3\nwhile True:\n    x = x * x",
    "a fraction that is squared": (
        "from fractions import Fraction\nx = Fraction(3, 7)\nwhile True:\n    x *= x"
    ),
    "the sum of a long range": "print(sum(range(10**12)))",
    "a list of a long range": "x = list(range(10**10))",
    "the search of a long range": "print(1.5 in range(10**10))",
    "a long literal in text": "int('9' * 10**7)",
    "much output": "print('x' * 20_000)",
    "a line after a line": "while True:\n    print(1)",
    "a number of 20,000 digits, printed": "print(10**19_999)",
    "many digits of output": "for i in range(20_000):\n    print(i, end='')",
    "rounding to many digits": "print(round(1.5, 10**9))",
    "rounding to many digits before the point": "print(round(5, -(10**9)))",
    "a power by a function": "x = pow(2, 10**9)",
    "a power by math": "import math\nx = math.pow(2, 3)\nwhile True:\n    x = math.factorial(1000)",
    "the factorial of a million": "import math\nprint(math.factorial(10**6))",
    "a wide binomial": "import math\nprint(math.comb(10**9, 5 * 10**8))",
    "recursion": "def f(n):\n    return f(n + 1)\nf(0)",
    "recursion by a lambda": "f = lambda n: f(n)\nf(0)",
    "recursion by sorting": "def f(n):\n    return sorted([n], key=f)\nf(0)",
    "an endless loop": "while True:\n    pass",
    "an endless loop in a generator": "x = sum(1 for i in iter(range(10**12)))",
    "a nest of lists": "x = []\nfor i in range(10**5):\n    x = [x]\nprint(x == x)",
    "a list of itself, compared": "x = []\nx.append(x)\nprint(x == x)",
    "one list twice, a hundred times": (
        "x = [1]\nfor i in range(100):\n    x = [x, x]\nprint(x == x)"
    ),
    "one tuple twice, hashed": "x = (1,)\nfor i in range(100):\n    x = (x, x)\nd = {x: 1}",
    "a chain of iterators": (
        "g = iter([1])\nfor i in range(10**4):\n    g = map(abs, g)\nprint(list(g))"
    ),
    "replacing by something longer": "x = ('a' * 10**5).replace('a', 'b' * 10**5)",
    "padding": "x = 'a'.zfill(10**9)",
    "joining": "x = ('a' * 10**5).join(['b'] * 10**4)",
    "a decimal as a whole number": "from decimal import Decimal\nx = int(Decimal('1e999999'))",
    "a decimal as a fraction": (
        "from decimal import Decimal\nfrom fractions import Fraction\nFraction(Decimal('1e-99999'))"
    ),
    "a fraction of a long text": "from fractions import Fraction\nFraction('1e999999')",
    "comparing long strings often": "x = 'a' * 10**5\ny = 'a' * 10**5\nwhile x == y:\n    pass",
    "sorting long strings": "x = sorted(['a' * 10**4 for i in range(100)] * 100)",
    "taking from a list's front": "x = [0] * 10**5\nwhile x:\n    x.pop(0)",
    "many brackets": "(" * 10**5,
    "many brackets around one": "(" * 5000 + "1" + ")" * 5000,
    "many signs": "-" * 10**4 + "1",
    "more signs than a source may have": "-" * 10**5 + "1",
    "many negations": "not " * 4000 + "1",
    "a deep subscript": "x = 0\nx" + "[0]" * 4000,
    "a long sum": "+".join(["1"] * 10**5),
    "a long power": "**".join(["1"] * 2000),
    "a literal of a million digits": "9" * 10**6,
    "the names of a comprehension": (
        "x = [[[i for i in range(99)] for j in range(99)] for k in range(99)]"
    ),
    "a spent budget that is caught": "try:\n    while True:\n        pass\nexcept:\n    print(1)",
    "a spent budget, then more": (
        "try:\n    x = 10**10**10\nexcept Exception:\n    pass\nfinally:\n    print(1)"
    ),
}


SLOW = {
    "a function of a long body, often": (
        "while True:\n    def f():\n" + "        x = 1\n" * 1300 + "    f = 0"
    ),
    "the names of a comprehension of long targets, often": (
        f"while True:\n    [0 for {', '.join(f'a{i}' for i in range(2400))} in []]"
    ),
    "an error caught by a long handler, often": (
        "while True:\n    try:\n        1 / 0\n    except Exception as e:\n"
        "        if 0:\n" + "            x = 1\n" * 1000
    ),
    "a function of many parameters, called often": (
        f"def f({', '.join(f'a{i}=0' for i in range(2200))}):\n    pass\nwhile True:\n    f()"
    ),
    "the best approximation of a long fraction": (
        "from fractions import Fraction\nx = Fraction(3**8000, 7**4700)\n"
        "while True:\n    x.limit_denominator(10**3900)"
    ),
    "an inverse of a long number": "m = 3**8000\nwhile True:\n    pow(7**4000, -1, m)",
    "a power of long numbers": "m = 3**8000\nwhile True:\n    pow(7**4000, 2**1000, m)",
    "a long set, begun often": (
        "s = set(range(10**4))\nwhile True:\n    for x in s:\n        break"
    ),
    "a prefix of many": "p = ('x',) * 10**5\nwhile True:\n    ''.startswith(p)",
    "a set of numbers of one hash": "s = {i * (2**61 - 1) for i in range(3000)}",
    "a set of tuples of one hash": "s = {(0, i * (2**61 - 1)) for i in range(3000)}",
    "a dict of numbers of one hash": (
        "d = {}\nfor i in range(3000):\n    d.setdefault(i * (2**61 - 1), i)"
    ),
    "stripping many characters": "print(('b' * 10**5).strip('a' * 10**5 + 'b'))",
    "searching from the end": "print(('a' * 10**5).rfind('ab' + 'a' * 50_000))",
}


def _within(outcome: Outcome) -> bool:
    meter, names = outcome.meter, ("steps", "elements", "characters", "output")
    return all(getattr(meter, name) <= getattr(LIMITS, name) for name in names)


@pytest.mark.parametrize("source", EXHAUSTING.values(), ids=EXHAUSTING.keys())
def test_a_program_that_exhausts_a_resource_ends_by_the_kind_limit(source):
    outcome = evaluate_program(source)
    assert outcome.error == "limit", outcome.detail
    assert _within(outcome)


@pytest.mark.parametrize("source", SLOW.values(), ids=SLOW.keys())
def test_what_takes_time_is_counted_in_steps(source):
    begin = time.process_time()
    outcome = evaluate_program(source)
    assert outcome.error == "limit"
    assert time.process_time() - begin < 4  # CPU seconds


LARGE = {
    "a negative power by a fraction": (
        "from fractions import Fraction\nx = 2 ** Fraction(-(10**9))",
        "limit",
    ),
    "one text many times, printed": ("s = 'a' * 10**6\nprint([s] * 300)", "limit"),
    "one text many times, as a key": ("s = 'a' * 10**6\n{}[(s,) * 300]", "key"),
    "one text many times, looked for": ("s = 'a' * 10**6\n[].index((s,) * 300)", "value"),
    "one text many times, as an argument": ("s = 'a' * 10**6\nprint(**{(s,) * 300: 1})", "type"),
    "a long number many times": ("print([10**3990] * 50_000)", "limit"),
    "a long fraction many times": (
        "from fractions import Fraction\nprint([1 / Fraction(10**3990)] * 50_000)",
        "limit",
    ),
    "a long decimal many times": (
        "from decimal import Decimal\nprint([Decimal('9' * 3990)] * 50_000)",
        "limit",
    ),
    "a long decimal, formatted many times": (
        "from decimal import Decimal\n('{:f}' * 20_000).format(*[Decimal('1e9999')] * 20_000)",
        "limit",
    ),
    "a number in base 2, many times": (
        "n = 2**13_000\nx = [bin(n) for i in range(20_000)]",
        "limit",
    ),
    "a separator, many times": ("print(*range(1000), sep='a' * 10**6)", "limit"),
}


@pytest.mark.parametrize(("source", "error"), LARGE.values(), ids=LARGE.keys())
def test_a_text_is_counted_before_it_is_made(source, error):
    tracemalloc.start()
    try:
        outcome = evaluate_program(source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert outcome.error == error, outcome.detail
    assert peak < 32 * 2**20


@pytest.mark.parametrize(
    "source",
    ["f'{1:999999999}'", "'%999999999d' % 1", "'{:999999999}'.format(1)", "format(1, '9')"],
)
def test_a_wide_format_is_not_supported(source):
    assert evaluate_program(source).error == "unsupported"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("print(1)\0", "syntax"),
        ("x = '\ud800'", "syntax"),
        ("\ufeffprint(1)", ""),
        ("# -*- coding: utf-7 -*-\nprint('+AGE-')", ""),
        ("print(1", "syntax"),
        ("9" * 5000, "syntax"),
        ("", ""),
    ],
)
def test_odd_sources_have_an_outcome(source, error):
    assert evaluate_program(source).error == error


def test_a_power_of_the_most_bits_is_computed():
    assert evaluate_program("x = 2**13287\nprint(x.bit_length())").output == "13288\n"


def test_a_long_number_in_many_sets_of_one_collides_with_none():
    source = "n = 10**20\nfor i in range(1800):\n    s = {n}\nprint(i)"
    assert evaluate_program(source).output.strip() == "1799"


def test_a_sum_of_a_thousand_terms_does_not_nest():
    assert evaluate_program(f"print({'+'.join(['1'] * 1000)})").output == "1000\n"


def test_the_same_program_uses_the_same_every_time():
    source = "x = [i * i for i in range(100)]\nprint(sorted(x, key=lambda v: -v)[0], str(x))"
    first, second = evaluate_program(source).meter, evaluate_program(source).meter
    names = ("steps", "elements", "characters", "output")
    assert [getattr(first, n) for n in names] == [getattr(second, n) for n in names]
    assert min(getattr(first, n) for n in names) > 100


def test_a_smaller_budget_ends_a_program_that_a_larger_one_lets_run():
    source = "x = 0\nfor i in range(100):\n    x += i\nprint(x)"
    assert evaluate_program(source).output == "4950\n"
    assert evaluate_program(source, Limits(steps=200)).detail == "more than 200 steps"


def test_an_error_names_its_line():
    outcome = evaluate_program("def f(x):\n    y = 1\n    return y / x\nprint(1)\nf(0)\n")
    assert (outcome.error, outcome.line, outcome.output) == ("zero division", 3, "1\n")
