"""What an input is, apart from where it lies: a digest of its bytes, so that a change is seen."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rft_jax.files.jsonl import file_digest

_END_BYTES = 1 << 20
_WHOLE_BYTES = 64 << 20
_TIMED = ("timing.json",)


def input_identity(spec: str | Path) -> str:
    """An input's name and, for a file or a folder, the first 16 hex of a digest of its content.

    Of a file over 64 MiB (weights) the size and the first and last MiB count. A folder's
    sub-folders (checkpoints, parts), hidden files and `timing.json` don't count. Anything else is
    a name, such as `gsm8k:train`.
    """
    path = Path(spec)
    if path.is_file():
        return f"{path.name} {_digest(path)}"
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        listing = "\n".join(f"{p.name} {_digest(p)}" for p in files if p.name not in _TIMED)
        return f"{path.resolve().name} {hashlib.sha256(listing.encode()).hexdigest()[:16]}"
    return str(spec)


def _digest(path: Path) -> str:
    size = path.stat().st_size
    if size <= _WHOLE_BYTES:
        return file_digest(path)[:16]
    with open(path, "rb") as file:
        head = file.read(_END_BYTES)
        file.seek(-_END_BYTES, 2)
        ends = head + file.read()
    return hashlib.sha256(str(size).encode() + ends).hexdigest()[:16]
