"""The pretraining text: arithmetic, worked problems of 1 to 3 operations, unsolved problems.

Rows are `query` and `response`, trained with the template `none`: the loss is on the response and
its end token. A worked row has the format of fine-tuning. All questions are of the split
`pretrain`, so none is a train, dev or test question; no worked problem has 4 operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from rft_jax.prompts import TEMPLATES
from rft_jax.wordproblems.arithmetic import drill
from rft_jax.wordproblems.cast import StoryRandom
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
    sources = {
        "arithmetic": _arithmetic(seed),
        "worked": _worked(seed),
        "unsolved": _unsolved(seed),
    }
    return islice(interleave(sources, SHARES, count_tokens, tokens), size)


def interleave(
    sources: Mapping[str, Iterator[tuple[str, str]]],
    shares: Mapping[str, float],
    count: Callable[[str, str], int],
    tokens: int | None,
) -> Iterator[Row]:
    """The next row is always of the kind that is furthest below its share of the tokens.

    Args:
      sources: queries and responses, by kind.
      shares: each kind's share of the tokens.
      count: the number of tokens of a query and a response.
      tokens: ends after the row that reaches this many; None: never.
    """
    spent = dict.fromkeys(shares, 0)
    while tokens is None or sum(spent.values()) < tokens:
        kind = min(shares, key=lambda k: spent[k] / shares[k])
        query, response = next(sources[kind])
        spent[kind] += count(query, response)
        yield {"query": query, "response": response}


def _arithmetic(seed: int) -> Iterator[tuple[str, str]]:
    rng = StoryRandom(f"wordproblems/arithmetic/{seed}")
    while True:
        yield drill(rng)


def _worked(seed: int) -> Iterator[tuple[str, str]]:
    template = TEMPLATES["plain"]
    for story in draw_stories("pretrain", seed, WORKED_OPERATIONS, stream="worked"):
        yield template.render(story.question), story.reference


def _unsolved(seed: int) -> Iterator[tuple[str, str]]:
    for story in draw_stories("pretrain", seed, UNSOLVED_OPERATIONS, stream="unsolved"):
        yield "", story.question
