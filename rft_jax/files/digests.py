"""SHA-256 digests of files; for a large file computed once per version of the file.

The digest of a file over 64 MiB is written whole, any other as its first digits: version 0.1.0 read
large files in part, and what it made of them must not pass for made of the same input.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.jsonl import file_digest, read_json, write_json

SHORT, WHOLE = 16, 64
"""Hex digits of either kind of digest."""
SMALL_BYTES = 64 << 20
# A file changed more recently may change again with equal time stamps, which can be 2 s coarse.
_SETTLED_SECONDS = 10.0


def cache_folder() -> Path:
    """The folder of results that can be computed again: `rft_jax` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "rft_jax"


def content_digest(path: Path) -> str:
    """A file's digest in hex: SHORT digits, or WHOLE for a file over 64 MiB."""
    if path.stat().st_size > SMALL_BYTES:
        return _cached_digest(path)
    return file_digest(path)[:SHORT]


def lines_digest(lines: Iterable[str]) -> str:
    """SHA-256 in hex of some lines."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _cached_digest(path: Path) -> str:
    """A file's digest, from the cache if the file has not changed since.

    A change shows in inode, size or a time stamp: a write sets the change time (ctime), which no
    program can set back. The cache may be shared by hosts that share the file.
    """
    entry = cache_folder() / "digests" / f"{lines_digest([str(path.resolve())])[:SHORT]}.json"
    version = _version(path)
    with suppress(UserError, OSError):
        known_version, digest = read_json(entry)
        if known_version == version:
            return digest
    digest = file_digest(path)
    settled = time.time_ns() - max(version[-2:]) > _SETTLED_SECONDS * 1e9
    if settled and _version(path) == version:
        with suppress(OSError):  # without a cache it is computed every time
            write_json(entry, [version, digest])
    return digest


def _version(path: Path) -> list[int]:
    with open(path, "rb") as file:  # opening it makes NFS fetch its current attributes
        stat = os.fstat(file.fileno())
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
