"""Adapters (LoRA) in the format of Hugging Face's PEFT, in and out, losslessly.

A folder has `adapter_config.json` and `adapter_model.safetensors`. A tensor is called as the module
that it adapts: `base_model.model.` + its name in the base model + `.lora_A.weight` (rank × inputs)
or `.lora_B.weight` (outputs × rank), always float32 here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save

from rft_jax.checkpoints.huggingface import to_host
from rft_jax.checkpoints.safetensors_files import TensorReader
from rft_jax.errors import UserError
from rft_jax.files.atomic import make_folder
from rft_jax.files.jsonl import atomic_write, read_object, write_json
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.families import KERNELS
from rft_jax.models.llama import Params
from rft_jax.models.numbers import REAL, WHOLE, fault_of
from rft_jax.models.parameters import Parameter, adapted_kernels

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
    "lora_bias": (False, None),
    "use_qalora": (False, None),
    "layer_replication": (None, []),
    "target_parameters": (None, []),
    "alora_invocation_tokens": (None, []),
    # The others change the base model's weights, so that the adapter alone is not all of it.
    "init_lora_weights": (True, False, None, "gaussian", "orthogonal", "eva"),
}


class _Adapter(NamedTuple):
    """A kernel's adapter: its path in the tree, its module in the files, and the kernel."""

    path: str
    module: str
    kernel: Parameter

    def tensors(self, layer: int) -> dict[str, str]:
        """The names of its two tensors in the files, by letter."""
        return {letter: f"{self.module.format(layer)}.lora_{letter}.weight" for letter in "AB"}


def _adapters(config: LlamaConfig, targets: tuple[str, ...]) -> Iterator[_Adapter]:
    for path, kernel in adapted_kernels(config, targets):
        yield _Adapter(path, _PREFIX + kernel.tensor.removesuffix(".weight"), kernel)


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
            names = one.tensors(layer)
            narrow, wide = down[layer].reshape(-1, rank).T, up[layer].reshape(rank, -1).T
            tensors[names["A"]] = np.ascontiguousarray(narrow)
            tensors[names["B"]] = np.ascontiguousarray(wide)
    if jax.process_index() == 0:
        make_folder(Path(folder))
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
    folder = Path(folder)
    content = read_object(folder / CONFIG)
    lora = _read_lora(content, folder / CONFIG)
    stored = _read_tensors(folder)
    lora = replace(lora, targets=_targets(config, stored, folder, content))
    leaves: dict[str, np.ndarray] = {}
    for one in _adapters(config, lora.targets):
        shapes = {
            "A": (*one.kernel.input_axes, lora.rank),
            "B": (lora.rank, *one.kernel.output_axes),
        }
        for letter, shape in shapes.items():
            names = [one.tensors(layer)[letter] for layer in range(config.num_layers)]
            tensors = [_tensor(stored, name, shape, folder) for name in names]
            leaves[f"{one.path}/lora_{letter.lower()}"] = np.stack(tensors)
    return replace(config, lora=lora), unflatten_dict(leaves, sep="/")


def _read_lora(content: Mapping[str, Any], path: Path) -> Lora:
    """Rank and scale, of all kernels."""
    for name, neutral in _NEUTRAL.items():
        if content.get(name) not in neutral:
            raise UserError(
                f"{path}: {name} is {content.get(name)!r:.60}, which this package does not "
                "compute; merge the adapter into the model with PEFT (merge_and_unload) and import "
                "that"
            )
    rank: Any = content.get("r")
    alpha: Any = content.get("lora_alpha")
    if fault_of(rank, WHOLE) or fault_of(alpha, REAL):
        raise UserError(
            f"{path}: r is {rank!r:.60} and lora_alpha {alpha!r:.60}; positive numbers are needed"
        )
    scale = math.sqrt(rank) if content.get("use_rslora") else 1.0
    return Lora(rank, alpha * scale)


def _read_tensors(folder: Path) -> dict[str, np.ndarray]:
    if not (folder / TENSORS).is_file():
        raise UserError(f"{folder}: no {TENSORS}; name the folder of a PEFT adapter")
    with TensorReader(folder, TENSORS) as reader:
        return {name: reader.read(name) for name in reader.names}


def _targets(
    config: LlamaConfig, stored: Collection[str], folder: Path, content: Mapping[str, Any]
) -> tuple[str, ...]:
    """The kernels that have an adapter among the stored tensors.

    Raises:
      UserError: none has one, or there are other tensors.
    """
    found: list[str] = []
    others = set(stored)
    for one in _adapters(config, KERNELS):
        names = {name for n in range(config.num_layers) for name in one.tensors(n).values()}
        if not names.isdisjoint(others):
            found.append(one.path.rpartition("/")[2])
        others -= names
    if others or not found:
        base = f"name the base model {content.get('base_model_name_or_path')!r:.100}"
        first = f", the first is {min(others)!r:.200}" if others else ""
        raise UserError(
            f"{folder}: {len(others)} tensors are not adapters of the model's kernels{first}, and "
            f"{len(stored) - len(others)} are; {base}"
        )
    return tuple(found)


def _tensor(
    stored: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], folder: Path
) -> np.ndarray:
    """A stored tensor as a layer's `lora_a` or `lora_b` of this shape."""
    rows = math.prod(shape[1:]) if name.endswith("B.weight") else shape[-1]
    expected = (rows, math.prod(shape) // rows)
    if name not in stored:
        raise UserError(f"{folder}: {name} is missing; every layer's kernel needs an adapter")
    if stored[name].shape != expected:
        raise UserError(
            f"{folder}: {name} has the shape {stored[name].shape}; {expected} is needed, by r in "
            f"{CONFIG} and the base model"
        )
    return stored[name].astype(np.float32).T.reshape(shape)
