"""Temporary folders of test runs: one a process, and none is left of processes that were killed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def new_run_folder(parent: Path, prefix: str) -> Path:
    """Makes the folder of this process, and removes those of processes that are no more.

    Args:
      parent: where the folders are.
      prefix: of their names; the process id follows.
    """
    for folder in parent.glob(f"{prefix}*"):
        number = folder.name.removeprefix(prefix)
        if number.isdecimal() and not _is_another_alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
    folder = parent / f"{prefix}{os.getpid()}"
    folder.mkdir(mode=0o700)
    return folder


def _is_another_alive(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True
