"""The splits: a table, and the bucket of questions that each of them takes.

A question's bucket is a function of its text alone and a split takes questions of one bucket, so
splits of different buckets share no question, for any seeds and sizes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_BUCKETS = ("pretrain",) * 7 + ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """What makes a split.

    Attributes:
      bucket: the bucket of its questions, as `bucket_of` has it.
      size: its number of problems unless another is given; 0 for text that is bounded by tokens.
      half: of the bucket, 0 or 1 (`generator.half_of`), so that the two halves share no question
        either; None for all of it.
      experiments: number of published experiments (docs/results) that were measured on it, so far.
      scale: how many times larger than in an ordinary story amounts may be.
      has_names: whether the answers are names (`who has more?`), else numbers.
      row_tokens: the most tokens of a question with a solution; longer ones are rejected.
    """

    bucket: str
    size: int
    half: int | None = None
    experiments: int = 0
    scale: int = 1
    has_names: bool = False
    row_tokens: int = 144


SPLITS = {
    "pretrain": Split("pretrain", 0),
    "train": Split("train", 1000),
    "dev": Split("dev", 500),
    "test": Split("test", 2000, half=0, experiments=12),
    "test2": Split("test", 4000, half=1, experiments=18),
    "pretrain-large": Split("pretrain", 0, scale=101, row_tokens=192),
    "test-large": Split("test", 2000, scale=101, row_tokens=192),
    "pretrain-names": Split("pretrain", 0, has_names=True),
    "train-names": Split("train", 1000, has_names=True),
    "dev-names": Split("dev", 500, has_names=True),
    "test-names": Split("test", 2000, has_names=True),
}
PROBLEM_SPLITS = tuple(name for name, split in SPLITS.items() if split.size)
"""The splits of problems: `wordproblems:NAME`."""


def bucket_of(question: str) -> str:
    """The bucket of a question: seven tenths are for pretraining, a tenth each for the others."""
    return _BUCKETS[int.from_bytes(_digest(question)[-8:], "big") % len(_BUCKETS)]


def parity_of(question: str) -> int:
    """0 or 1, independent of the bucket."""
    return _digest(question)[0] % 2


def _digest(question: str) -> bytes:
    return hashlib.sha256(question.encode()).digest()
