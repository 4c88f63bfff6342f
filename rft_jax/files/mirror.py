"""One remote file or folder and its copy on this machine."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import re
import threading
from pathlib import Path
from typing import IO, Any

from rft_jax.errors import UserError
from rft_jax.files.atomic import replacing
from rft_jax.files.digests import cache_folder
from rft_jax.files.jsonl import read_json, write_json
from rft_jax.files.locks import LocksUnsupported, try_lock
from rft_jax.files.outputs import COMPLETE

SCRATCH = "RFT_SCRATCH"
# Where Orbax reads and writes its steps itself; elsewhere they are files like any others.
ORBAX_PLACES = "gs://"
_STATE, _LOCK = ".place.json", ".lock"
# Orbax's, while it writes.
_UNFINISHED = ".orbax-checkpoint-tmp"
_STEP = re.compile(r"/checkpoints/(?!model/)[^/]+/")
# What file systems say of a file's version; some say its size alone, which tells nothing.
_VERSIONS = (
    "etag", "ETag", "md5Hash", "Content-MD5", "blob_id", "sha",
    "mtime", "updated", "created", "modified", "Last-Modified",
)  # fmt: skip


def scratch_folder() -> Path:
    """Where the local copies lie: $RFT_SCRATCH, or in the user's cache."""
    return Path(os.environ.get(SCRATCH) or cache_folder() / "remote")


def original(path: str | Path) -> str | None:
    """The URL that a path in a local copy is the copy of; None for any other path."""
    found = _copy_of(path)
    return found and "/".join([found[0]["spec"], *found[1]])


def left_at_store(path: str | Path) -> dict[str, str]:
    """The files of a local copy's folder that Orbax reads at the store itself.

    Returns:
      Their names in the folder, each with a key that changes when the file does.
    """
    state, inner = _copy_of(path) or ({}, ())
    start = "".join(f"{part}/" for part in inner)
    names = state.get("left_at_store", {})
    return {name[len(start) :]: key for name, key in names.items() if name.startswith(start)}


def _copy_of(path: str | Path) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The saved state of the copy in which a path lies, and the path's components in it."""
    path, scratch = Path(path).resolve(), scratch_folder().resolve()
    if not path.is_relative_to(scratch) or path == scratch:
        return None
    home = scratch / path.relative_to(scratch).parts[0]
    if not (home / _STATE).exists():
        return None
    return read_json(home / _STATE), path.relative_to(home).parts[1:]


class Mirror:
    """A remote file or folder and its local copy, held until the process ends or closes it.

    Names are paths in the folder; a single file has the name ''.

    Args:
      spec: its URL.
      writes: whether the copy is to be changed. One that is has a single user; several processes
        may read one, and whoever can't have a copy gets another.
      parts: what the names begin with of the files that matter.

    Attributes:
      local: where the copy is.

    Raises:
      UserError: fsspec does not know the file system, or no copy can have the URL's name.
    """

    def __init__(self, spec: str, writes: bool, parts: tuple[str, ...] = ("",)) -> None:
        import fsspec

        self.spec, self._parts = spec.rstrip("/"), parts
        name = self.spec.rpartition("/")[2]
        if name.startswith("."):
            raise UserError(f"{spec}: {name!r} begins with a dot; give it another name")
        if self.spec.startswith(ORBAX_PLACES):
            # Orbax by fsspec too, here and in child processes, and not by TensorFlow where that is
            # installed. It asks once in a process, when JAX first looks for a compiled program.
            os.environ.setdefault("EPATH_USE_TF", "false")
        options = {"auto_mkdir": True} if self.spec.startswith("file://") else {}
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.spec, **options)
        except (ImportError, ValueError) as error:
            raise UserError(f"{spec}: {error}") from error
        self._home, self._held = _take_copy("\n".join([self.spec, *filter(None, parts)]), writes)
        self.local = self._home / name
        self._busy = threading.RLock()
        # What lies there, by name: the store's key of it, and the local file's size and time.
        self._known: dict[str, list[Any]] = {}
        self._left_at_store: dict[str, str] = {}
        if (self._home / _STATE).exists():
            self._known = read_json(self._home / _STATE)["files"]

    def close(self) -> None:
        """Lets go of the copy."""
        self._held.close()

    def listing(self) -> dict[str, str]:
        """Every file there that matters and isn't Orbax's, with a key that changes when it does.

        A file of which the file system says nothing but the size has the key ''.

        Raises:
          UserError: a name leads out of the folder.
        """
        self._files.invalidate_cache()
        found = self._files.find(self._root, detail=True)
        named = {self._name(path): path for path in found if not path.endswith("/")}
        keys = {
            name: _key(found[path]) or _key(self._files.info(path))
            for name, path in named.items()
            if name.startswith(self._parts)
        }
        self._left_at_store = {name: key for name, key in keys.items() if self._is_orbax(name)}
        return {name: key for name, key in keys.items() if name not in self._left_at_store}

    def _name(self, path: str) -> str:
        """What a listed path is called in the folder."""
        root, path = self._root.strip("/"), path.lstrip("/")
        if path == root:
            return ""
        name = path.removeprefix(f"{root}/")
        if name == path or {"", ".", ".."} & {*name.split("/")} or "\0" in name:
            raise UserError(
                f"{self.spec}: lists {path!r:.200}, which leads out of it; nothing was copied"
            )
        return name

    def fetch(self, files: dict[str, str]) -> None:
        """Makes the local copy the same as these files, whatever it was."""
        with self._busy, open(self._home / ".fetching", "a") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)
            for name, stamp in self._here().items():
                if self._known.get(name, [None])[1:] != stamp:
                    self._path(name).unlink(missing_ok=True)
                    self._known.pop(name, None)
            self._known = {n: row for n, row in self._known.items() if _stamp(self._path(n))}
            self._take_over(files)

    def refresh(self) -> None:
        """Takes over what others have changed there; what was changed here stays."""
        with self._busy:
            self._take_over(self.listing())

    def _take_over(self, files: dict[str, str]) -> None:
        for name, key in files.items():
            if not key or self._known.get(name, [None])[0] != key:
                with replacing(self._path(name)) as temporary:
                    self._files.get_file(self._remote(name), str(temporary))
                self._remember(name, key)
        for name in self._known.keys() - files.keys():
            self._path(name).unlink(missing_ok=True)
            del self._known[name]
        self._save()

    def send(self) -> None:
        """Makes the place the same as what was changed here, a finished folder's marker last."""
        with self._busy:
            here = self._here()
            new = [n for n, stamp in here.items() if self._known.get(n, [None])[1:] != stamp]
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

    def _is_orbax(self, name: str) -> bool:
        inside = _STEP.search(f"{self.spec}/{name}")
        return bool(inside) and self.spec.startswith(ORBAX_PLACES)

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
        state = {"spec": self.spec, "files": self._known, "left_at_store": self._left_at_store}
        write_json(self._home / _STATE, state)


def _take_copy(what: str, writes: bool) -> tuple[Path, IO[str]]:
    """The folder of the first copy that may be used so, and the lock that says that it is.

    Raises:
      UserError: the disk of the copies does not lock files.
    """
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    for number in itertools.count(1):
        home = scratch_folder() / (digest if number == 1 else f"{digest}-{number}")
        home.mkdir(parents=True, exist_ok=True)
        lock = open(home / _LOCK, "a+")  # noqa: SIM115  held as long as the copy is
        try:
            if try_lock(lock, shared=not writes):
                return home, lock
        except LocksUnsupported as error:
            raise UserError(
                f"{scratch_folder()}: this disk does not lock files ({error.strerror}), and copies "
                f"of what lies at URLs need that; set {SCRATCH} to a folder on a local disk"
            ) from error
        lock.close()
    raise AssertionError("there are more numbers")


def _stamp(path: Path) -> list[int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _key(info: dict[str, Any]) -> str:
    """A digest of what the file system says of a file's version; '' where it says none."""
    versions = [info.get(name) for name in _VERSIONS]
    if not any(versions):
        return ""
    return hashlib.sha256(repr([info.get("size"), *versions]).encode()).hexdigest()[:16]
