"""Adapters (LoRA) in the format of Hugging Face's PEFT, in and out, losslessly.

A folder has `adapter_config.json` and `adapter_model.safetensors`. A tensor is called as the module
that it adapts: `base_model.model.` + its name in the base model + `.lora_A.weight` (rank × inputs)
or `.lora_B.weight` (outputs × rank), always float32 here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import load_file, save

from rft_jax.checkpoints.huggingface import to_host
from rft_jax.errors import UserError
from rft_jax.files.jsonl import atomic_write, read_json, write_json
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.families import KERNELS
from rft_jax.models.llama import Params
from rft_jax.models.parameters import Parameter, parameters

FOLDER = "adapter"
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
# Fields of adapter_config.json that change the computation, with the values that don't.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    "use_dora": (False, None),
    "fan_in_fan_out": (False, None),
    "modules_to_save": (None, []),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "trainable_token_indices": (None,),
}


class _Adapter(NamedTuple):
    """A kernel's adapter: its place in the tree, its module in the files, and the kernel."""

    path: str
    module: str
    kernel: Parameter

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.kernel.shape[: self.kernel.inputs]

    @property
    def outputs(self) -> tuple[int, ...]:
        return self.kernel.shape[self.kernel.inputs :]


def _adapters(config: LlamaConfig, targets: tuple[str, ...]) -> Iterator[_Adapter]:
    for path, kernel in parameters(config).items():
        place, _, name = path.rpartition("/")
        if path.startswith("layers/") and name == "kernel" and place.split("/")[-1] in targets:
            yield _Adapter(place, _PREFIX + kernel.tensor.removesuffix(".weight"), kernel)


def export_adapters(
    folder: str | Path, config: LlamaConfig, adapters: Params, base_model: str
) -> None:
    """Writes a folder that `PeftModel.from_pretrained` reads, config last.

    With several processes all must call this; the first one writes.

    Args:
      folder: of the two files; made if it is not there.
      config: the model's shape, with `lora`.
      adapters: the adapters, layers stacked; other parameters are left out.
      base_model: the folder or Hub name of the model that they belong to.
    """
    assert config.lora is not None
    leaves = flatten_dict(adapters, sep="/")
    rank, tensors = config.lora.rank, {}
    for one in _adapters(config, config.lora.targets):
        down, up = (to_host(leaves[f"{one.path}/lora_{letter}"]) for letter in "ab")
        for layer in range(config.num_layers):
            module = one.module.format(layer)
            narrow, wide = down[layer].reshape(-1, rank).T, up[layer].reshape(rank, -1).T
            tensors[f"{module}.lora_A.weight"] = np.ascontiguousarray(narrow)
            tensors[f"{module}.lora_B.weight"] = np.ascontiguousarray(wide)
    if jax.process_index() == 0:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with atomic_write(Path(folder) / TENSORS, "wb") as file:
            file.write(save(tensors, {"format": "pt"}))
        write_json(Path(folder) / CONFIG, _description(config, config.lora, base_model))


def _description(config: LlamaConfig, lora: Lora, base_model: str) -> dict[str, Any]:
    modules = {one.module.rpartition(".")[2] for one in _adapters(config, lora.targets)}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted(modules),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "use_dora": False,
        "use_rslora": False,
    }


def read_adapters(folder: str | Path, config: LlamaConfig) -> tuple[LlamaConfig, Params]:
    """The adapters of a folder and the model's shape with them.

    Args:
      config: the base model's shape.

    Raises:
      UserError: the folder needs something that this package does not compute, or its tensors are
        not those of adapters of this model.
    """
    path = Path(folder) / CONFIG
    lora, content = _read_description(path), read_json(path)
    stored = _read_tensors(Path(folder))
    names = {name for one in _adapters(config, KERNELS) for name in _names(one, config)}
    if others := sorted(stored.keys() - names):
        raise UserError(
            f"{folder}: {len(others)} tensors are not adapters of the model's kernels, the first "
            f"is {others[0]!r}; name the base model {content.get('base_model_name_or_path')!r}"
        )
    targets = tuple(
        one.path.rpartition("/")[2]
        for one in _adapters(config, KERNELS)
        if any(name in stored for name in _names(one, config))
    )
    leaves: dict[str, np.ndarray] = {}
    for one in _adapters(config, targets):
        shapes = {"a": (*one.inputs, lora.rank), "b": (lora.rank, *one.outputs)}
        for letter, shape in shapes.items():
            tensors = [
                _tensor(stored, f"{one.module.format(n)}.lora_{letter.upper()}.weight", shape, one)
                for n in range(config.num_layers)
            ]
            leaves[f"{one.path}/lora_{letter}"] = np.stack(tensors)
    adapted = replace(config, lora=replace(lora, targets=targets))
    return adapted, unflatten_dict(leaves, sep="/")


def _read_description(path: Path) -> Lora:
    content = read_json(path)
    for name, neutral in _NEUTRAL.items():
        if content.get(name) not in neutral:
            raise UserError(
                f"{path}: {name} is {content.get(name)!r}, which this package does not compute; "
                "merge the adapter into the model with PEFT (merge_and_unload) and import that"
            )
    rank, alpha = content.get("r"), content.get("lora_alpha")
    if type(rank) is not int or not isinstance(alpha, int | float):
        raise UserError(f"{path}: r is {rank!r} and lora_alpha {alpha!r}; numbers are needed")
    scale = math.sqrt(rank) if content.get("use_rslora") else 1.0
    return Lora(rank, alpha * scale)


def _read_tensors(folder: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(folder / TENSORS)
    except FileNotFoundError as error:
        raise UserError(f"{folder}: no {TENSORS}; name the folder of a PEFT adapter") from error


def _names(adapter: _Adapter, config: LlamaConfig) -> list[str]:
    modules = map(adapter.module.format, range(config.num_layers))
    return [f"{module}.lora_{letter}.weight" for module in modules for letter in "AB"]


def _tensor(
    stored: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], adapter: _Adapter
) -> np.ndarray:
    """A stored tensor as a layer's `lora_a` or `lora_b` of this shape."""
    rows = math.prod(shape[1:]) if name.endswith("B.weight") else shape[-1]
    expected = (rows, math.prod(shape) // rows)
    if name not in stored:
        raise UserError(f"{name}: missing; every layer's {adapter.path} needs an adapter")
    if stored[name].shape != expected:
        raise UserError(f"{name}: has the shape {stored[name].shape}; {expected} is needed")
    return stored[name].astype(np.float32).T.reshape(shape)
