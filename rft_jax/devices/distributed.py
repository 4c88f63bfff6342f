"""Several processes that compute as one: joined by the environment, agreeing on files and SIGTERM.

A launcher starts the same command in every process; `initialize` joins them. Process 0 alone holds
the output folder and writes into it, beside the shards of checkpoints and samples, which every
process writes its own of: the folder has to be on a disk that all of them see, or at a URL, of
which each has a copy that becomes like the others' wherever they wait for each other.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from rft_jax.devices.cluster import cluster_arguments, has_tpu
from rft_jax.errors import UserError
from rft_jax.files.outputs import OutputFolder, open_output
from rft_jax.files.remote import refresh_outputs, send_outputs

_REFUSED, _OPEN, _COMPLETE = range(3)
# How long one process waits for the slowest; one that has died is found out in a minute or two.
_PATIENCE_SECONDS = 6 * 3600
# A process that ends with an error waits so long for the others to end too.
_SHUTDOWN_SECONDS = 20
_barriers = itertools.count()


def initialize() -> None:
    """Joins the other processes of this run, if there are any; before JAX is first used.

    Raises:
      UserError: the environment names some of what is needed and not the rest.
    """
    arguments = cluster_arguments(os.environ, has_tpu())
    if arguments is not None and not jax.distributed.is_initialized():
        jax.distributed.initialize(**arguments, shutdown_timeout_seconds=_SHUTDOWN_SECONDS)


def end_soon(code: int) -> None:
    """Ends a failed process with its own exit code, should the others not end with it.

    Left to itself it would wait for them, and then be aborted by JAX.
    """
    if jax.distributed.is_initialized():
        timer = threading.Timer(_SHUTDOWN_SECONDS / 2, os._exit, [code])
        timer.daemon = True
        timer.start()


def is_main() -> bool:
    """Whether this process is the one that writes and reports."""
    return jax.process_index() == 0


def wait_for_all(what: str) -> None:
    """Returns once every process has come here; all must make the same calls.

    A wait of hours is no matter: unlike a collective it holds no device.

    Raises:
      RuntimeError: a process did not come in six hours, or has died; names it.
    """
    if jax.process_count() > 1:
        name = f"{what} ({next(_barriers)})"
        everyone = set(range(jax.process_count()))
        send_outputs()
        ocp.multihost.sync_global_processes(name, timeout=_PATIENCE_SECONDS, processes=everyone)
        refresh_outputs()


def on_main(work: Callable[[], None], what: str) -> None:
    """Process 0 does some work while the others wait.

    Raises:
      UserError: in every process, when the work has raised it.
    """
    error: UserError | None = None
    if is_main():
        try:
            work()
        except UserError as found:
            error = found
    wait_for_all(what)
    failed = np.int32(error is not None)
    if jax.process_count() > 1:
        failed = multihost_utils.broadcast_one_to_all(failed)
    if failed:
        raise error or UserError(f"{what}: failed in process 0, whose message says why")


@dataclass(frozen=True)
class _Followed(OutputFolder):
    """A folder that process 0 holds, as the others see it."""

    finished: bool

    @property
    def is_complete(self) -> bool:
        return self.finished

    def commit(self) -> None:
        """Process 0's to do."""


@contextmanager
def open_shared_output(path: str | Path, settings: Mapping[str, Any]) -> Iterator[OutputFolder]:
    """`open_output` by process 0 for all processes.

    Raises:
      UserError: as `open_output`, in every process.
    """
    if jax.process_count() == 1:
        with open_output(path, settings) as folder:
            yield folder
        return
    with ExitStack() as held:
        error: UserError | None = None
        state = _REFUSED
        if is_main():
            try:
                folder = held.enter_context(open_output(path, settings))
                state = _COMPLETE if folder.is_complete else _OPEN
            except UserError as refusal:
                error = refusal
        state = int(multihost_utils.broadcast_one_to_all(np.int32(state)))
        if state == _REFUSED:
            raise error or UserError(f"{path}: refused to process 0, whose message says why")
        yield folder if is_main() else _Followed(Path(path), state == _COMPLETE)


@contextmanager
def stop_flag() -> Iterator[Callable[[int], bool]]:
    """Within the block SIGTERM does not end the process, and the function says if it is time to.

    It is asked after every step, with the step's number; all processes get the same answers,
    whichever of them the signal came to.
    """
    if jax.process_count() > 1:  # JAX catches the signal itself then, and spreads the news
        yield multihost_utils.reached_preemption_sync_point
        return
    with sigterm_flag() as came:
        yield lambda _step: came()


@contextmanager
def sigterm_flag() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM, which clusters send before they take a machine away, sets a flag.

    Yields:
      A function that says whether the signal has arrived; the process is not ended by it.
    """
    came = False

    def remember(_signal: int, _frame: Any) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGTERM, remember)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)
