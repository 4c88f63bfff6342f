"""Inputs and outputs on object stores and other file systems that fsspec knows (`gs://`, `s3://`).

Commands work on local copies. An input is fetched when it is not here yet. An output folder is
fetched, worked on, and kept the same at its own place meanwhile. Nothing that this package writes
is changed once it has its name (but for logs, which grow), so files are sent as they appear, those
that are gone are removed after that, and the marker of a finished folder is sent last. Object
stores have no locks: that nobody else writes to the same place is up to the user.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rft_jax.cluster import is_started_together, named_place
from rft_jax.errors import UserError
from rft_jax.jsonl import read_json, write_json
from rft_jax.outputs import COMPLETE

SECONDS_BETWEEN_UPLOADS = 15.0
SCRATCH = "RFT_SCRATCH"
_STATE = ".remote.json"
# Orbax's, while it writes; and what no input is read for.
_UNFINISHED = ".orbax-checkpoint-tmp"
_NOT_READ = "checkpoints"


def is_remote(spec: str) -> bool:
    """Whether it is a URL and no local path or name."""
    return "://" in spec


def scratch_folder() -> Path:
    """Where the local copies lie: $RFT_SCRATCH, or in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(SCRATCH) or Path(cache) / "rft_jax" / "remote")


def fetched(spec: str) -> str:
    """The local copy of a remote file or folder, brought up to date; anything else as it is.

    A folder's checkpoints are left out, unless the folder named is one of them.

    Raises:
      UserError: there is nothing, or fsspec does not know the file system.
    """
    if not is_remote(spec):
        return spec
    place = _Place(spec)
    there = place.listing()
    files = {name: key for name, key in there.items() if _NOT_READ not in Path(name).parts}
    if not files:
        raise UserError(f"{spec}: no such file or folder")
    place.fetch(files)
    return str(place.local)


@contextmanager
def mirrored(spec: str) -> Iterator[str]:
    """The local copy of an output, sent to its place while and after the block runs.

    Raises:
      UserError: fsspec does not know the file system, or several processes are to write there.
    """
    if not is_remote(spec):
        yield spec
        return
    several = named_place(os.environ)
    if (several is not None and several.count > 1) or is_started_together(os.environ):
        raise UserError(f"{spec}: several processes need an output on a disk that all of them see")
    place = _Place(spec)
    place.fetch(place.listing())
    done = threading.Event()
    sender = threading.Thread(target=_send_now_and_then, args=(place, done), daemon=True)
    sender.start()
    try:
        yield str(place.local)
    finally:
        done.set()
        sender.join()
        place.send()
        print(f"{spec}: up to date", flush=True)


def _send_now_and_then(place: _Place, done: threading.Event) -> None:
    while not done.wait(SECONDS_BETWEEN_UPLOADS):
        try:
            place.send()
        except Exception as error:  # as many kinds as there are stores; the last try is loud
            print(f"{place.spec}: not sent yet ({error})", flush=True)


class _Place:
    """A remote file or folder and its local copy.

    Names are paths in the folder; a single file has the name ''.
    """

    def __init__(self, spec: str) -> None:
        import fsspec

        self.spec = spec.rstrip("/")
        options = {"auto_mkdir": True} if self.spec.startswith("file://") else {}
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.spec, **options)
        except (ImportError, ValueError) as error:
            raise UserError(f"{spec}: {error}") from error
        folder = scratch_folder() / hashlib.sha256(self.spec.encode()).hexdigest()[:16]
        self.local = folder / self.spec.rpartition("/")[2]
        self._state = folder / _STATE
        # What lies there, by name: the store's key of it, and the local file's size and time.
        self._known: dict[str, list[Any]] = read_json(self._state) if self._state.exists() else {}

    def listing(self) -> dict[str, str]:
        """Every file there, with a key that changes when it does."""
        self._files.invalidate_cache()
        found = self._files.find(self._root, detail=True)
        return {path[len(self._root) :].lstrip("/"): _key(info) for path, info in found.items()}

    def fetch(self, files: dict[str, str]) -> None:
        """Makes the local copy the same as these files."""
        for name, key in files.items():
            target = self._path(name)
            if self._known.get(name, [None])[0] == key and _stamp(target) == self._known[name][1:]:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}.fetched")
            self._files.get_file(self._remote(name), str(aside))
            os.replace(aside, target)
            self._remember(name, key)
        for name in self._here().keys() - files.keys():
            self._path(name).unlink(missing_ok=True)
        self._known = {name: self._known[name] for name in files}
        self._save()

    def send(self) -> None:
        """Makes the place the same as the local copy, the marker of a finished folder last."""
        here = self._here()
        new = [name for name, stamp in here.items() if self._known.get(name, [None])[1:] != stamp]
        for name in sorted(new, key=lambda name: (name == COMPLETE, here[name][1])):
            if name == COMPLETE:
                self._remove_vanished(here)
            if self._path(name).exists():  # else removed since it was listed
                self._files.put_file(str(self._path(name)), self._remote(name))
                self._files.invalidate_cache()
                self._remember(name, _key(self._files.info(self._remote(name))), here[name])
        self._remove_vanished(here)
        self._save()

    def _remove_vanished(self, here: dict[str, list[int]]) -> None:
        for name in self._known.keys() - here.keys():
            self._files.rm_file(self._remote(name))
            del self._known[name]

    def _path(self, name: str) -> Path:
        return self.local / name if name else self.local

    def _remote(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _here(self) -> dict[str, list[int]]:
        """Every local file that has its name for good, with its size and time."""
        if self.local.is_file():
            return {"": _stamp(self.local)}
        paths = {str(p.relative_to(self.local)): p for p in self.local.rglob("*") if p.is_file()}
        stamps = {
            name: _stamp(path)
            for name, path in paths.items()
            if not any(part.startswith(".") or _UNFINISHED in part for part in Path(name).parts)
        }
        return {name: stamp for name, stamp in stamps.items() if stamp}

    def _remember(self, name: str, key: str, stamp: list[int] | None = None) -> None:
        self._known[name] = [key, *(stamp or _stamp(self._path(name)))]

    def _save(self) -> None:
        write_json(self._state, self._known)


def _stamp(path: Path) -> list[int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _key(info: dict[str, Any]) -> str:
    """What the store says of a file's version."""
    said = [info.get(name) for name in ("size", "etag", "ETag", "md5Hash", "mtime", "updated")]
    return hashlib.sha256(repr([*said, info.get("created")]).encode()).hexdigest()[:16]
