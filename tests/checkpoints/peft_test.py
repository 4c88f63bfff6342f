"""Adapters in PEFT's format: keys and config as PEFT has them, and back without loss."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from safetensors.numpy import load as load_file_of
from safetensors.numpy import load_file, save_file

from rft_jax.checkpoints.huggingface import export_model
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.checkpoints.load import copy_model, load_model
from rft_jax.checkpoints.peft import CONFIG, TENSORS, export_adapters, read_adapters
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.families import KERNELS
from rft_jax.models.llama import Params, init_adapters
from rft_jax.models.lora import with_adapters


def _adapters(config: LlamaConfig) -> Params:
    """Adapters as they might be after training: B is not zero any more."""
    leaves, tree = jax.tree.flatten(init_adapters(config, jax.random.key(1)))
    keys = jax.random.split(jax.random.key(2), len(leaves))
    noisy = [x + 0.1 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, noisy)


@pytest.fixture(scope="module")
def adapted(model_folder: Path) -> tuple[LlamaConfig, Params]:
    """The model's shape with adapters of all kernels, and the adapters."""
    config = replace(read_config(model_folder), lora=Lora(3, 7.0))
    return config, _adapters(config)


@pytest.fixture
def exported(
    adapted: tuple[LlamaConfig, Params], tmp_path: Path
) -> tuple[Path, LlamaConfig, Params]:
    """A folder with the adapters, the shape, and the adapters."""
    export_adapters(tmp_path / "adapter", *adapted, "owner/base")
    return tmp_path / "adapter", *adapted


@pytest.mark.parametrize("targets", [KERNELS, ("q", "o", "down")], ids=["all", "some"])
def test_export_and_import_are_lossless(
    adapted: tuple[LlamaConfig, Params], targets: tuple[str, ...], tmp_path: Path
) -> None:
    config = replace(adapted[0], lora=Lora(3, 7.0, targets))
    export_adapters(tmp_path, config, adapted[1], "owner/base")
    found, back = read_adapters(tmp_path, replace(config, lora=None))
    assert found == config
    theirs = flatten_dict(back)
    ours = {path: x for path, x in flatten_dict(adapted[1]).items() if path[2] in targets}
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[path], theirs[path]) for path in ours)


def test_the_files_are_those_that_peft_writes(exported: tuple[Path, LlamaConfig, Params]) -> None:
    folder, config, _ = exported
    content = json.loads((folder / CONFIG).read_text())
    assert config.lora is not None
    assert content["target_modules"] == sorted(f"{name}_proj" for name in KERNELS)
    assert (content["peft_type"], content["task_type"]) == ("LORA", "CAUSAL_LM")
    assert (content["r"], content["lora_alpha"]) == (3, 7.0)
    assert content["base_model_name_or_path"] == "owner/base"
    tensors = load_file(folder / TENSORS)
    assert len(tensors) == 2 * config.num_layers * len(config.lora.targets)
    start = "base_model.model.model.layers.1.self_attn.o_proj"
    width = config.num_heads * config.head_size
    assert tensors[f"{start}.lora_A.weight"].shape == (3, width)
    assert tensors[f"{start}.lora_B.weight"].shape == (config.hidden_size, 3)


def test_a_model_with_a_merged_adapter_is_that_of_the_training(
    exported: tuple[Path, LlamaConfig, Params], model_folder: Path, tmp_path: Path
) -> None:
    folder, config, adapters = exported
    copy_model(model_folder, tmp_path / "merged", adapter=str(folder))
    base = load_model(model_folder)
    params = with_adapters(base.params, adapters)
    export_model(tmp_path / "trained", config, params, base.tokenizer, base.template)
    one, other = (load_file(tmp_path / n / "model.safetensors") for n in ("merged", "trained"))
    assert all(np.array_equal(one[name], other[name]) for name in other)
    assert one.keys() == other.keys()
    plain = load_file(model_folder / "model.safetensors")
    assert not np.array_equal(one["model.layers.0.self_attn.q_proj.weight"],
                              plain["model.layers.0.self_attn.q_proj.weight"])  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("use_dora", True), ("bias", "all"), ("modules_to_save", ["lm_head"])),
        *(("peft_type", "IA3"), ("init_lora_weights", "pissa_niter_4"), ("lora_bias", True)),
        *(("layer_replication", [[0, 2]]), ("alora_invocation_tokens", [5])),
    ],
)
def test_what_would_be_computed_without_is_refused(
    exported: tuple[Path, LlamaConfig, Params], field: str, value: object
) -> None:
    folder, config, _ = exported
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**content, field: value}))
    with pytest.raises(UserError, match=f"{field} is .* does not compute; merge the adapter"):
        read_adapters(folder, replace(config, lora=None))


@pytest.mark.parametrize(
    "change",
    [{"r": 0}, {"r": -4, "use_rslora": True}, {"r": 10**400, "use_rslora": True}, {"r": True}]
    + [{"lora_alpha": value} for value in (float("nan"), 10**400, "16", None)],
)
def test_a_rank_or_a_scale_that_is_none_is_refused_with_both(
    exported: tuple[Path, LlamaConfig, Params], change: dict[str, object]
) -> None:
    folder, config, _ = exported
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**content, **change}))
    with pytest.raises(UserError, match=r"adapter_config\.json: r is .* and lora_alpha .*positive"):
        read_adapters(folder, replace(config, lora=None))


def test_damaged_files_are_named(exported: tuple[Path, LlamaConfig, Params]) -> None:
    folder, config, _ = exported
    base, whole = replace(config, lora=None), (folder / TENSORS).read_bytes()
    for content in (b"", whole[:20], whole[:-5], b"\xff" * 50):
        (folder / TENSORS).write_bytes(content)
        with pytest.raises(UserError, match=r"adapter_model\.safetensors: damaged"):
            read_adapters(folder, base)
    tensors = load_file_of(whole)
    save_file({name: x.astype(np.int8) for name, x in tensors.items()}, folder / TENSORS)
    with pytest.raises(UserError, match="is stored as I8; quantized weights"):
        read_adapters(folder, base)
    save_file({}, folder / TENSORS)
    with pytest.raises(UserError, match=r"0 tensors are not adapters .* kernels, and 0 are; name"):
        read_adapters(folder, base)
    (folder / CONFIG).write_text("[]")
    with pytest.raises(UserError, match=r"adapter_config\.json: a JSON object is needed"):
        read_adapters(folder, base)


def test_rank_stabilised_scales_are_read(exported: tuple[Path, LlamaConfig, Params]) -> None:
    folder, config, _ = exported
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**content, "use_rslora": True}))
    found, _ = read_adapters(folder, replace(config, lora=None))
    assert found.lora is not None and found.lora.scale == pytest.approx(7.0 / 3**0.5)


def test_other_tensors_are_named(exported: tuple[Path, LlamaConfig, Params]) -> None:
    folder, config, _ = exported
    tensors = load_file(folder / TENSORS)
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    whole = replace(config, lora=None)
    save_file({**tensors, "x.lora_A.weight": tensors[name]}, folder / TENSORS)
    with pytest.raises(UserError, match=r"1 tensors are not adapters .*'x\.lora_A\.weight'"):
        read_adapters(folder, whole)
    save_file({n: t for n, t in tensors.items() if n != name}, folder / TENSORS)
    with pytest.raises(UserError, match=r"adapter: .*lora_A\.weight is missing; every layer's"):
        read_adapters(folder, whole)
    save_file({**tensors, name: tensors[name][:, 1:].copy()}, folder / TENSORS)
    with pytest.raises(UserError, match=r"has the shape \(3, \d+\); \(3, \d+\) is needed"):
        read_adapters(folder, whole)
