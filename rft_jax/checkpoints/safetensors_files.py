"""Tensors in `.safetensors` files, one file or several with an index, one tensor at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
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
_READ = (*_DTYPES.values(), np.dtype(np.float64))
_FORMAT_NAMES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}


class TensorReader:
    """The tensors of a model folder by name. A context manager: files stay open in between.

    Raises:
      UserError: the folder has no safetensors, or a file is missing or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._stack = ExitStack()
        self._opened = {path.name: self._open(path) for path in _files(self._folder)}
        self._homes = {
            name: file
            for file, handle in self._opened.items()
            for name in handle.keys()  # noqa: SIM118
        }

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
        except safetensors.SafetensorError as error:
            raise UserError(f"{path}: damaged ({error}); copy the model folder again") from error

    @property
    def names(self) -> frozenset[str]:
        """The names of all tensors."""
        return frozenset(self._homes)

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """One tensor, in its own dtype.

        Raises:
          UserError: it isn't there, has another shape, or holds no plain floats.
        """
        if name not in self._homes:
            raise UserError(
                f"{self._folder}: no tensor {name!r}; config.json asks for it, so the two don't "
                "belong together"
            )
        tensor = self._opened[self._homes[name]].get_tensor(name)
        if tensor.shape != shape:
            raise UserError(
                f"{self._folder / self._homes[name]}: {name} has shape {list(tensor.shape)}, "
                f"config.json asks for {list(shape)}; the two don't belong together"
            )
        if tensor.dtype not in _READ:
            raise UserError(
                f"{self._folder / self._homes[name]}: {name} is of {tensor.dtype}; quantized "
                "weights are not supported, take the model in float32, bfloat16 or float16"
            )
        return tensor


def _files(folder: Path) -> list[Path]:
    """The safetensors files of a folder: those of its index, or the single one."""
    if (folder / INDEX).is_file():
        content = read_json(folder / INDEX)
        weight_map = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(weight_map, dict) or not all(
            isinstance(name, str) for name in weight_map.values()
        ):
            raise UserError(f"{folder / INDEX}: no weight_map in it; copy the model folder again")
        return [folder / name for name in sorted(set(weight_map.values()))]
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    if pickles:
        raise UserError(
            f"{folder / pickles[0]}: a pickle, which could run code when read; write safetensors: "
            "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW) with transformers"
        )
    raise UserError(f"{folder}: no weights ({SINGLE} or {INDEX}) in it")


def write_tensors(
    folder: str | Path,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: str,
    fetch: Callable[[str], np.ndarray],
    shard_bytes: int,
    write: bool = True,
) -> None:
    """Writes tensors as one file, or as shards with an index when they don't fit into one.

    Holds one tensor in memory. Every file is written aside and renamed.

    Args:
      shapes: names and shapes, in the order of writing.
      dtype: 'float32', 'bfloat16' or 'float16', of all.
      fetch: gives one tensor by name; called once for each, in order.
      shard_bytes: no file holds more, unless one tensor does.
      write: False on processes that only take part in fetching.
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
    """One file: the header's length (8 bytes), the header (JSON, filled up to 8 bytes), the data.

    The format's own library wants all tensors of a file in memory at once.
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
        tensor = np.ascontiguousarray(fetch(name), dtype=kind)
        out.write(tensor.reshape(-1).view(np.uint8).data)


def _split(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Names in order, cut where the next would make a shard larger than `limit` bytes."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards
