"""Digests of files by SHA-256; of a large one computed once for each version of it.

Earlier versions of this program did not read all of a file over 64 MiB, nor of checkpoints. What
these decide has a whole digest and everything else the beginning of one, which tells them apart.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import file_digest, read_json, write_json

SHORT, WHOLE = 16, 64
"""Hex digits of either kind of digest."""
SMALL_BYTES = 64 << 20
_IDENTITY = re.compile(rf"(.+) ([0-9a-f]{{{SHORT}}}|[0-9a-f]{{{WHOLE}}})", re.DOTALL)
# A file changed more recently may change again under the same time stamps: some have steps of 2 s.
_SETTLED_SECONDS = 10.0


def cache_folder() -> Path:
    """Where this program keeps what it can compute again: `rft_jax` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "rft_jax"


def content_digest(path: Path) -> str:
    """A file's digest in hex: SHORT digits, of a file over 64 MiB WHOLE."""
    if path.stat().st_size > SMALL_BYTES:
        return _remembered_digest(path)
    return file_digest(path)[:SHORT]


def lines_digest(lines: Iterable[str]) -> str:
    """SHA-256 in hex of some lines."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def differ_by_version(found: Any, wanted: Any) -> bool:
    """Whether an earlier version, which read less of the input, may have called it `found`.

    Args:
      found: what a folder was made with: an identity, a list of them, or another setting.
      wanted: the same as it is now.
    """
    if isinstance(found, list) and isinstance(wanted, list):
        return any(map(differ_by_version, found, wanted))
    now = _IDENTITY.fullmatch(wanted) if isinstance(wanted, str) else None
    if now is None or not isinstance(found, str):
        return False
    name, digest = now.groups()
    short = re.fullmatch(rf"{re.escape(name)} [0-9a-f]{{{SHORT}}}", found)
    return found == name or (short is not None and len(digest) == WHOLE)


def _remembered_digest(path: Path) -> str:
    """A file's digest, computed again when anything about the file has changed.

    That is device, inode, size and both time stamps: a write sets the change time, which no program
    can set back.
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
        with suppress(OSError):  # where no cache can be written it is computed every time
            write_json(entry, [version, digest])
    return digest


def _version(path: Path) -> list[int]:
    with open(path, "rb") as file:  # NFS may answer from its own cache about a file not opened
        stat = os.fstat(file.fileno())
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
