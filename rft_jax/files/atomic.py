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

from rft_jax.errors import UserError
from rft_jax.files.locks import LocksUnsupported, try_lock

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{1,8}\.tmp", re.DOTALL)


def make_folder(path: Path) -> None:
    """Creates a folder and those above it, unless it is there.

    Raises:
      UserError: it is a link to nothing, or no folder can be created there, as in `/proc`.
      OSError: the system refuses it for another reason; names the path.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        if not path.is_symlink():
            raise
        target = os.readlink(path)
        raise UserError(
            f"{path}: is a link to {target}, which is not a folder; name another path"
        ) from None
    except FileNotFoundError:  # the folder above is there, or was just created
        raise _not_there(path) from None


def _not_there(path: Path) -> UserError:
    return UserError(f"{path}: nothing can be created there; name another path")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` when the block ends without an error.

    Its bytes are on disk before the rename, so a crash leaves the old file or the whole new one.
    Temporary files that killed processes left for `path` are removed.
    """
    make_folder(path.parent)
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
      UserError: the file system creates no files there, as `/proc`.
      OSError: it cannot be created for another reason; names `path`.
    """
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            file = open(temporary, "x+b")  # noqa: SIM115  the caller closes it
        except FileNotFoundError:
            raise _not_there(path) from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        with suppress(LocksUnsupported):
            try_lock(file)
        if temporary.exists():
            return temporary, file
        file.close()  # another writer took it for a leftover before it was locked
