"""A pool of worker processes, and the number of CPU cores."""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TypeVar

from rft_jax.errors import UserError
from rft_jax.workers.child import Child

Item = TypeVar("Item")
# Batches per worker, in progress and queued: with one queued it never waits for this process.
_BATCHES_PER_WORKER = 2
# Batches per process that are read ahead of the oldest unfinished one.
_AHEAD = 6


class Pool:
    """Worker processes that answer requests.

    Args:
      factory: a module-level function; each process calls it once, and what it returns answers.
      arguments: of the factory; they must pickle.
      workers: how many processes.
      replies: format of the replies, see `Child`.
    """

    def __init__(
        self,
        factory: Callable[..., Callable[[Any], Any]],
        arguments: Sequence[Any] = (),
        workers: int = 1,
        replies: str = "json",
    ) -> None:
        name = f"{factory.__module__}:{factory.__qualname__}"
        self._selector = selectors.DefaultSelector()
        self._tickets: dict[Child, deque[Any]] = {}  # of the requests that each has, in order
        for _ in range(workers):
            child = Child(name, *arguments, replies=replies)
            self._tickets[child] = deque()
            self._selector.register(child, selectors.EVENT_READ)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return any(self._tickets.values())

    def has_worker_with_fewer(self, requests: int) -> bool:
        """Whether some worker has fewer requests than this."""
        return any(len(tickets) < requests for tickets in self._tickets.values())

    def submit(self, ticket: Any, request: Any) -> None:
        """Hands a request to the worker that has the fewest; its answer comes with the ticket."""
        child = min(self._tickets, key=lambda child: len(self._tickets[child]))
        child.send(request)
        self._tickets[child].append(ticket)

    def answers(self, wait: bool) -> list[tuple[Any, Any]]:
        """The (ticket, answer) pairs that have come.

        Args:
          wait: waits for the first one, if any is still to come.

        Raises:
          ChildDiedError: a worker was killed.
        """
        timeout = None if wait and self.is_busy else 0
        ready: list[Any] = [key.fileobj for key, _ in self._selector.select(timeout)]
        return [(self._tickets[child].popleft(), child.receive()) for child in ready]

    def close(self) -> None:
        """Ends the processes."""
        self._selector.close()
        for child in self._tickets:
            child.close()


def batches_of(
    items: Iterable[Item], size: Callable[[Item], int], enough: int
) -> Iterator[list[Item]]:
    """The items in batches; one ends with the item that fills it, whatever the number of workers.

    Args:
      size: of an item.
      enough: the size at which a batch is full.
    """
    batch: list[Item] = []
    total = 0
    for item in items:
        batch.append(item)
        total += size(item)
        if total >= enough:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def map_in_order(
    factory: Callable[..., Callable[[Any], Any]],
    arguments: Sequence[Any],
    batches: Iterable[Any],
    workers: int,
) -> Generator[Any, None, None]:
    """Yields `factory(*arguments)(batch)` for each batch, in order.

    Args:
      factory: a module-level function; each process calls it once. What it returns is closed in
        this process, if it has `close`.
      arguments: of the factory; they must pickle.
      batches: the work, in order; a few batches per process are in memory at a time.
      workers: number of processes, this one included: it works when the others have enough.

    Raises:
      ChildDiedError: a worker was killed.
      UserError: the first batch's that has one, in whichever process.
    """
    work = _Guarded(factory, *arguments)
    pool = Pool(_Guarded, (factory, *arguments), workers - 1, replies="pickle")
    with closing(work), closing(pool):
        for result in _in_order(work, pool, batches, _AHEAD * max(workers, 1)):
            if isinstance(result, _Mistake):
                raise UserError(result.message)
            yield result


class _Mistake(NamedTuple):
    message: str


class _Guarded:
    """Does batches, and returns a user's mistake instead of ending the process."""

    def __init__(self, factory: Callable[..., Callable[[Any], Any]], *arguments: Any) -> None:
        self._work = factory(*arguments)

    def __call__(self, batch: Any) -> Any:
        try:
            return self._work(batch)
        except UserError as error:
            return _Mistake(str(error))

    def close(self) -> None:
        getattr(self._work, "close", lambda: None)()


def _in_order(
    work: Callable[[Any], Any], pool: Pool, batches: Iterable[Any], ahead: int
) -> Iterator[Any]:
    """Gives batches to workers that have few, does the others here; at most `ahead` unfinished."""
    finished: dict[int, Any] = {}
    following = 0  # the number of the next batch to yield

    def in_order(wait: bool) -> Iterator[Any]:
        nonlocal following
        finished.update(pool.answers(wait))
        while following in finished:
            yield finished.pop(following)
            following += 1

    count = 0
    for number, batch in enumerate(batches):
        count = number + 1
        if pool.has_worker_with_fewer(_BATCHES_PER_WORKER):
            pool.submit(number, batch)
        else:
            finished[number] = work(batch)
        yield from in_order(wait=False)
        while count - following >= ahead:
            yield from in_order(wait=True)
    while following < count:
        yield from in_order(wait=True)


def cpu_cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
