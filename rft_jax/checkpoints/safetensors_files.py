"""Tensors of `.safetensors` files, one file or several with an index, one tensor at a time."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import IO, Any

import ml_dtypes
import numpy as np

from rft_jax.errors import UserError
from rft_jax.files.jsonl import atomic_write, read_json, write_json
from rft_jax.models.config import STORED_DTYPES

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_KINDS = (np.float32, ml_dtypes.bfloat16, np.float16)
_DTYPES = dict(zip(STORED_DTYPES, map(np.dtype, _KINDS), strict=True))
_FORMAT_NAMES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_READ = (*_FORMAT_NAMES.values(), "F64")
logger = logging.getLogger(__name__)


class TensorReader:
    """The tensors of a folder by name; a context manager, which holds the files open.

    Args:
      folder: of the files.
      file: the name of the only one to read; '' for those of a model.

    Raises:
      UserError: the folder has no safetensors, a file is missing or damaged, or two files have a
        tensor of the same name.
    """

    def __init__(self, folder: str | Path, file: str = "") -> None:
        self._folder = Path(folder)
        self._stack = ExitStack()
        self._stored: dict[str, tuple[Any, str]] = {}  # name -> open file, name in it
        for path in [self._folder / file] if file else _files(self._folder):
            opened = self._open(path)
            names = list(opened.keys())
            if twice := sorted(self._stored.keys() & names):
                raise UserError(
                    f"{path}: {twice[0]} is in another file of the folder too; copy the model "
                    "folder again"
                )
            self._stored |= {name: (opened, name) for name in names}

    def __enter__(self) -> TensorReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _open(self, path: Path) -> Any:
        import safetensors

        try:
            return self._stack.enter_context(safetensors.safe_open(path, framework="numpy"))
        except FileNotFoundError as error:
            raise UserError(
                f"{path}: named in {INDEX} but missing; copy the whole model folder again"
            ) from error
        except (safetensors.SafetensorError, OSError) as error:
            raise UserError(f"{path}: damaged ({error}); copy the model folder again") from error

    @property
    def names(self) -> frozenset[str]:
        """The names of all tensors."""
        return frozenset(self._stored)

    def rename(self, name: str, new: str) -> None:
        """Makes a tensor readable under another name."""
        self._stored[new] = self._stored.pop(name)

    def check(self, expected: Iterable[tuple[str, tuple[int, ...]]]) -> None:
        """Compares the files' headers with what config.json describes; reads no tensor.

        Args:
          expected: names and shapes; taken one by one, so that a config with millions of layers
            ends at the first that is missing.

        Raises:
          UserError: a tensor is missing, has another shape or isn't stored as plain floats.
        """
        for name, shape in expected:
            if name not in self._stored:
                raise UserError(
                    f"{self._folder}: no tensor {name!r}; config.json describes one, so the two "
                    "don't belong together"
                )
            file, stored = self._stored[name]
            header = file.get_slice(stored)
            if tuple(header.get_shape()) != shape:
                raise UserError(
                    f"{self._folder}: {name} has shape {header.get_shape()}, config.json describes "
                    f"{list(shape)}; the two don't belong together"
                )
            self._check_dtype(name, header)

    def _check_dtype(self, name: str, header: Any) -> None:
        if header.get_dtype() not in _READ:
            raise UserError(
                f"{self._folder}: {name} is stored as {header.get_dtype()}; quantized weights "
                "are not supported, take the model in float32, bfloat16 or float16"
            )

    def read(self, name: str) -> np.ndarray:
        """One tensor, in its own dtype.

        Raises:
          UserError: it isn't stored as plain floats.
        """
        file, stored = self._stored[name]
        self._check_dtype(name, file.get_slice(stored))
        return file.get_tensor(stored)


def _files(folder: Path) -> list[Path]:
    """The safetensors files that transformers would read: the single one, else an index's."""
    if (folder / SINGLE).is_file():
        if (folder / INDEX).is_file():
            logger.warning(
                "%s: ignored, since the same folder has %s (as in transformers); delete "
                "the one that is out of date",
                folder / INDEX,
                SINGLE,
            )
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        return _indexed_files(folder)
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    if pickles:
        raise UserError(
            f"{folder / pickles[0]}: a pickle, which could run code when read; write safetensors: "
            "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW) with transformers"
        )
    raise UserError(f"{folder}: no weights ({SINGLE} or {INDEX}) in it")


def _indexed_files(folder: Path) -> list[Path]:
    """The files that an index names; none may lie outside the folder."""
    content = read_json(folder / INDEX)
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not all(
        isinstance(name, str) for name in weight_map.values()
    ):
        raise UserError(f"{folder / INDEX}: no weight_map in it; copy the model folder again")
    names = sorted(set(weight_map.values()))
    outside = [n for n in names if PurePath(n).is_absolute() or ".." in PurePath(n).parts]
    if outside:
        raise UserError(
            f"{folder / INDEX}: weight_map names {outside[0]!r}, outside the model's folder; a "
            "folder's weights lie in it, so take it from a source that you trust"
        )
    return [folder / name for name in names]


def write_tensors(
    folder: str | Path,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: str,
    fetch: Callable[[str], np.ndarray],
    shard_bytes: int,
    write: bool = True,
) -> None:
    """Writes tensors as one file, or as shards with an index when they don't fit into one.

    Holds one tensor in memory. Every file is renamed once it is complete.

    Args:
      folder: of the files.
      shapes: shapes by name, in the order of writing.
      dtype: of all tensors: 'float32', 'bfloat16' or 'float16'.
      fetch: returns a tensor by its name; called once for each, in order.
      shard_bytes: most bytes of a file, unless one tensor has more.
      write: False in processes that only take part in fetching.

    Raises:
      UserError: a tensor holds a number that is NaN, infinite, or too large for the dtype.
    """
    item = _DTYPES[dtype].itemsize
    sizes = {name: math.prod(shape) * item for name, shape in shapes.items()}
    shards = _split(sizes, shard_bytes)
    files = [SINGLE]
    if len(shards) > 1:
        count = len(shards)
        files = [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]
    for file, names in zip(files, shards, strict=True):
        if write:
            with atomic_write(Path(folder) / file, "wb") as out:
                _write_shard(out, {name: shapes[name] for name in names}, dtype, fetch)
        else:
            for name in names:
                fetch(name)
    if write and len(shards) > 1:
        homes = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        total = sum(sizes.values())
        metadata = {"total_parameters": total // item, "total_size": total}
        write_json(Path(folder) / INDEX, {"metadata": metadata, "weight_map": homes})


def _write_shard(
    out: IO[bytes],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: str,
    fetch: Callable[[str], np.ndarray],
) -> None:
    """One file: the header's length (8 bytes), the header (JSON, padded to 8 bytes), the data.

    The format's own library needs all tensors of a file in memory at once.
    """
    kind = _DTYPES[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * kind.itemsize
        header[name] = {
            "dtype": _FORMAT_NAMES[dtype],
            "shape": list(shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    out.write(len(text).to_bytes(8, "little") + text)
    for name in shapes:
        out.write(_converted(fetch(name), name, dtype).reshape(-1).view(np.uint8).data)


def _converted(tensor: np.ndarray, name: str, dtype: str) -> np.ndarray:
    """The tensor in the stored dtype.

    Raises:
      UserError: it holds a number that is NaN, infinite, or too large for that dtype.
    """
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(tensor, dtype=_DTYPES[dtype])
    if np.isfinite(stored).all():
        return stored
    if not np.isfinite(tensor).all():
        raise UserError(f"{name} holds NaN or infinite weights; take an earlier checkpoint")
    raise UserError(
        f"{name} holds {np.abs(tensor).max():g}, over the largest {dtype} of "
        f"{float(ml_dtypes.finfo(stored.dtype).max):g}; take bfloat16 (rft export-hf writes a "
        "model or a checkpoint in another dtype)"
    )


def _split(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Names in order, split where the next would make a shard larger than `limit` bytes."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards
