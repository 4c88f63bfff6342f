"""What the evaluator lacks is refused as unsupported, and what programs use most is there."""

from __future__ import annotations

import builtins

import pytest

from rft_jax.verify.programs.run import evaluate_program
from rft_jax.verify.programs.stdlib.builtins import BUILTINS
from rft_jax.verify.programs.stdlib.methods import METHODS, PROPERTIES
from rft_jax.verify.programs.stdlib.modules import MODULES

FUNCTIONS = [name for name in dir(builtins) if name.islower() and not name.startswith("_")]
TEXT_METHODS = [name for name in dir(str) if not name.startswith("_")]


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if not dict.__contains__(BUILTINS, n)])
def test_another_built_in_name_is_unsupported_or_unknown(name: str) -> None:
    assert evaluate_program(f"x = {name}").error in ("unsupported", "name")


@pytest.mark.parametrize(
    "name", [n for n in TEXT_METHODS if not {(str, n)} & {*METHODS, *PROPERTIES}]
)
def test_another_method_of_texts_is_unsupported(name: str) -> None:
    assert evaluate_program(f"x = 'a'.{name}()").error == "unsupported"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_the_table_can_be_imported(module: str) -> None:
    assert evaluate_program(f"import {module}").error == ""


@pytest.mark.parametrize(
    "program",
    [
        "class A: pass",
        "with open('a') as f: pass",
        "match 1:\n  case 1: pass",
        "def f():\n  yield 1\nx = f()",
        "x = '%d' % 3",
        "x = f'{3:5}'",
        "x = type(3)",
        "import os",
    ],
)
def test_what_the_page_on_programs_calls_unsupported_is(program: str) -> None:
    assert evaluate_program(program).error == "unsupported"


def test_what_models_use_most_is_supported() -> None:
    program = (
        "def f(x):\n  return x + 1\nfor i in range(2):\n  print(f'{sum([f(i)])} {round(1.5)}')"
    )
    assert evaluate_program(program).error == ""
