"""Batches through worker processes, results in the batches' order."""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from rft_jax.verify.child import Child

# Batches a worker may hold: one at work, one waiting, so that it never waits for this process.
_BATCHES_PER_WORKER = 2


def map_in_order(
    factory: Callable[..., Callable[[Any], Any]],
    arguments: Sequence[Any],
    batches: Iterable[Any],
    workers: int,
) -> Generator[Any, None, None]:
    """Yields `factory(*arguments)(batch)` for each batch, in order.

    Args:
      factory: a module-level function; each worker calls it once.
      workers: processes besides this one; 0 or 1 works here. No more than a few batches a worker
        are in memory at a time.

    Raises:
      ChildDiedError: a worker was killed.
    """
    if workers <= 1:
        yield from map(factory(*arguments), batches)
        return
    name = f"{factory.__module__}:{factory.__qualname__}"
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        children = [Child(name, *arguments) for _ in range(workers)]
        for child in children:
            stack.callback(child.close)
            selector.register(child, selectors.EVENT_READ)
        yield from _run(children, selector, iter(batches))


def _run(
    children: Sequence[Child], selector: selectors.BaseSelector, batches: Iterator[Any]
) -> Iterator[Any]:
    waiting: dict[Child, deque[int]] = {child: deque() for child in children}
    finished: dict[int, Any] = {}
    sent = done = 0
    window = 2 * _BATCHES_PER_WORKER * len(children)
    more = True
    while True:
        while more and sent - done < window:
            child = min(children, key=lambda child: len(waiting[child]))
            if len(waiting[child]) >= _BATCHES_PER_WORKER:
                break
            batch = next(batches, None)
            if batch is None:
                more = False
                break
            child.send(batch)
            waiting[child].append(sent)
            sent += 1
        while done in finished:
            yield finished.pop(done)
            done += 1
        if done == sent:
            if not more:
                return
            continue
        for key, _ in selector.select():
            child = key.fileobj  # type: ignore[assignment]
            finished[waiting[child].popleft()] = child.receive()


def default_workers() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
