"""Output folders: made with one set of settings, used by one process, finished by a marker.

A folder holds `settings.json` (what it was made with), `config.gin` (the same as the command line
resolved it), `.lock` (held while in use; the system lets go of it even after `kill -9`) and, once
all work is done, `COMPLETE`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rft_jax.errors import UserError
from rft_jax.files.atomic import remove_leftovers
from rft_jax.files.digests import differ_by_version
from rft_jax.files.jsonl import atomic_write, read_json, write_json
from rft_jax.files.locks import LocksUnsupported, try_lock

SETTINGS = "settings.json"
COMPLETE = "COMPLETE"
LOCK = ".lock"
CONFIG = "config.gin"
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class OutputFolder:
    """A folder that this process holds, made with the settings it asked for."""

    path: Path

    @property
    def is_complete(self) -> bool:
        """Whether the work was finished, now or in an earlier run."""
        return (self.path / COMPLETE).exists()

    def commit(self) -> None:
        """Marks the folder finished, rid of the temporary files of killed processes."""
        remove_leftovers(self.path.rglob(".*.tmp"))
        write_json(self.path / COMPLETE, {})


@contextmanager
def open_output(
    path: str | Path, settings: Mapping[str, Any], config_text: str = ""
) -> Iterator[OutputFolder]:
    """Holds an output folder for the length of the block; makes it when it is not there.

    Args:
      settings: everything that decides what the folder will hold, as JSON values.
      config_text: the resolved settings as a gin file, for `config.gin`; '' writes none.

    Raises:
      UserError: the folder is in use, was made with other settings, or holds other things. Nothing
        in it is touched then. Raised within the block before there was any work, it leaves a
        folder that may be used with other settings.
    """
    path = Path(path)
    check_content(path)
    path.mkdir(parents=True, exist_ok=True)
    with open(path / LOCK, "a+") as lock:
        _take(lock, path)
        check_settings(path, settings)
        if not (path / SETTINGS).exists():
            write_json(path / SETTINGS, settings)
        if config_text and not (path / CONFIG).exists():
            with atomic_write(path / CONFIG) as file:
                file.write(config_text)
        try:
            yield OutputFolder(path)
        except UserError:
            _forget_unused(path)
            raise


def _take(lock: IO[str], path: Path) -> None:
    """Locks the folder; what a process that was just killed had begun may hold it for a moment."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        while not try_lock(lock):
            if time.monotonic() > deadline:
                raise UserError(
                    f"{path}: in use by another process; wait for it or name another --output"
                )
            time.sleep(0.05)
    except LocksUnsupported as error:
        print(
            f"{path}: this disk does not lock files ({error.strerror}); see to it that only one "
            "command at a time works in the folder",
            flush=True,
        )


def check_content(path: Path, *others: str) -> None:
    """Refuses a path that is not an output folder, nor empty.

    Args:
      others: names that may be in a folder that no output was begun in.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: is a file; --output names a folder")
    if path.is_dir() and not (path / SETTINGS).exists():
        # A name with a dot is the lock, or what a writer that was killed left aside.
        names = sorted(p.name for p in path.iterdir() if not p.name.startswith("."))
        if foreign := [name for name in names if name not in others]:
            raise UserError(
                f"{path}: contains {foreign[0]!r} but no {SETTINGS}, so it is not an output folder "
                "of this program; name a new or empty folder"
            )


def check_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Refuses a folder that was made with other settings."""
    if not (path / SETTINGS).exists():
        return
    settings, found = json.loads(json.dumps(settings)), read_json(path / SETTINGS)
    for name in [*settings, *found]:
        before, now = found.get(name), settings.get(name)
        if differ_by_version(before, now):
            raise UserError(
                f"{path}: was made with {name} = {before!r}, and all of its content is {now!r}; "
                "earlier versions did not read all of it, so whether it is the same can't be said: "
                "remove that folder, or name another --output"
            )
        if before != now:
            raise UserError(
                f"{path}: was made with {name} = {before!r}, now it is {now!r}; name another "
                "--output, or go back to that setting"
            )


def _forget_unused(path: Path) -> None:
    """Takes the settings back where no work was done: a mended command may use the folder then."""
    if {p.name for p in path.iterdir()} <= {SETTINGS, CONFIG, LOCK}:
        (path / CONFIG).unlink(missing_ok=True)
        (path / SETTINGS).unlink()
