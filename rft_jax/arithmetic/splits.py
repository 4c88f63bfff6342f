"""The splits: which expressions are in which, and what is beyond training in the others.

An expression's bucket is a function of its text alone and a split takes expressions of one bucket,
so splits of different buckets share no expression, for any seeds, sizes and settings.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_BUCKETS = ("train",) * 8 + ("dev", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """What makes a split.

    Attributes:
      bucket: of its expressions.
      size: its number of lines unless another is given; 0 for text that is bounded by tokens.
      beyond: of what its lines have more than those of other splits: 'digits', 'operations' or
        'brackets'; '' for nothing.
    """

    bucket: str
    size: int
    beyond: str = ""


SPLITS = {
    "pretrain": Split("train", 0),
    "train": Split("train", 10_000),
    "dev": Split("dev", 1000),
    "test": Split("test", 2000),
    "test-digits": Split("test", 2000, "digits"),
    "test-operations": Split("test", 2000, "operations"),
    "test-brackets": Split("test", 2000, "brackets"),
}
PROBLEM_SPLITS = tuple(name for name, split in SPLITS.items() if split.size)
"""The splits of problems: `arithmetic:NAME`."""


def bucket_of(expression: str) -> str:
    """The bucket of an expression: eight tenths are for training, a tenth each for dev and test."""
    digest = hashlib.blake2b(expression.encode(), digest_size=8).digest()
    return _BUCKETS[int.from_bytes(digest, "big") % len(_BUCKETS)]
