"""Several processes that compute as one: they join, wait for each other and stop together.

A launcher starts the same command in every process; `initialize` joins them. Process 0 holds the
output folder and writes into it; every process writes its own shards of checkpoints and samples.
The folder is on a disk that all of them see, or at a URL: each process has a local copy then, and
`wait_for_all` synchronises the copies.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from rft_jax.devices.cluster import cluster_arguments, has_tpu
from rft_jax.errors import UserError
from rft_jax.files.outputs import OutputFolder, open_output
from rft_jax.files.remote import refresh_output, send_output
from rft_jax.signals import sigterm_flag

# How long a process waits at the start for the others, which may still read their inputs.
_START_SECONDS = 900
# How long a process waits for the slowest one.
_WAIT_SECONDS = 6 * 3600
# After so long without a sign of a process JAX aborts the others (SIGABRT), naming it.
_SILENCE_SECONDS = 30
# How long a process that ends waits for the others to end too.
_SHUTDOWN_SECONDS = 20
_barriers = itertools.count()


def initialize() -> None:
    """Joins the other processes of this command, if there are any; before JAX is first used.

    Raises:
      UserError: some of the variables that describe the processes are set, and not the rest.
    """
    arguments = cluster_arguments(os.environ, has_tpu())
    if arguments is not None and not jax.distributed.is_initialized():
        jax.distributed.initialize(
            **arguments,
            initialization_timeout=_START_SECONDS,
            heartbeat_timeout_seconds=_SILENCE_SECONDS,
            shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
        )


def end_soon(code: int) -> None:
    """Ends a failed process with its own exit code if the others don't end soon.

    Otherwise it would wait for them until JAX aborts it.
    """
    if jax.distributed.is_initialized():
        timer = threading.Timer(_SHUTDOWN_SECONDS / 2, os._exit, [code])
        timer.daemon = True
        timer.start()


def is_main() -> bool:
    """Whether this is process 0, which writes and prints."""
    return jax.process_index() == 0


def wait_for_all(what: str, folder: Path) -> None:
    """Returns once every process has called this; all must make the same calls.

    Waiting for hours is fine: unlike a collective, this barrier occupies no device.

    Args:
      what: name of the barrier, for error messages.
      folder: the command's output; where it is a copy of a URL, every process then has what the
        others have written into theirs.

    Raises:
      RuntimeError: a process did not arrive in six hours; names it.
    """
    if jax.process_count() > 1:
        from orbax.checkpoint import multihost  # not where one process computes: it loads slowly

        name = f"{what} ({next(_barriers)})"
        everyone = set(range(jax.process_count()))
        send_output(folder)
        multihost.sync_global_processes(name, timeout=_WAIT_SECONDS, processes=everyone)
        refresh_output(folder)


def on_main(work: Callable[[], None], what: str, folder: Path) -> None:
    """Process 0 does some work while the others wait.

    Args:
      what: name of the work, for error messages.
      folder: the command's output, as `wait_for_all` takes it.

    Raises:
      UserError: in every process, if the work raised it.
    """
    error: UserError | None = None
    if is_main():
        try:
            work()
        except UserError as raised:
            error = raised
    wait_for_all(what, folder)
    if _of_main(error is not None):
        raise error or UserError(f"{what}: failed in process 0, whose message says why")


def _of_main(flag: bool) -> bool:
    """Process 0's flag, in every process."""
    return bool(of_main(np.array(flag)))


def of_main(values: np.ndarray) -> np.ndarray:
    """Process 0's values in every process, bit by bit; all give an array of that shape and type.

    As bytes: JAX would round float64 to float32 on the way.
    """
    if jax.process_count() == 1:
        return values
    sent = np.frombuffer(values.tobytes(), np.uint8)
    received = np.asarray(multihost_utils.broadcast_one_to_all(sent))
    return np.frombuffer(received.tobytes(), values.dtype).reshape(values.shape)


@dataclass(frozen=True)
class _SharedFolder(OutputFolder):
    """A folder that process 0 holds, as the other processes see it."""

    finished: bool

    @property
    def is_complete(self) -> bool:
        return self.finished

    def commit(self) -> None:
        """Does nothing: process 0 marks the folder finished."""


@contextmanager
def open_shared_output(
    path: str | Path,
    settings: Callable[[], Mapping[str, Any]],
    config_text: str = "",
    **others: Any,
) -> Iterator[OutputFolder]:
    """`open_output` by process 0 for all processes.

    Args:
      path, config_text, others: as `open_output` takes them.
      settings: the same; called by process 0 alone, as it may read gigabytes of inputs.

    Raises:
      UserError: as `open_output`, in every process.
    """
    folder: OutputFolder = _SharedFolder(Path(path), False)
    with ExitStack() as held:

        def open_it() -> None:
            nonlocal folder
            folder = held.enter_context(open_output(path, settings(), config_text, **others))

        on_main(open_it, "opening the output", Path(path))
        is_complete = _of_main(folder.is_complete)
        yield folder if is_main() else _SharedFolder(Path(path), is_complete)


@contextmanager
def stop_flag() -> Iterator[Callable[[int], bool]]:
    """Within the block SIGTERM does not end the process but sets a flag.

    Yields:
      A function of the step's number, to call after every step, that says whether to stop. All
      processes get the same answer, whichever of them the signal reached.
    """
    if jax.process_count() > 1:  # JAX handles the signal itself then, in all processes
        yield multihost_utils.reached_preemption_sync_point
        return
    with sigterm_flag() as arrived:
        yield lambda _step: arrived()
