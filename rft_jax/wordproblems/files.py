"""The embedded data as JSONL files."""

from __future__ import annotations

from pathlib import Path

from rft_jax.arithmetic.files import check_bounds
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
    is_text = split in PRETRAINING
    check_bounds(split, (*PRETRAINING, *PROBLEM_SPLITS), is_text, size, tokens)
    if is_text:
        if form != "text":
            raise UserError(f"form is {form!r}: split {split} has its forms already")
        return write_rows(output, PRETRAINING[split](seed, tokens, size))
    stories = generate_stories(split, size or SPLITS[split].size, seed)
    return write_rows(output, (to_row(story.problem(form)) for story in stories))
