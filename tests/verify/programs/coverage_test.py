"""The list of what is unsupported agrees with what the evaluator does."""

from __future__ import annotations

import pytest

from rft_jax.verify.programs.coverage import supported_modules, unsupported_parts
from rft_jax.verify.programs.run import evaluate_program


@pytest.mark.parametrize("name", unsupported_parts()["built-in names"])
def test_a_listed_name_is_unsupported_or_unknown(name: str) -> None:
    assert evaluate_program(f"x = {name}").error in ("unsupported", "name")


@pytest.mark.parametrize("name", unsupported_parts()["methods of str"])
def test_a_listed_method_is_unsupported(name: str) -> None:
    assert evaluate_program(f"x = 'a'.{name}()").error == "unsupported"


@pytest.mark.parametrize("module", supported_modules())
def test_a_module_that_is_not_listed_can_be_imported(module: str) -> None:
    assert evaluate_program(f"import {module}").error == ""


def test_the_parts_that_models_use_most_are_not_listed() -> None:
    listed = unsupported_parts()
    assert {"ClassDef", "With", "Match"} <= set(listed["statements"])
    assert not {"For", "FunctionDef", "Import"} & set(listed["statements"])
    assert not {"BinOp", "ListComp", "JoinedStr"} & set(listed["expressions"])
    assert not {"print", "sum", "range", "round"} & set(listed["built-in names"])
