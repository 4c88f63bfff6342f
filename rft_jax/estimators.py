"""The unbiased estimator of pass@k, which collecting and evaluation share."""

from __future__ import annotations

import math
from functools import lru_cache


@lru_cache(maxsize=65_536)
def pass_at_k(correct: int, n: int, k: int) -> float:
    """The share of k-subsets of n samples that have one of the `correct` ones, in [0, 1].

    It is 1 - C(n - correct, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374, section 2.1).

    Raises:
      ValueError: k is not between 1 and n.
    """
    check_k(k, n)
    return 1.0 - math.comb(n - correct, k) / math.comb(n, k)


def check_k(k: int, n: int) -> None:
    """Refuses a number of samples that cannot be chosen among n.

    Raises:
      ValueError: k is not between 1 and n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"k = {k} is not between 1 and the number of samples {n}")
