"""The split of a question: a function of its text alone.

So no two splits share a question, for any seeds and sizes.
"""

from __future__ import annotations

import hashlib

SPLITS = ("pretrain", "train", "dev", "test")
_BUCKETS = ("pretrain",) * 7 + ("train", "dev", "test")


def split_of(question: str) -> str:
    """The split of a question: seven tenths are for pretraining, a tenth for each other split."""
    digest = hashlib.sha256(question.encode()).digest()
    return _BUCKETS[int.from_bytes(digest[-8:], "big") % len(_BUCKETS)]
