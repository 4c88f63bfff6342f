"""Model folders that are damaged, hostile or no safetensors: refused with what is wrong."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rft_jax.checkpoints.huggingface import import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.checkpoints.load import load_model
from rft_jax.errors import UserError


def test_a_pickle_is_refused_with_the_fix(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    config = read_config(model_folder)
    with pytest.raises(UserError, match=r"pytorch_model\.bin: a pickle.*save_pretrained"):
        import_params(tmp_path, config)


def _write_index(folder: Path, weight_map: Any) -> None:
    """An index in the place of the single file."""
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(weight_map))


def _damage(folder: Path, how: str) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    if how == "missing":
        del tensors["model.layers.1.mlp.up_proj.weight"]
    elif how == "shape":
        tensors["model.norm.weight"] = np.ones(7, np.float32)
    elif how == "bias":
        tensors["model.layers.0.self_attn.q_proj.bias"] = np.ones(96, np.float32)
    elif how == "layer":
        tensors["model.layers.2.input_layernorm.weight"] = np.ones(96, np.float32)
    elif how == "int8":
        tensors["model.norm.weight"] = np.ones(96, np.int8)
    elif how == "fp8":
        tensors["model.norm.weight"] = np.ones(96, ml_dtypes.float8_e4m3fn)
    if how in ("missing", "shape", "bias", "layer", "int8", "fp8"):
        save_file(tensors, path)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "no weights":
        path.unlink()
    elif how == "shard missing":
        _write_index(
            folder, {"weight_map": dict.fromkeys(tensors, "model-00001-of-00002.safetensors")}
        )
    elif how == "index":
        _write_index(folder, {})
    elif how == "index of numbers":
        _write_index(folder, {"weight_map": {"a": 5}})
    elif how == "index of a folder":
        _write_index(folder, {"weight_map": dict.fromkeys(tensors, ".")})
    elif how == "deep index":
        path.unlink()
        (folder / "model.safetensors.index.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", r"no tensor 'model\.layers\.1\.mlp\.up_proj\.weight'"),
        ("shape", r"model\.norm\.weight has shape \[7\], config\.json describes \[96\]"),
        ("truncated", "damaged"),
        ("no weights", "no weights"),
        ("shard missing", "model-00001-of-00002.safetensors: named in .* but missing"),
        ("index", "no weight_map"),
        ("index of numbers", "no weight_map"),
        ("index of a folder", "damaged"),
        ("deep index", r"index\.json: not JSON"),
        ("bias", r"1 tensors are not part .* 'model\.layers\.0\.self_attn\.q_proj\.bias'"),
        ("layer", r"not part .* the first is 'model\.layers\.2\.input_layernorm\.weight'"),
        ("int8", r"model\.norm\.weight is stored as I8; quantized weights are not supported"),
        ("fp8", r"model\.norm\.weight is stored as F8_E4M3; quantized weights are not supported"),
    ],
)
def test_a_damaged_folder_is_refused_with_what_is_wrong(
    model_folder: Path, tmp_path: Path, how: str, message: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(model_folder, folder)
    _damage(folder, how)
    with pytest.raises(UserError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    "sizes",
    [{"num_hidden_layers": 10**7}, {"vocab_size": 2**31 - 1}, {"head_dim": 2**31 - 2}],
)
def test_a_config_of_absurd_sizes_is_refused_by_the_headers_at_once(
    model_folder: Path, content: dict[str, Any], tmp_path: Path, sizes: dict[str, int]
) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "copy")
    (folder / "config.json").write_text(json.dumps(content | sizes))
    begin = time.monotonic()
    with pytest.raises(UserError, match="don't belong together"):
        load_model(folder)
    assert time.monotonic() - begin < 5
