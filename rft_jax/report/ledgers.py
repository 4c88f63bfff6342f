"""What collecting left, in one pass over the ledger: verdicts, distinct paths, samples to look at."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rft_jax.jsonl import read_rows
from rft_jax.records import LedgerRow

# How many of n samples of a problem have a key: the distinct count needs no more of the key.
KeyCounts = Counter[tuple[int, int]]


@dataclass
class LedgerSummary:
    """Counts over one collect folder, and the rows drawn to be looked at.

    Attributes:
      verdicts: model -> verdict -> samples.
      key_counts: model -> (samples of the problem, right samples with one key) -> how many keys.
      problems: model -> problems sampled.
      most_samples: model -> the most samples a problem has.
      drawn: verdict -> rows, in order of the draw.
    """

    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    key_counts: dict[str, KeyCounts] = field(default_factory=lambda: defaultdict(Counter))
    problems: Counter[str] = field(default_factory=Counter)
    most_samples: Counter[str] = field(default_factory=Counter)
    drawn: dict[str, list[LedgerRow]] = field(default_factory=dict)


def read_ledger(folder: Path) -> Iterator[LedgerRow]:
    """The rows of a collect folder's ledger."""
    for _, row in read_rows(folder / "ledger.jsonl"):
        yield LedgerRow(
            row["id"], row["sample"], row["model"], row["verdict"], row.get("key"), row["kept"]
        )


def summarise_ledger(folder: Path, drawn_per_verdict: int = 0, seed: int = 0) -> LedgerSummary:
    """Reads a ledger once.

    Args:
      drawn_per_verdict: how many rows of each verdict are kept to be looked at; which ones depends
        on the seed and the rows alone, not on their order.
    """
    summary = LedgerSummary()
    keys: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    sampled: Counter[tuple[str, str]] = Counter()
    heaps: dict[str, list[tuple[int, int, LedgerRow]]] = defaultdict(list)
    for number, row in enumerate(read_ledger(folder)):
        summary.verdicts[row.model][row.verdict] += 1
        sampled[row.model, row.id] += 1
        if row.verdict == "correct" and row.key is not None:
            keys[row.model, row.id][row.key] += 1
        if drawn_per_verdict:
            _push(heaps[row.verdict], (-_draw(row, seed), -number, row), drawn_per_verdict)
    for (model, problem), n in sampled.items():
        summary.problems[model] += 1
        summary.most_samples[model] = max(summary.most_samples[model], n)
        for count in keys[model, problem].values():
            summary.key_counts[model][n, count] += 1
    summary.drawn = {
        verdict: [row for *_, row in sorted(heap, reverse=True)] for verdict, heap in heaps.items()
    }
    return summary


def _draw(row: LedgerRow, seed: int) -> int:
    text = f"{seed}\0{row.model}\0{row.id}\0{row.sample}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


def _push(
    heap: list[tuple[int, int, LedgerRow]], item: tuple[int, int, LedgerRow], size: int
) -> None:
    """Keeps the `size` largest items."""
    if len(heap) < size:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)


def distinct_at_k(key_counts: KeyCounts, problems: int, k: int) -> float:
    """Distinct right paths a problem found by k samples, on average over all k-subsets.

    A key that c of n samples have is in a share 1 - C(n-c, k) / C(n, k) of the subsets; problems
    with fewer than k samples count with all they have.
    """
    total = 0.0
    for (n, count), keys in key_counts.items():
        drawn = min(k, n)
        total += keys * (1 - math.comb(n - count, drawn) / math.comb(n, drawn))
    return total / problems if problems else 0.0


def ks_up_to(n: int) -> list[int]:
    """1, 2, 4, … and n itself."""
    return sorted({2**i for i in range(n.bit_length()) if 2**i <= n} | {n}) if n > 0 else []


def kept_per_problem(folder: Path) -> Counter[int]:
    """How many problems have 0, 1, 2, … kept sampled paths, from `paths.jsonl`."""
    kept: Counter[str] = Counter()
    for _, row in read_rows(folder / "paths.jsonl"):
        kept[row["id"]] += row.get("origin") == "sampled"
    return Counter(kept.values())


def questions(folder: Path, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Question and human path of problems, from `paths.jsonl`."""
    wanted = set(ids)
    return {
        row["id"]: (row["query"], row["response"])
        for _, row in read_rows(folder / "paths.jsonl")
        if row["id"] in wanted and row.get("origin") == "human"
    }
