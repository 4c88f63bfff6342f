"""Pretraining text for small models, with worked problems in pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rft_jax.arithmetic.files import pretraining_rows as pretraining_lines
from rft_jax.derive.inputs import Inputs
from rft_jax.derive.problems import BETWEEN
from rft_jax.errors import UserError
from rft_jax.wordproblems.pretraining import pretraining_rows


def arithmetic(inputs: Inputs) -> Iterator[dict[str, Any]]:
    """Lines of arithmetic with `count` tokens, to pretrain on; those of all forms are the same."""
    if inputs.count < 1:
        raise UserError(f"--count {inputs.count}: the number of tokens is needed, at least 1")
    return pretraining_lines(inputs.seed, inputs.arithmetic, inputs.form, inputs.count, None)


def one_shot_text(inputs: Inputs) -> Iterator[dict[str, Any]]:
    """The embedded pretraining text of `count` tokens; worked problems are one-shot examples."""
    if inputs.count < 1:
        raise UserError(f"--count {inputs.count}: the number of tokens is needed, at least 1")
    before: dict[str, str] | None = None
    for row in pretraining_rows(inputs.seed, inputs.count):
        if "####" not in row["response"]:
            yield row
        elif before is None:
            before = row
        else:
            front = f"{before['query']}{before['response']}{BETWEEN}"
            yield {"query": front + row["query"], "response": row["response"]}
            before = None
