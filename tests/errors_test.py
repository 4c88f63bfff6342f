"""Exceptions have exit codes, and exit codes their exceptions."""

from __future__ import annotations

import pytest

from rft_jax.errors import Preempted, StageFailed, UserError, error_with


@pytest.mark.parametrize(("code", "kind"), [(2, UserError), (75, Preempted), (3, StageFailed)])
def test_an_exit_code_gives_the_exception_that_has_it(code: int, kind: type) -> None:
    error = error_with(code, "why")
    assert type(error) is kind
    assert (error.exit_code, str(error)) == (code, "why")  # type: ignore[attr-defined]


def test_a_failed_stage_has_exit_code_1_unless_it_has_its_own() -> None:
    assert StageFailed("why").exit_code == 1
