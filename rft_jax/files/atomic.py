"""Files that appear under their names only once they are whole.

A file is written under a hidden temporary name beside its own, and renamed. The temporary file is
locked while it is written, so one that nobody locks was left by a killed process.
"""

from __future__ import annotations

import glob
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from rft_jax.files.locks import LocksUnsupported, try_lock

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{1,8}\.tmp", re.DOTALL)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` when the block ends without an error.

    Its bytes are on disk before the rename, so a crash leaves the old file or the whole new one.
    Temporary files that killed processes left for `path` are removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent.glob(f".{glob.escape(path.name)}.*.tmp"))
    temporary, file = _create(path)
    with file:
        try:
            yield temporary
            os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Removes those temporary files that no process is writing."""
    for path in paths:
        if _TEMPORARY.fullmatch(path.name):
            with suppress(OSError), open(path, "r+b") as file:
                if try_lock(file):
                    path.unlink()


def _create(path: Path) -> tuple[Path, IO[bytes]]:
    """A new temporary file for `path`, locked where the file system locks files.

    Raises:
      OSError: it cannot be created; names `path`.
    """
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            file = open(temporary, "x+b")  # noqa: SIM115  the caller closes it
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        with suppress(LocksUnsupported):
            try_lock(file)
        if temporary.exists():
            return temporary, file
        file.close()  # another writer took it for a leftover before it was locked
