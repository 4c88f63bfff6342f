"""Nothing of Python is reached but numbers, text and collections."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rft_jax.verify import programs
from rft_jax.verify.programs.run import evaluate_program

NAMES = (  # noqa: SIM905
    "eval exec compile open input __import__ getattr setattr hasattr globals locals vars dir "
    "breakpoint exit quit type object super memoryview help __builtins__ __loader__ __spec__"
).split()
ESCAPES = [
    "().__class__.__bases__[0].__subclasses__()",
    "''.__class__.__mro__",
    "(1).__class__",
    "print.__self__",
    "(lambda: 0).__globals__",
    "(lambda: 0).__code__",
    "def f(): pass\nprint(f.__globals__)",
    "(i for i in []).gi_frame",
    "import math\nmath.__loader__",
    "import math\nmath.__dict__['sqrt']",
    "from math import __loader__",
    "'{0.__class__}'.format(1)",
    "'{0[0]}'.format([1])",
    "f'{1!a}'",
    "f'{().__class__}'",
    "f'{1:{().__class__}}'",
    "str.format('{0.__class__}', 1)",
    "'%(a)s' % {'a': 1}",
    "[].append.__self__",
    "class A:\n    pass",
    "import os",
    "import os.path as p",
    "from os import system",
    "from . import x",
    "import sys\nsys.exit()",
    "import builtins",
    "from math import os",
    "with open('x') as f:\n    pass",
    "async def f():\n    pass",
    "def f():\n    yield 1\nf()",
    "@print\ndef f():\n    pass",
    "match 1:\n    case 1:\n        pass",
    "x = b'a'",
    "x = 1j",
    "x = ...",
    "try:\n    pass\nexcept* ValueError:\n    pass",
    "a = [1]\na.x = 1",
    "del [].x",
    "print(print)",
    "print(lambda: 0)",
    "print({'a', 'b'})",
    "for x in {'a', 'b'}:\n    print(x)",
    "print(list({'a', 'b'}))",
    "print({('a', 1), ('b', 2)})",
    "a, b = {'x', 'y'}",
    "try:\n    1 / 0\nexcept Exception as e:\n    print(e.__traceback__)",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_reaches_python_is_refused(name):
    outcome = evaluate_program(f"x = {name}\nprint(1)")
    assert outcome.error in ("unsupported", "name")
    assert outcome.output == ""


@pytest.mark.parametrize("source", ESCAPES)
def test_an_escape_is_refused(source):
    outcome = evaluate_program(f"{source}\nprint('after')")
    assert outcome.error in ("unsupported", "attribute"), outcome
    assert outcome.output == ""


def test_an_unsupported_part_cannot_be_caught():
    outcome = evaluate_program("try:\n    eval('1')\nexcept:\n    print(1)\nfinally:\n    print(2)")
    assert (outcome.error, outcome.output) == ("unsupported", "")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("print = 5\nx = 1", ""),
        ("sum = lambda xs: 7\nprint(sum([1]))", "7\n"),
        ("def print_it(x):\n    print(x)\nlen = print_it\nlen(3)", "3\n"),
        ("eval = 4\nprint(eval)", "4\n"),
        ("def solution():\n    return 5\nsolution = 3", ""),
    ],
)
def test_shadowing_a_built_in_name_binds_the_program_s_own(source, output):
    outcome = evaluate_program(source)
    assert (outcome.error, outcome.output) == ("", output)


def test_the_evaluator_executes_imports_and_pickles_nothing():
    """Nothing that runs text occurs in its source, and `getattr` takes constant names alone."""
    banned = {"eval", "exec", "compile", "__import__", "open", "pickle", "importlib", "subprocess"}
    used = set()
    for path in Path(programs.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                used.update(alias.name.partition(".")[0] for alias in node.names)
    assert used & banned == set()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("print(12, 18)", "12 18"),
        ("print('12 or 18')", "12 or 18"),
        ("print(float('nan'))", "nan"),
        ("print(1e400)", "inf"),
        ("print(-0.0)", "-0.0"),
        ("print(3 == 3)", "True"),
        ("# 18\nx = 18", None),
        ("print(1)\nprint(18)\nprint()", "18"),
        ("def solution():\n    return 18.0", "18.0"),
        ("def solution():\n    return 18\nprint(solution() + 1)", "19"),
        ("def solution(x):\n    return 18", None),
    ],
)
def test_the_answer_is_the_last_line_printed_as_it_stands(source, line):
    assert evaluate_program(source).last_line == line
