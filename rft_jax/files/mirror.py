"""One remote file or folder and its local copy."""

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
from rft_jax.files.atomic import make_folder, replacing
from rft_jax.files.digests import cache_folder
from rft_jax.files.jsonl import read_json, write_json
from rft_jax.files.locks import LocksUnsupported, try_lock
from rft_jax.files.names import CHECKPOINTS_FOLDER
from rft_jax.files.outputs import COMPLETE

SCRATCH = "RFT_SCRATCH"
# Where Orbax reads and writes checkpoints itself; elsewhere they are files like any others.
ORBAX_STORES = "gs://"
_STATE, _LOCK, _DOWNLOADING = ".mirror.json", ".lock", ".downloading"
# Part of the name of a folder that Orbax is writing.
_UNFINISHED = ".orbax-checkpoint-tmp"
_STEP = re.compile(rf"/{CHECKPOINTS_FOLDER}/(?!model/)[^/]+/")
# The fields by which file systems identify a file's version; some of them have none.
_VERSIONS = (
    "etag", "ETag", "md5Hash", "Content-MD5", "blob_id", "sha",
    "mtime", "updated", "created", "modified", "Last-Modified",
)  # fmt: skip


def scratch_folder() -> Path:
    """The folder of the local copies: $RFT_SCRATCH, by default in the user's cache."""
    return Path(os.environ.get(SCRATCH) or cache_folder() / "remote")


def original(path: str | Path) -> str | None:
    """The URL of which a path is the local copy; None for any other path."""
    copy = _copy_of(path)
    return copy and "/".join([copy[0]["url"], *copy[1]])


def left_at_store(path: str | Path) -> dict[str, str]:
    """The files that belong into a folder of a local copy and that Orbax reads from the store.

    Returns:
      Their names in the folder, each with a key that changes when the file does.
    """
    state, components = _copy_of(path) or ({}, ())
    prefix = "".join(f"{component}/" for component in components)
    keys = state.get("left_at_store", {})
    return {name[len(prefix) :]: key for name, key in keys.items() if name.startswith(prefix)}


def _copy_of(path: str | Path) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The saved state of the local copy that contains a path, and the path's components in it."""
    path, scratch = Path(path).resolve(), scratch_folder().resolve()
    if not path.is_relative_to(scratch) or path == scratch:
        return None
    folder = scratch / path.relative_to(scratch).parts[0]
    if not (folder / _STATE).exists():
        return None
    return read_json(folder / _STATE), path.relative_to(folder).parts[1:]


class Mirror:
    """A remote file or folder and its local copy, locked until the process ends or closes it.

    Files are named by their path in the folder; a single file has the name ''.

    Args:
      url: of the file or folder.
      writes: whether the local copy will be modified. Such a copy has one user; several processes
        may read one copy. A process that cannot lock a copy gets its own.
      prefixes: only files whose names begin with one of these are copied.

    Attributes:
      local: path of the local copy.

    Raises:
      UserError: fsspec does not know the file system, or the URL's last component is not a name
        that a copy can have.
    """

    def __init__(self, url: str, writes: bool, prefixes: tuple[str, ...] = ("",)) -> None:
        import fsspec

        self.url, self._prefixes = url.rstrip("/"), prefixes
        name = self.url.rpartition("/")[2]
        if name.startswith("."):
            raise UserError(f"{url}: {name!r} begins with a dot; give it another name")
        if self.url.startswith(ORBAX_STORES):
            # Orbax uses fsspec too, here and in child processes, and not TensorFlow where that is
            # installed. It decides once per process, when JAX first looks for a compiled program.
            os.environ.setdefault("EPATH_USE_TF", "false")
        options = {"auto_mkdir": True} if self.url.startswith("file://") else {}
        try:
            self._store, self._root = fsspec.core.url_to_fs(self.url, **options)
        except (ImportError, ValueError) as error:
            raise UserError(f"{url}: {error}") from error
        identity = "\n".join([self.url, *filter(None, prefixes)])
        self._folder, self._lock = _lock_copy(identity, shared=not writes)
        self.local = self._folder / name
        self._mutex = threading.RLock()
        # Files that are equal here and there: the store's key, then the local size and time.
        self._synced: dict[str, list[Any]] = {}
        self._left_at_store: dict[str, str] = {}
        if (self._folder / _STATE).exists():
            files = read_json(self._folder / _STATE)["files"]
            self._synced = {name: row for name, row in files.items() if _is_copied(name)}

    def close(self) -> None:
        """Releases the local copy."""
        self._lock.close()

    def listing(self) -> dict[str, str]:
        """The remote files but for Orbax's and hidden ones, each with a key of its version.

        The key is '' where the file system does not tell a file's version.

        Raises:
          UserError: a name leads out of the folder.
        """
        self._store.invalidate_cache()
        found = self._store.find(self._root, detail=True)
        paths = {self._name(path): path for path in found if not path.endswith("/")}
        keys = {
            name: _key(found[path]) or _key(self._store.info(path))
            for name, path in paths.items()
            if name.startswith(self._prefixes)
        }
        self._left_at_store = {name: key for name, key in keys.items() if self._is_orbax(name)}
        left = self._left_at_store
        return {name: key for name, key in keys.items() if name not in left and _is_copied(name)}

    def _name(self, path: str) -> str:
        """The name in the folder of a path that the store lists."""
        root, path = self._root.strip("/"), path.lstrip("/")
        if path == root:
            return ""
        name = path.removeprefix(f"{root}/")
        if name == path or {"", ".", ".."} & {*name.split("/")} or "\0" in name:
            raise UserError(
                f"{self.url}: lists {path!r:.200}, which leads out of it; nothing was copied"
            )
        return name

    def download(self, files: dict[str, str]) -> None:
        """Makes the local copy equal to these remote files, whatever it contained.

        Args:
          files: names and keys, as `listing` returns them.
        """
        with self._mutex, open(self._folder / _DOWNLOADING, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # other readers of this copy wait
            for name, stamp in self._local_files().items():
                if self._synced.get(name, [None])[1:] != stamp:
                    self._path(name).unlink(missing_ok=True)
                    self._synced.pop(name, None)
            self._synced = {n: row for n, row in self._synced.items() if _stamp(self._path(n))}
            self._download_changed(files)

    def refresh(self) -> None:
        """Downloads what other processes have uploaded; keeps what was changed locally."""
        with self._mutex:
            self._download_changed(self.listing())

    def _download_changed(self, files: dict[str, str]) -> None:
        for name, key in files.items():
            if not key or self._synced.get(name, [None])[0] != key:
                with replacing(self._path(name)) as temporary:
                    self._store.get_file(self._remote_path(name), str(temporary))
                self._set_synced(name, key)
        for name in self._synced.keys() - files.keys():
            self._path(name).unlink(missing_ok=True)
            del self._synced[name]
        self._save_state()

    def upload(self) -> None:
        """Uploads changed files, the marker of a finished folder last; deletes removed files."""
        with self._mutex:
            files = self._local_files()
            new = [n for n, stamp in files.items() if self._synced.get(n, [None])[1:] != stamp]
            for name in sorted(new, key=lambda name: (name == COMPLETE, files[name][1])):
                if name == COMPLETE:
                    self._delete_removed(files)
                if self._path(name).exists():  # else removed since it was listed
                    self._store.put_file(str(self._path(name)), self._remote_path(name))
                    self._store.invalidate_cache()
                    key = _key(self._store.info(self._remote_path(name)))
                    self._set_synced(name, key, files[name])
            self._delete_removed(files)
            self._save_state()

    def _delete_removed(self, files: dict[str, list[int]]) -> None:
        for name in self._synced.keys() - files.keys():
            self._store.rm_file(self._remote_path(name))
            del self._synced[name]

    def _is_orbax(self, name: str) -> bool:
        is_step = _STEP.search(f"{self.url}/{name}") is not None
        return is_step and self.url.startswith(ORBAX_STORES)

    def _path(self, name: str) -> Path:
        return self.local / name if name else self.local

    def _remote_path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _local_files(self) -> dict[str, list[int]]:
        """Size and time of every local file that is not temporary."""
        if self.local.is_file():
            return {"": _stamp(self.local)}
        paths = {str(p.relative_to(self.local)): p for p in self.local.rglob("*") if p.is_file()}
        stamps = {name: _stamp(path) for name, path in paths.items() if _is_copied(name)}
        return {name: stamp for name, stamp in stamps.items() if stamp}

    def _set_synced(self, name: str, key: str, stamp: list[int] | None = None) -> None:
        self._synced[name] = [key, *(stamp or _stamp(self._path(name)))]

    def _save_state(self) -> None:
        state = {"url": self.url, "files": self._synced, "left_at_store": self._left_at_store}
        write_json(self._folder / _STATE, state)


def _lock_copy(identity: str, shared: bool) -> tuple[Path, IO[str]]:
    """The folder of the first copy that can be locked, and its lock.

    Args:
      identity: the URL, and which part of it is copied.
      shared: whether other processes may read the copy at the same time.

    Raises:
      UserError: the disk does not lock files.
    """
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    for number in itertools.count(1):
        folder = scratch_folder() / (digest if number == 1 else f"{digest}-{number}")
        make_folder(folder)
        lock = open(folder / _LOCK, "a+")  # noqa: SIM115  open for as long as the copy is used
        try:
            if try_lock(lock, shared):
                return folder, lock
        except LocksUnsupported as error:
            raise UserError(
                f"{scratch_folder()}: this disk does not lock files ({error.strerror}), which "
                f"copies of URLs need; set {SCRATCH} to a folder on a local disk"
            ) from error
        lock.close()
    raise AssertionError("itertools.count has no end")


def _is_copied(name: str) -> bool:
    """Whether a file goes from the store here and back: neither hidden nor half-written."""
    return not any(part.startswith(".") or _UNFINISHED in part for part in Path(name).parts)


def _stamp(path: Path) -> list[int]:
    """Size and modification time; nothing for a file that was removed."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _key(info: dict[str, Any]) -> str:
    """A digest of the file's version as the file system describes it; '' if it does not."""
    versions = [info.get(name) for name in _VERSIONS]
    if not any(versions):
        return ""
    return hashlib.sha256(repr([info.get("size"), *versions]).encode()).hexdigest()[:16]
