"""Tensors in files: what is written is read, by this package and by the format's own library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from rft_jax.checkpoints.safetensors_files import TensorReader, write_tensors
from rft_jax.errors import UserError

DTYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}
Shapes = dict[str, tuple[int, ...]]
SHAPES = st.dictionaries(
    st.text("abc.", min_size=1, max_size=4),
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    min_size=1,
    max_size=6,
)


def _tensors(shapes: Shapes) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def _write(folder: Path, shapes: Shapes, dtype: str = "float32", limit: int = 10**9) -> Any:
    """Writes tensors of these shapes and returns them."""
    tensors = _tensors(shapes)
    write_tensors(folder, shapes, dtype, tensors.__getitem__, limit)
    return tensors


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.sampled_from(sorted(DTYPES)), st.integers(1, 300))
def test_what_is_written_is_read_whatever_the_shards(
    tmp_path_factory: pytest.TempPathFactory, shapes: Shapes, dtype: str, limit: int
) -> None:
    folder = tmp_path_factory.mktemp("model")
    tensors = _write(folder, shapes, dtype, limit)
    stored = {name: tensor.astype(DTYPES[dtype]) for name, tensor in tensors.items()}
    with TensorReader(folder) as reader:
        assert reader.names == shapes.keys()
        reader.check(shapes.items())
        for name, tensor in stored.items():
            read = reader.read(name)
            assert read.dtype == tensor.dtype and np.array_equal(read, tensor)
    theirs = {k: v for path in folder.glob("*.safetensors") for k, v in load_file(path).items()}
    assert all(np.array_equal(theirs[name], tensor) for name, tensor in stored.items())


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    tensors = _write(tmp_path, {"a": (10,), "b": (10,)}, limit=40)
    save_file(tensors, tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(UserError, match=r"00002-of-00002\.safetensors: a is in another file"):
        TensorReader(tmp_path)


def test_a_file_has_the_most_tensors_that_fit(tmp_path: Path) -> None:
    _write(tmp_path, {"a": (10,), "b": (10,), "c": (20,), "d": (1,)}, limit=80)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == {
        "a": "model-00001-of-00003.safetensors",
        "b": "model-00001-of-00003.safetensors",
        "c": "model-00002-of-00003.safetensors",
        "d": "model-00003-of-00003.safetensors",
    }
    assert index["metadata"] == {"total_parameters": 41, "total_size": 164}


def test_processes_that_do_not_write_fetch_the_same_tensors(tmp_path: Path) -> None:
    fetched: list[str] = []

    def fetch(name: str) -> np.ndarray:
        fetched.append(name)
        return np.zeros(3, np.float32)

    write_tensors(tmp_path, {"b": (3,), "a": (3,)}, "float32", fetch, 10, write=False)
    assert fetched == ["b", "a"] and not list(tmp_path.iterdir())


def test_a_check_ends_at_the_first_difference(tmp_path: Path) -> None:
    _write(tmp_path, {"a": (2,), "b": (2, 3)})

    def endless() -> Any:
        yield "a", (2,)
        number = 0
        while True:
            yield f"layer {number}", (2,)
            number += 1

    with TensorReader(tmp_path) as reader:
        with pytest.raises(UserError, match="no tensor 'layer 0'"):
            reader.check(endless())
        with pytest.raises(
            UserError, match=r"b has shape \[2, 3\], config\.json describes \[3, 2\]"
        ):
            reader.check([("b", (3, 2))])


def test_a_renamed_tensor_is_read_by_its_new_name(tmp_path: Path) -> None:
    tensors = _write(tmp_path, {"a": (2,)})
    with TensorReader(tmp_path) as reader:
        reader.rename("a", "model.a")
        reader.check([("model.a", (2,))])
        assert np.array_equal(reader.read("model.a"), tensors["a"])
        assert reader.names == {"model.a"}


def _write_index(folder: Path, name: str) -> None:
    index = {"weight_map": {"a": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("name", ["../other.safetensors", "/other.safetensors", "b/../../other"])
def test_an_index_that_names_files_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    _write(folder, {"a": (2,)})
    (folder / "model.safetensors").rename(tmp_path / "other.safetensors")
    _write_index(folder, str(tmp_path) + name if name.startswith("/") else name)
    with pytest.raises(UserError, match="outside the model's folder"):
        TensorReader(folder)


def test_a_shard_that_is_a_link_into_a_cache_is_read(tmp_path: Path) -> None:
    """As in the cache of huggingface_hub, where all files are links to `../../blobs/…`."""
    folder = tmp_path / "snapshot"
    tensors = _write(folder, {"a": (2,)})
    (folder / "model.safetensors").rename(tmp_path / "blob")
    (folder / "model-1.safetensors").symlink_to(tmp_path / "blob")
    _write_index(folder, "model-1.safetensors")
    with TensorReader(folder) as reader:
        assert np.array_equal(reader.read("a"), tensors["a"])


@pytest.mark.parametrize("has_shards", [True, False])
def test_a_single_file_goes_before_an_index_left_beside_it(
    tmp_path: Path, has_shards: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """transformers leaves the index of an earlier, sharded save in the folder."""
    if has_shards:
        write_tensors(tmp_path, {"a": (2,)}, "float32", lambda _: np.zeros(2), 10**9)
        (tmp_path / "model.safetensors").rename(tmp_path / "model-1.safetensors")
    _write_index(tmp_path, "model-1.safetensors")
    tensors = _write(tmp_path, {"a": (2,)})
    with TensorReader(tmp_path) as reader:
        assert np.array_equal(reader.read("a"), tensors["a"])
    assert "index.json: ignored" in caplog.text and "delete the one" in caplog.text
