"""A pool of worker processes for batches of work, and the number of CPU cores."""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from rft_jax.workers.child import Child

# Batches per worker, in progress and queued: with one queued it never waits for this process.
_BATCHES_PER_WORKER = 2
# Batches per process that are read ahead of the oldest unfinished one.
_AHEAD = 6


def map_in_order(
    factory: Callable[..., Callable[[Any], Any]],
    arguments: Sequence[Any],
    batches: Iterable[Any],
    workers: int,
) -> Generator[Any, None, None]:
    """Yields `factory(*arguments)(batch)` for each batch, in order.

    Args:
      factory: a module-level function; each process calls it once.
      arguments: of the factory; they must pickle.
      batches: the work, in order; a few batches per process are in memory at a time.
      workers: number of processes, this one included: it works when the others have enough.

    Raises:
      ChildDiedError: a worker was killed.
    """
    name = f"{factory.__module__}:{factory.__qualname__}"
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        waiting: dict[Child, deque[int]] = {}
        for _ in range(workers - 1):
            child = Child(name, *arguments, replies="pickle")
            stack.callback(child.close)
            selector.register(child, selectors.EVENT_READ)
            waiting[child] = deque()
        yield from _run(factory(*arguments), waiting, selector, batches)


def _run(
    work: Callable[[Any], Any],
    waiting: dict[Child, deque[int]],
    selector: selectors.BaseSelector,
    batches: Iterable[Any],
) -> Iterator[Any]:
    """Sends batches to the children with free capacity and does the others here.

    Args:
      waiting: child -> numbers of its unfinished batches, in order.
    """
    finished: dict[int, Any] = {}
    pending: deque[int] = deque()

    def receive(timeout: float | None) -> None:
        for key, _ in selector.select(timeout):
            child: Child = key.fileobj  # type: ignore[assignment]
            finished[waiting[child].popleft()] = child.receive()

    def in_order() -> Iterator[Any]:
        while pending and pending[0] in finished:
            yield finished.pop(pending.popleft())

    for number, batch in enumerate(batches):
        pending.append(number)
        child = min(waiting, key=lambda child: len(waiting[child]), default=None)
        if child and len(waiting[child]) < _BATCHES_PER_WORKER:
            child.send(batch)
            waiting[child].append(number)
        else:
            finished[number] = work(batch)
        receive(timeout=0)
        yield from in_order()
        while len(pending) >= _AHEAD * (len(waiting) + 1):
            receive(timeout=None)
            yield from in_order()
    while pending:
        receive(timeout=None)
        yield from in_order()


def cpu_cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
