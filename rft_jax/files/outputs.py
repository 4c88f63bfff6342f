"""Output folders: made with one set of settings, used by one process, finished by a marker.

A folder contains `settings.json` (the settings and inputs it was made with), `config.gin` (the
resolved settings), `.lock` (locked while in use; the system releases it even after `kill -9`) and,
once all work is done, `COMPLETE`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from rft_jax.errors import UserError
from rft_jax.files.atomic import make_folder, remove_leftovers
from rft_jax.files.jsonl import atomic_write, read_object, write_json
from rft_jax.files.locks import LocksUnsupported, try_lock

SETTINGS = "settings.json"
COMPLETE = "COMPLETE"
LOCK = ".lock"
CONFIG = "config.gin"
RUN = "run.json"
"""What a run was made with; written before any result."""
_NOTHING: Mapping[str, str] = MappingProxyType({})
# A process that was just killed may have left children that hold its lock for a moment.
_LOCK_SECONDS = 1.0


@dataclass(frozen=True)
class OutputFolder:
    """A folder that this process has locked, made with the settings it passed."""

    path: Path

    @property
    def is_complete(self) -> bool:
        """Whether the work was finished, now or in an earlier run."""
        return (self.path / COMPLETE).exists()

    def commit(self) -> None:
        """Removes temporary files of killed processes, then marks the folder finished."""
        remove_leftovers(self.path.rglob(".*.tmp"))
        write_json(self.path / COMPLETE, {})


@contextmanager
def open_output(
    path: str | Path,
    settings: Mapping[str, Any],
    config_text: str = "",
    instead: Mapping[str, str] = _NOTHING,
) -> Iterator[OutputFolder]:
    """Creates an output folder if necessary and locks it within the block.

    A UserError in the block before any file was written leaves no folder that this call created,
    and one that was there before usable with other settings.

    Args:
      settings: everything that decides the content of the folder, as JSON values.
      config_text: the resolved settings as a gin file, for `config.gin`; '' writes none.
      instead: as `check_settings` takes it.

    Raises:
      UserError: the folder is in use, was made with other settings, or contains files of something
        else. Nothing in it is changed then.
    """
    path = Path(path)
    check_content(path)
    created = [folder for folder in (path, *path.parents) if not folder.exists()]
    make_folder(path)
    with open(path / LOCK, "a+") as lock:
        _lock(lock, path)
        check_settings(path, settings, instead)
        if not (path / SETTINGS).exists():
            write_json(path / SETTINGS, settings)
        if config_text and not (path / CONFIG).exists():
            with atomic_write(path / CONFIG) as file:
                file.write(config_text)
        try:
            yield OutputFolder(path)
        except UserError:
            _remove_unused(path, created)
            raise


def _lock(lock: IO[str], path: Path) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    try:
        while not try_lock(lock) or not _is_at(lock, path / LOCK):
            if time.monotonic() > deadline:
                raise UserError(
                    f"{path}: in use by another process; wait for it or name another --output"
                )
            time.sleep(0.05)
    except LocksUnsupported as error:
        print(
            f"{path}: this disk does not lock files ({error.strerror}); make sure that only "
            "one command at a time uses the folder",
            flush=True,
        )


def _is_at(lock: IO[str], path: Path) -> bool:
    """Whether an open lock is the one at a path.

    A refused command removes a lock together with the folder that it created, and another command
    may have made a new one since.
    """
    try:
        return os.path.samestat(os.fstat(lock.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def check_content(path: Path, *others: str) -> None:
    """Refuses a path that is neither an output folder nor empty.

    Args:
      others: names of files that an empty folder may contain nevertheless.

    Raises:
      UserError: the path is a file, or a folder of something else.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: is a file; --output names a folder")
    if path.is_dir() and not (path / SETTINGS).exists():
        # Hidden files are the lock, or temporary files of a killed process.
        names = sorted(p.name for p in path.iterdir() if not p.name.startswith("."))
        if foreign := [name for name in names if name not in others]:
            raise UserError(
                f"{path}: contains {foreign[0]!r} but no {SETTINGS}, so it is not an output folder "
                "of this program; name a new or empty folder"
            )


def check_settings(
    path: Path, settings: Mapping[str, Any], instead: Mapping[str, str] = _NOTHING
) -> None:
    """Refuses a folder that was made with other settings.

    Args:
      instead: for some settings, what to do where another value is meant.

    Raises:
      UserError: names the setting and both values.
    """
    if not (path / SETTINGS).exists():
        return
    settings, found = json.loads(json.dumps(settings)), read_object(path / SETTINGS)
    for name in [*settings, *found]:
        before, now = found.get(name), settings.get(name)
        if before != now:
            fix = instead.get(name, "name another --output, or go back to that setting")
            raise UserError(f"{path}: was made with {name} = {before!r}, now it is {now!r}; {fix}")


def _remove_unused(path: Path, created: Sequence[Path]) -> None:
    """Removes the settings of a folder without results, so that a corrected command can use it.

    Args:
      created: the folder and those above it that this command created, which are removed too;
        innermost first.
    """
    if {p.name for p in path.iterdir()} <= {SETTINGS, CONFIG, RUN, LOCK}:
        for name in (CONFIG, RUN):
            (path / name).unlink(missing_ok=True)
        (path / SETTINGS).unlink()
        if created:
            (path / LOCK).unlink()
        with suppress(OSError):  # another command has written into it by now
            for folder in created:
                folder.rmdir()
