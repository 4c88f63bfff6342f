"""The pretraining text of the second embedded model: half text, half programs.

Text is the first model's (arithmetic and worked problems); programs are solutions of the same kind
of problems. Both come alone and behind another worked problem of the same form, as in a few-shot
prompt; a tenth of the tokens are unsolved problems. Amounts are ordinary or up to 9,999, and some
answers are names. As in the first model's text, all questions are of the split `pretrain` and no
worked problem has more than three operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from rft_jax.prompts import PROGRAM_SUFFIX, get_template
from rft_jax.wordproblems.arithmetic import drill
from rft_jax.wordproblems.cast import StoryRandom
from rft_jax.wordproblems.generator import Story, draw_stories
from rft_jax.wordproblems.mixed_vocabulary import count_tokens
from rft_jax.wordproblems.pretraining import UNSOLVED_OPERATIONS, WORKED_OPERATIONS, Row, interleave

SHARES = {
    "arithmetic": 0.25,
    "text": 0.16,
    "text_pairs": 0.04,
    "programs": 0.36,
    "program_pairs": 0.09,
    "unsolved": 0.10,
}
"""Shares of the tokens."""
STORIES = ("pretrain",) * 3 + ("pretrain-large", "pretrain-names")
"""Splits that stories are from, equally often."""
DRILL_SCALES = (1, 1, 1, 10, 101)
BETWEEN = "\n\n"
"""The separator after the first problem of a pair, as in few-shot prompts."""


def mixed_pretraining_rows(
    seed: int, tokens: int | None = None, size: int | None = None
) -> Iterator[Row]:
    """`{"query", "response"}` rows; fewer rows are the first of them.

    Args:
      seed: determines the rows.
      tokens: ends after the row that reaches this many tokens (queries, responses and a token for
        each end). Without `tokens` and `size` the rows never end.
      size: ends after this many rows.
    """
    sources = {
        "arithmetic": drills(seed),
        "text": _worked(seed, "text"),
        "text_pairs": _pairs(seed, "text"),
        "programs": _worked(seed, "programs"),
        "program_pairs": _pairs(seed, "programs"),
        "unsolved": _unsolved(seed),
    }
    return islice(interleave(sources, SHARES, count_tokens, tokens), size)


def drills(seed: int) -> Iterator[tuple[str, str]]:
    """Equations on ordinary and larger numbers, up to their `=`, and their results."""
    name = f"wordproblems/mixed/arithmetic/{seed}"
    choice = StoryRandom(name)
    streams = {scale: StoryRandom(f"{name}/{scale}", scale) for scale in DRILL_SCALES}
    while True:
        yield drill(streams[choice.choice(DRILL_SCALES)])


def _worked(seed: int, form: str) -> Iterator[tuple[str, str]]:
    for question, response in _solved(seed, form, form):
        yield _prompt(question, has_cue=form == "programs"), response


def _pairs(seed: int, form: str) -> Iterator[tuple[str, str]]:
    """Two problems a row; programs with the cue behind both, the second or none."""
    choice = StoryRandom(f"wordproblems/mixed/cues/{seed}")
    solved = _solved(seed, form, f"{form}-pairs")
    for (one, front), (other, response) in zip(solved, solved, strict=False):
        cues = choice.choice((0, 1, 2)) if form == "programs" else 0
        example = f"{_prompt(one, has_cue=cues == 2)}{front}{BETWEEN}"
        yield example + _prompt(other, has_cue=cues > 0), response


def _unsolved(seed: int) -> Iterator[tuple[str, str]]:
    for story in draw_mixed_stories(seed, UNSOLVED_OPERATIONS, "unsolved", STORIES):
        yield "", story.question


def _solved(seed: int, form: str, stream: str) -> Iterator[tuple[str, str]]:
    """Questions with a solution in the form."""
    for story in draw_mixed_stories(seed, WORKED_OPERATIONS, stream, STORIES):
        yield story.question, story.solution("program" if form == "programs" else "text")


def draw_mixed_stories(
    seed: int, operations: tuple[int, ...], stream: str, splits: tuple[str, ...]
) -> Iterator[Story]:
    """Stories of several splits without end, each item of `splits` equally often.

    Args:
      seed: determines the stories, with the name of the stream.
      operations: numbers of operations, equally often.
      stream: name of the random stream.
      splits: names of splits; those that occur twice are twice as frequent.
    """
    choice = StoryRandom(f"wordproblems/mixed/{stream}/{seed}")
    streams = {split: draw_stories(split, seed, operations, f"mixed/{stream}") for split in splits}
    while True:
        yield next(streams[choice.choice(splits)])


def _prompt(question: str, has_cue: bool) -> str:
    return get_template("plain" + PROGRAM_SUFFIX * has_cue).render(question)
