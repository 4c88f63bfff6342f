"""The pretraining text: arithmetic, worked problems of 1 to 3 operations, unsolved problems.

Rows are `query` and `response`, trained with the template `none`: the loss is on the response and
its end token. A worked row has the format of fine-tuning. All questions are of the split
`pretrain`, so none is a train, dev or test question; no worked problem has 4 operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

from rft_jax.prompts import TEMPLATES
from rft_jax.wordproblems.arithmetic import drill
from rft_jax.wordproblems.generator import draw_stories
from rft_jax.wordproblems.vocabulary import count_tokens

SHARES = {"arithmetic": 0.45, "worked": 0.45, "unsolved": 0.10}
"""Shares of the tokens."""
WORKED_OPERATIONS = (1, 2, 2, 3, 3)
UNSOLVED_OPERATIONS = (2, 3, 4)

Row = dict[str, str]


def pretraining_rows(
    seed: int, tokens: int | None = None, size: int | None = None
) -> Iterator[Row]:
    """`{"query", "response"}` rows, mixed; fewer rows are the first of them.

    Args:
      seed: determines the rows.
      tokens: ends after the row that reaches this many tokens (queries, responses and a token for
        each end). Without `tokens` and `size` the rows never end.
      size: ends after this many rows.
    """
    return islice(_mixed_rows(seed, tokens), size)


def _mixed_rows(seed: int, tokens: int | None) -> Iterator[Row]:
    """The next row is always of the kind that is furthest below its share."""
    sources = {
        "arithmetic": _arithmetic(seed),
        "worked": _worked(seed),
        "unsolved": _unsolved(seed),
    }
    spent = dict.fromkeys(SHARES, 0)
    while tokens is None or sum(spent.values()) < tokens:
        kind = min(SHARES, key=lambda k: spent[k] / SHARES[k])
        query, response = next(sources[kind])
        spent[kind] += count_tokens(query, response)
        yield {"query": query, "response": response}


def _arithmetic(seed: int) -> Iterator[tuple[str, str]]:
    rng = Random(f"wordproblems/arithmetic/{seed}")
    while True:
        yield drill(rng)


def _worked(seed: int) -> Iterator[tuple[str, str]]:
    template = TEMPLATES["plain"]
    for story in draw_stories("pretrain", seed, WORKED_OPERATIONS, stream="worked"):
        yield template.render(story.question), story.reference


def _unsolved(seed: int) -> Iterator[tuple[str, str]]:
    for story in draw_stories("pretrain", seed, UNSOLVED_OPERATIONS, stream="unsolved"):
        yield "", story.question
