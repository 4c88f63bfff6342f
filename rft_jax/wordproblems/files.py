"""The embedded data as JSONL files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import to_row
from rft_jax.wordproblems.generator import generate_stories
from rft_jax.wordproblems.pretraining import pretraining_rows
from rft_jax.wordproblems.splits import PROBLEM_SPLITS, SPLITS


def write_split(
    split: str,
    output: str | Path,
    size: int | None = None,
    seed: int = 0,
    tokens: int | None = None,
) -> int:
    """Writes a split to `output` (gzip by suffix) atomically; returns the number of rows.

    Args:
      split: one of `SPLITS`: rows `{id, question, answer}`, or `{query, response}` for pretrain.
      output: path of the file.
      size: the number of rows; for problems the split's usual size unless given.
      seed: determines the rows; a smaller size gives the first of them.
      tokens: for pretrain only: ends once the rows have this many tokens.

    Raises:
      UserError: an unknown split, a bound that is missing, not positive or not for this split.
    """
    for name, bound in (("size", size), ("tokens", tokens)):
        if bound is not None and bound < 1:
            raise UserError(f"{name} is {bound}; it must be at least 1")
    written = _Count()
    write_rows(output, written.through(_rows(split, size, seed, tokens)))
    return written.total


def _rows(split: str, size: int | None, seed: int, tokens: int | None) -> Iterator[dict[str, Any]]:
    if split == "pretrain":
        if size is None and tokens is None:
            raise UserError("split pretrain has no end: give a number of tokens, or a size in rows")
        return iter(pretraining_rows(seed, tokens, size))
    if tokens is not None:
        raise UserError(f"tokens is {tokens}: that bounds pretrain only; give split {split} a size")
    if split not in PROBLEM_SPLITS:
        raise UserError(f"unknown split {split!r}: choose {', '.join(SPLITS)}")
    stories = generate_stories(split, size or SPLITS[split].size, seed)
    return (to_row(story.problem()) for story in stories)


class _Count:
    """Counts what passes through."""

    total = 0

    def through(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self.total += 1
            yield row
