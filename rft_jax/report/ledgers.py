"""Drawing samples to look at from a ledger, and what is needed to explain them."""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from rft_jax.files.jsonl import read_rows
from rft_jax.records import LedgerRow, read_paths


def read_ledger(folder: Path) -> Iterator[LedgerRow]:
    """The rows of a collect folder's ledger."""
    for _, row in read_rows(folder / "ledger.jsonl"):
        yield LedgerRow(
            row["id"], row["sample"], row["model"], row["verdict"], row.get("key"), row["kept"]
        )


def draw_rows(folder: Path, per_verdict: int, seed: int) -> dict[str, list[LedgerRow]]:
    """Up to `per_verdict` ledger rows of each verdict, in the order drawn, in one pass.

    Which ones depends on the seed and the rows alone, not on their order in the file.
    """
    heaps: dict[str, list[tuple[int, int, LedgerRow]]] = defaultdict(list)
    for number, row in enumerate(read_ledger(folder) if per_verdict else ()):
        heap, item = heaps[row.verdict], (draw_order(row, seed), -number, row)
        if len(heap) < per_verdict:
            heapq.heappush(heap, item)
        elif item > heap[0]:
            heapq.heapreplace(heap, item)
    return {
        verdict: [row for *_, row in sorted(heap, reverse=True)] for verdict, heap in heaps.items()
    }


def draw_order(row: LedgerRow, seed: int) -> int:
    """A number by which rows are drawn, largest first."""
    text = f"{seed}\0{row.model}\0{row.id}\0{row.sample}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


def read_questions(folder: Path, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Question and human path of problems, from a collect folder's `paths.jsonl`."""
    wanted = set(ids)
    return {
        path.id: (path.query, path.response)
        for _, path in read_paths(folder / "paths.jsonl")
        if path.id in wanted and path.origin == "human"
    }
