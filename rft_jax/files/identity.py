"""Identities: of an input, a digest of all content that is read; of settings, their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Any

from rft_jax.files.digests import SHORT, SMALL_BYTES, WHOLE, content_digest, lines_digest
from rft_jax.files.mirror import left_at_store
from rft_jax.files.names import TIMING_FILE

_ADDED, _SAME_AS, _KNOWN_AS = "added", "same_as", "known_as"
_TIMED = (TIMING_FILE,)
# In a training's checkpoints: the model's description, beside the numbered steps.
_MODEL, _CONFIG, _PARAMS = "model", "config.json", "params"


def added_setting(default: Any, becomes: Any = None) -> Any:
    """A field of settings that earlier versions did not have, which did as with its default.

    Args:
      becomes: the value that a default of None has in settings that are made.
    """
    return field(default=default, metadata={_ADDED: default if default is not None else becomes})


def setting_like(other: str) -> Any:
    """A text field of settings whose default, '', means the value of the field `other`."""
    return field(default="", metadata={_SAME_AS: other})


def setting_known_as(identity: Callable[[str], str]) -> Any:
    """A text field of settings whose values may have another identity than themselves.

    Args:
      identity: of a value; differs from it where the value has meant something else before.
    """
    return field(default="", metadata={_KNOWN_AS: identity})


def settings_identity(settings: Any) -> dict[str, Any]:
    """The values of a settings dataclass, added ones only where they are not the default.

    So what earlier versions made is still known as made with the same settings. A setting that
    means the value of another one has that value.
    """
    added = {f.name: f.metadata[_ADDED] for f in fields(settings) if _ADDED in f.metadata}
    values = asdict(settings)
    for one in fields(settings):
        if other := one.metadata.get(_SAME_AS):
            values[one.name] = values[one.name] or values[other]
        if identity := one.metadata.get(_KNOWN_AS):
            values[one.name] = identity(values[one.name])
    return {n: v for n, v in values.items() if not (n in added and v == added[n])}


def input_identity(spec: str | Path) -> str:
    """An input's name and, for a file or a folder, a digest (hex) of the content that is read.

    For a folder that is every file in it except hidden ones and `timing.json`, and the weights in
    sub-folders; for a training's `checkpoints`, or a step in it, the parameters and the model's
    description. Anything else is a name, such as `wordproblems:train`, and is its own identity.
    """
    path = Path(spec)
    if path.is_file():
        return f"{path.name} {content_digest(path)}"
    if root := _checkpoints_of(path):
        return f"{path.resolve().name} {lines_digest(_checkpoint_lines(root, path))}"
    if path.is_dir():
        found = [*path.iterdir(), *path.glob("*/**/*.safetensors")]  # an index may name these
        files = [p for p in found if p.is_file() and not p.name.startswith(".")]
        digest = lines_digest(_lines(path, (p for p in files if p.name not in _TIMED)))
        is_short = all(p.parent == path and p.stat().st_size <= SMALL_BYTES for p in files)
        return f"{path.resolve().name} {digest[: SHORT if is_short else WHOLE]}"
    return str(spec)


def _checkpoints_of(path: Path) -> Path | None:
    """The folder of checkpoints that `path` is, or is a step of; None for any other path."""
    if (path / _CONFIG).is_file():
        return None
    roots = [path, path.parent] if path.name.isdecimal() else [path]
    return next((root for root in roots if (root / _MODEL / _CONFIG).is_file()), None)


def _checkpoint_lines(root: Path, path: Path) -> list[str]:
    """The files that `path`, the folder of checkpoints or a step of it, is read from."""
    steps = [p for p in root.iterdir() if p.name.isdecimal()] if path == root else [path]
    folders = [root / _MODEL, *(step / _PARAMS for step in steps)]
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    start = "" if path == root else f"{path.name}/"
    at_store = sorted(left_at_store(root).items())
    return [
        *_lines(root, files),
        *(f"{n} {key}" for n, key in at_store if n.startswith(start) and f"/{_PARAMS}/" in n),
    ]


def _lines(folder: Path, files: Iterable[Path]) -> list[str]:
    """Each file's name in the folder and its digest, in order."""
    ordered = sorted(files)
    with ThreadPoolExecutor() as pool:  # hashing lets go of the interpreter
        digests = list(pool.map(content_digest, ordered))
    return [f"{p.relative_to(folder)} {one}" for p, one in zip(ordered, digests, strict=True)]
