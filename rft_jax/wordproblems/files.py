"""The embedded data as JSONL files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import to_row
from rft_jax.wordproblems.generator import generate_stories
from rft_jax.wordproblems.mixed_pretraining import mixed_pretraining_rows
from rft_jax.wordproblems.pretraining import pretraining_rows
from rft_jax.wordproblems.splits import PROBLEM_SPLITS, SPLITS

PRETRAINING = {"pretrain": pretraining_rows, "pretrain-mixed": mixed_pretraining_rows}
"""The texts that the two embedded models were pretrained on."""


def write_split(
    split: str,
    output: str | Path,
    size: int | None = None,
    seed: int = 0,
    tokens: int | None = None,
    form: str = "text",
) -> int:
    """Writes a split to `output` (gzip by suffix) atomically; returns the number of rows.

    Args:
      split: one of `PROBLEM_SPLITS` (rows `{id, question, answer}`) or `PRETRAINING` (`{query,
        response}`).
      output: path of the file.
      size: the number of rows; for problems the split's usual size unless given.
      seed: determines the rows; a smaller size gives the first of them.
      tokens: for pretraining text only: ends once the rows have this many tokens.
      form: of the problems' answers, `text` or `program`.

    Raises:
      UserError: an unknown split, a form or bound that is not for this split, a bound that is
        missing or not positive.
    """
    for name, bound in (("size", size), ("tokens", tokens)):
        if bound is not None and bound < 1:
            raise UserError(f"{name} is {bound}; it must be at least 1")
    return write_rows(output, _rows(split, size, seed, tokens, form))


def _rows(
    split: str, size: int | None, seed: int, tokens: int | None, form: str
) -> Iterator[dict[str, Any]]:
    if split in PRETRAINING:
        if size is None and tokens is None:
            raise UserError(f"split {split} has no end: give a number of tokens, or a size in rows")
        if form != "text":
            raise UserError(f"form is {form!r}: split {split} has its forms already")
        return iter(PRETRAINING[split](seed, tokens, size))
    if tokens is not None:
        raise UserError(f"tokens is {tokens}: that bounds pretrain only; give split {split} a size")
    if split not in PROBLEM_SPLITS:
        known = ", ".join((*PRETRAINING, *PROBLEM_SPLITS))
        raise UserError(f"unknown split {split!r}: choose one of {known}")
    stories = generate_stories(split, size or SPLITS[split].size, seed)
    return (to_row(story.problem(form)) for story in stories)
