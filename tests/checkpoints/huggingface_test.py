"""Import and export: lossless, sharded, streamed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from rft_jax.checkpoints.huggingface import export_model, import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.checkpoints.load import load_model
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh, param_shardings
from rft_jax.errors import UserError
from rft_jax.models.config import Lora
from rft_jax.models.llama import init_adapters
from rft_jax.models.lora import merge_adapters, with_adapters
from tests.llama_twin import random_tensors


def _all_equal(a: Any, b: Any) -> bool:
    return jax.tree.all(jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), a, b))


def _export(model_folder: Path, target: Path, **options: Any) -> dict[str, np.ndarray]:
    """All tensors of an export of the model folder."""
    model = load_model(model_folder)
    export_model(target, *_parts(model), **options)
    return {k: v for path in target.glob("*.safetensors") for k, v in load_file(path).items()}


def _parts(model: Any) -> tuple[Any, ...]:
    return model.config, model.params, model.tokenizer, model.template


def test_export_writes_the_tensors_that_were_imported(
    model_folder: Path, content: dict[str, Any], tmp_path: Path
) -> None:
    written = _export(model_folder, tmp_path)
    expected = random_tensors(content)
    assert written.keys() == expected.keys()
    for name, tensor in expected.items():
        assert written[name].dtype == np.float32
        np.testing.assert_array_equal(written[name], tensor)


def test_import_of_an_export_gives_the_same_model(model_folder: Path, tmp_path: Path) -> None:
    model = load_model(model_folder)
    export_model(tmp_path, *_parts(model))
    again = load_model(tmp_path)
    assert again.config == model.config
    assert _all_equal(again.params, model.params)
    assert again.tokenizer.fingerprint == model.tokenizer.fingerprint
    assert again.template == model.template


def test_bfloat16_survives_being_loaded_as_float32_and_written_again(
    model_folder: Path, tmp_path: Path
) -> None:
    first = _export(model_folder, tmp_path / "a", dtype="bfloat16")
    assert {tensor.dtype for tensor in first.values()} == {np.dtype(ml_dtypes.bfloat16)}
    second = _export(tmp_path / "a", tmp_path / "b", dtype="bfloat16")
    assert _all_equal(first, second)
    loaded = load_model(tmp_path / "a", dtype="bfloat16", param_dtype="bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(loaded.params)} == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize("sizes", [(1, 8, 1), (2, 2, 2), (1, 1, 4)])
def test_tensors_go_straight_into_the_shards_of_any_mesh(
    model_folder: Path, sizes: tuple[int, int, int]
) -> None:
    config = read_config(model_folder)
    devices = jax.devices()[: int(np.prod(sizes))]
    mesh = make_mesh(MeshSettings(*sizes), devices)
    params = import_params(model_folder, config, mesh)
    assert _all_equal(params, import_params(model_folder, config))
    expected = param_shardings(params, mesh)
    jax.tree.map(
        lambda x, s: x.sharding.is_equivalent_to(s, x.ndim) or pytest.fail(str(s)), params, expected
    )
    kernel = params["layers"]["mlp"]["gate"]["kernel"]
    assert kernel.addressable_shards[0].data.size * sizes[1] * sizes[2] == kernel.size


def test_an_export_from_a_mesh_equals_one_from_a_device(model_folder: Path, tmp_path: Path) -> None:
    model = load_model(model_folder, make_mesh(MeshSettings(2, 2, 2)))
    export_model(tmp_path / "mesh", *_parts(model))
    _export(model_folder, tmp_path / "device")
    for path in (tmp_path / "device").iterdir():
        assert (tmp_path / "mesh" / path.name).read_bytes() == path.read_bytes()


def test_shards_stay_under_the_limit_and_the_index_names_every_tensor(
    model_folder: Path, content: dict[str, Any], tmp_path: Path
) -> None:
    limit = 60_000
    written = _export(model_folder, tmp_path, shard_bytes=limit)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    files = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert len(files) > 2
    assert files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    assert sorted(set(index["weight_map"].values())) == files
    for file in files:
        with safe_open(tmp_path / file, "numpy") as handle:
            assert handle.metadata() == {"format": "pt"}
            assert {n for n, f in index["weight_map"].items() if f == file} == set(handle.keys())
            assert sum(handle.get_tensor(n).nbytes for n in handle.keys()) <= limit  # noqa: SIM118
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in written.values())
    params = import_params(tmp_path, read_config(tmp_path))
    assert _all_equal(params, load_model(model_folder).params)
    assert written.keys() == random_tensors(content).keys()


def test_a_folder_gets_its_config_last(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that is killed leaves no config.json, so no half a model is taken for a whole."""
    model = load_model(model_folder)
    monkeypatch.setattr(type(model.tokenizer), "save", lambda *_: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):
        export_model(tmp_path, *_parts(model))
    assert (tmp_path / "model.safetensors").exists()
    assert not (tmp_path / "config.json").exists()


def _export_with(model_folder: Path, target: Path, value: float, dtype: str) -> None:
    model = load_model(model_folder)
    kernel = model.params["layers"]["mlp"]["down"]["kernel"]
    model.params["layers"]["mlp"]["down"]["kernel"] = kernel.at[1, 0, 0].set(value)
    export_model(target, *_parts(model), dtype=dtype)


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (-1e5, "float16", r"layers\.1\.mlp\.down_proj.* holds 100000, .* 65504; take bfloat16"),
        (3.4e38, "bfloat16", r"layers\.1\.mlp\.down_proj.* over the largest bfloat16"),
        (float("nan"), "float32", r"layers\.1\.mlp\.down_proj.* holds NaN or infinite weights"),
    ],
)
def test_weights_that_the_dtype_cannot_hold_are_refused_by_name(
    model_folder: Path, tmp_path: Path, value: float, dtype: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        _export_with(model_folder, tmp_path, value, dtype)
    assert not (tmp_path / "config.json").exists()


def test_stored_rotary_frequencies_are_ignored(model_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "copy")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(4, np.float32)
    save_file(tensors, folder / "model.safetensors")
    assert _all_equal(load_model(folder).params, load_model(model_folder).params)


def test_names_shapes_and_dtypes_equal_what_save_pretrained_writes(
    model_folder: Path, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    written = _export(model_folder, tmp_path / "ours", dtype="bfloat16")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    assert str(theirs.dtype) == "torch.bfloat16"
    theirs.save_pretrained(tmp_path / "theirs")
    expected = load_file(tmp_path / "theirs" / "model.safetensors")
    assert _all_equal(written, expected)
    assert {k: (v.shape, v.dtype) for k, v in written.items()} == {
        k: (v.shape, v.dtype) for k, v in expected.items()
    }
    names = {path.name for path in (tmp_path / "ours").iterdir()}
    assert {path.name for path in (tmp_path / "theirs").iterdir()} <= names


def test_adapters_are_merged_into_an_export(model_folder: Path, tmp_path: Path) -> None:
    model = load_model(model_folder)
    config = replace(model.config, lora=Lora(rank=2, alpha=4.0, targets=("v", "down")))
    adapters = jax.tree.map(lambda x: x + 0.1, init_adapters(config, jax.random.key(0)))
    params = with_adapters(model.params, adapters)
    export_model(tmp_path, config, params, model.tokenizer, model.template)
    exported = load_model(tmp_path)
    assert exported.config == model.config
    assert _all_equal(exported.params, merge_adapters(config, params))
    assert not _all_equal(exported.params, model.params)
