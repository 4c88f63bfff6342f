"""Pretraining text for small models: worked problems in pairs, lines of arithmetic, both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rft_jax.arithmetic.files import pretraining_rows as pretraining_lines
from rft_jax.derive.inputs import Inputs
from rft_jax.derive.problems import BETWEEN
from rft_jax.derive.steps import expanded
from rft_jax.errors import UserError
from rft_jax.prompts import TEMPLATES
from rft_jax.wordproblems.mixed_pretraining import draw_mixed_stories, drills
from rft_jax.wordproblems.pretraining import (
    SHARES,
    UNSOLVED_OPERATIONS,
    WORKED_OPERATIONS,
    interleave,
    pretraining_rows,
)
from rft_jax.wordproblems.vocabulary import count_tokens

FORMS = ("direct", "steps")
"""How calculations with several operations are written: their results alone, or every step."""
_STORIES = ("pretrain",) * 3 + ("pretrain-large",)


def arithmetic(inputs: Inputs) -> Iterator[dict[str, Any]]:
    """Lines of arithmetic with `count` tokens, to pretrain on; those of all forms are the same."""
    return pretraining_lines(inputs.seed, inputs.arithmetic, inputs.form, _tokens(inputs), None)


def one_shot_text(inputs: Inputs) -> Iterator[dict[str, Any]]:
    """The embedded pretraining text of `count` tokens; worked problems are one-shot examples."""
    before: dict[str, str] | None = None
    for row in pretraining_rows(inputs.seed, _tokens(inputs)):
        if "####" not in row["response"]:
            yield row
        elif before is None:
            before = row
        else:
            front = f"{before['query']}{before['response']}{BETWEEN}"
            yield {"query": front + row["query"], "response": row["response"]}
            before = None


def words(inputs: Inputs) -> Iterator[dict[str, Any]]:
    """Worked and unsolved problems of `count` tokens, on ordinary and on large numbers."""
    return _words(inputs, {"worked": 1 - SHARES["unsolved"], "unsolved": SHARES["unsolved"]})


def words_and_arithmetic(inputs: Inputs) -> Iterator[dict[str, Any]]:
    """The same with equations in the place of half of the worked problems."""
    return _words(inputs, SHARES)


def _words(inputs: Inputs, shares: dict[str, float]) -> Iterator[dict[str, Any]]:
    if inputs.form not in FORMS:
        raise UserError(f"--form {inputs.form}: calculations in problems are direct or steps")
    has_steps = inputs.form == "steps"
    sources = {
        "arithmetic": _equations(inputs.seed, has_steps),
        "worked": _worked(inputs.seed, has_steps),
        "unsolved": _unsolved(inputs.seed),
    }
    return interleave(sources, shares, count_tokens, _tokens(inputs))


def _equations(seed: int, has_steps: bool) -> Iterator[tuple[str, str]]:
    for query, response in drills(seed):
        if has_steps:
            chain = expanded(query + response)
            query = chain[: chain.index("=") + 1]
            response = chain.removeprefix(query)
        yield query, response


def _worked(seed: int, has_steps: bool) -> Iterator[tuple[str, str]]:
    for story in draw_mixed_stories(seed, WORKED_OPERATIONS, "worked", _STORIES):
        solution = expanded(story.reference) if has_steps else story.reference
        yield TEMPLATES["plain"].render(story.question), solution


def _unsolved(seed: int) -> Iterator[tuple[str, str]]:
    for story in draw_mixed_stories(seed, UNSOLVED_OPERATIONS, "unsolved", _STORIES):
        yield "", story.question


def _tokens(inputs: Inputs) -> int:
    """The number of tokens.

    Raises:
      UserError: it is below 1.
    """
    if inputs.count < 1:
        raise UserError(f"--count {inputs.count}: the number of tokens is needed, at least 1")
    return inputs.count
