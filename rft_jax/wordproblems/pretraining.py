"""The pretraining text: arithmetic, worked problems of 1 to 3 operations, unsolved problems.

Rows are `query` and `response`, trained with the template `none`: the query is read, the response
and its end are learned. A worked row reads as fine-tuning will show it. All questions are of the
split `pretrain`, so none is a train, dev or test question; no worked problem has 4 operations.
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
    """`{"query", "response"}` rows in a mixed order that a shorter run shares.

    Args:
      seed: determines the rows.
      tokens: ends after the row with which this many tokens are reached (queries, responses and
        a token for each end). Without `tokens` and `size` the rows never end.
      size: ends after so many rows.
    """
    return islice(_mixed_rows(seed, tokens), size)


def _mixed_rows(seed: int, tokens: int | None) -> Iterator[Row]:
    """Always goes on with the kind that is furthest behind its share."""
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
