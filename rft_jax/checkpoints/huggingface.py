"""LLaMA parameters from and to Hugging Face model folders (safetensors), without loss.

Import reads tensor by tensor into sharded arrays; export writes one file (≤ 5 GB) at a time.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding
from jaxtyping import Array

from rft_jax.checkpoints.huggingface_config import CONFIG_JSON, config_to_json
from rft_jax.checkpoints.safetensors_files import TensorReader, write_tensors
from rft_jax.devices.partitioning import param_shardings, path_name, with_shardings
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_json
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_params
from rft_jax.models.lora import merge_adapters
from rft_jax.models.shapes import param_shapes
from rft_jax.prompts import Template, save_template
from rft_jax.tokenizers import Tokenizer

MAX_SHARD_BYTES = 5 * 10**9
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Weight:
    """How a parameter is stored in a Hugging Face file.

    Attributes:
      name: the tensor's name, `{}` for the layer's index.
      inputs: number of leading axes of the kernel that are contracted with the input; the file has
        two axes, outputs first. None for a tensor that is stored as it is.
    """

    name: str
    inputs: int | None = None

    def to_ours(self, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A view of a stored tensor as the parameter (of one layer), which has this shape."""
        return tensor if self.inputs is None else tensor.T.reshape(shape)

    def to_theirs(self, tensor: np.ndarray) -> np.ndarray:
        """The inverse of `to_ours`."""
        if self.inputs is None:
            return tensor
        return tensor.reshape(self.their_shape(tensor.shape)[::-1]).T

    def their_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The stored shape of a parameter (of one layer) with this shape."""
        if self.inputs is None:
            return shape
        return math.prod(shape[self.inputs :]), math.prod(shape[: self.inputs])


_FREQUENCIES = "rotary_emb.inv_freq"
_PREFIX = "model."
_LAYER = _PREFIX + "layers.{}."
WEIGHTS = {
    "embed/embedding": Weight("model.embed_tokens.weight"),
    "layers/attention_norm/scale": Weight(_LAYER + "input_layernorm.weight"),
    "layers/attention/q/kernel": Weight(_LAYER + "self_attn.q_proj.weight", inputs=1),
    "layers/attention/k/kernel": Weight(_LAYER + "self_attn.k_proj.weight", inputs=1),
    "layers/attention/v/kernel": Weight(_LAYER + "self_attn.v_proj.weight", inputs=1),
    "layers/attention/o/kernel": Weight(_LAYER + "self_attn.o_proj.weight", inputs=2),
    "layers/mlp_norm/scale": Weight(_LAYER + "post_attention_layernorm.weight"),
    "layers/mlp/gate/kernel": Weight(_LAYER + "mlp.gate_proj.weight", inputs=1),
    "layers/mlp/up/kernel": Weight(_LAYER + "mlp.up_proj.weight", inputs=1),
    "layers/mlp/down/kernel": Weight(_LAYER + "mlp.down_proj.weight", inputs=1),
    "final_norm/scale": Weight("model.norm.weight"),
    "unembed/kernel": Weight("lm_head.weight", inputs=1),
}
_TABLE, _HEAD = WEIGHTS["embed/embedding"].name, WEIGHTS["unembed/kernel"].name


def import_params(folder: str | Path, config: LlamaConfig, mesh: Mesh | None = None) -> Params:
    """The parameters in a Hugging Face folder, as arrays of `config.param_dtype`.

    Host memory holds the arrays that are placed there and one tensor of the file. With several
    processes each reads the files and keeps its shards.

    Args:
      folder: with `model.safetensors`, or shards and their index.
      config: as `read_config` reads it. A model that it ties and that stores another output table
        all the same gets that table, as in transformers: the result has `unembed` then.
      mesh: devices of the parameters, by the rules of `partitioning`; None for the first device.

    Raises:
      UserError: a tensor is missing, has another shape than `config` describes, or is not part of
        the model that it describes.
    """
    with TensorReader(folder) as reader:
        _settle_names(reader, config)
        _check(reader, folder, config)
        if config.tie_word_embeddings and _has_another_head(reader):
            logger.warning(
                "%s: config.json ties the embeddings, but the stored %s differs; the stored one is "
                "used (as in transformers), and tie_word_embeddings is taken as false",
                folder,
                _HEAD,
            )
            config = replace(config, tie_word_embeddings=False)
        loaded = {
            path: _import_leaf(reader, path, leaf)
            for path, leaf in _flatten(abstract_params(config, mesh))
        }
    return _unflatten(loaded)


def _settle_names(reader: TensorReader, config: LlamaConfig) -> None:
    """Gives tensors their usual names where a folder, as transformers may write it, has others.

    The base model alone is stored without the prefix, a tied table perhaps as the output's.
    """
    if not any(name.startswith(_PREFIX) for name in reader.names):
        for name in reader.names - {_HEAD}:
            reader.rename(name, _PREFIX + name)
    if config.tie_word_embeddings and _HEAD in reader.names and _TABLE not in reader.names:
        reader.rename(_HEAD, _TABLE)


def _check(reader: TensorReader, folder: str | Path, config: LlamaConfig) -> None:
    """Refuses tensors that don't fit, and those that the model would compute without.

    The rotary frequencies, which old files store, follow from config.json.
    """
    has_head = _HEAD in reader.names
    if _TABLE in reader.names and not (has_head or config.tie_word_embeddings):
        raise UserError(
            f"{folder}: no tensor {_HEAD!r}; if the embedding is the output's table too, set "
            "tie_word_embeddings to true in config.json, else copy the whole model folder again"
        )
    stored = replace(config, tie_word_embeddings=not has_head)
    reader.check(_expected(stored))
    expected = {name for name, _ in _expected(stored)}
    others = [n for n in reader.names - expected if not n.endswith(_FREQUENCIES)]
    if others:
        raise UserError(
            f"{folder}: {len(others)} tensors are not part of the model that config.json "
            f"describes, the first is {min(others)!r}; the two don't belong together, or the model "
            "has an architecture that this package does not implement"
        )


def _expected(config: LlamaConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor's name in the files with its shape there, in the order of `_file_order`."""
    shapes = param_shapes(config)
    for name, (path, layer) in _file_order(config):
        yield name, WEIGHTS[path].their_shape(shapes[path][layer is not None :])


def _has_another_head(reader: TensorReader) -> bool:
    """Whether the output's table is stored and differs from the embedding."""
    return _HEAD in reader.names and not np.array_equal(reader.read(_TABLE), reader.read(_HEAD))


def abstract_params(config: LlamaConfig, mesh: Mesh | None = None) -> Params:
    """The parameter tree with a ShapeDtypeStruct for every array; nothing is computed.

    Args:
      mesh: devices of their shardings, by the rules of `partitioning`; None for the first device.
    """
    shapes = jax.eval_shape(partial(init_params, config), jax.random.key(0))
    first = SingleDeviceSharding(jax.devices()[0])
    on_first = jax.tree.map(lambda _: first, shapes)
    return with_shardings(shapes, on_first if mesh is None else param_shardings(shapes, mesh))


def _import_leaf(reader: TensorReader, path: str, leaf: jax.ShapeDtypeStruct) -> Array:
    weight, sharding = WEIGHTS[path], leaf.sharding

    def read(name: str, shape: tuple[int, ...], sharding: Sharding) -> Array:
        ours = weight.to_ours(reader.read(name), shape)
        return jax.make_array_from_callback(
            shape, sharding, lambda index: ours[index].astype(leaf.dtype)
        )

    if not path.startswith("layers/"):
        return read(weight.name, leaf.shape, sharding)
    stacked = jnp.zeros(leaf.shape, leaf.dtype, device=sharding)
    for layer in range(leaf.shape[0]):
        one = read(weight.name.format(layer), leaf.shape[1:], _without_layers(sharding))
        stacked = _put_layer(stacked, one, layer)
    return stacked


def _without_layers(sharding: Sharding) -> Sharding:
    """The sharding of one layer of a stacked parameter; the layers' axis is never split."""
    if isinstance(sharding, NamedSharding):
        return NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[1:]))
    return sharding


@partial(jax.jit, donate_argnums=0)
def _put_layer(stacked: Array, one: Array, layer: int) -> Array:
    """Writes one layer in place: `stacked` is donated, so no second copy of it exists."""
    return jax.lax.dynamic_update_index_in_dim(stacked, one, layer, 0)


def export_model(
    folder: str | Path,
    config: LlamaConfig,
    params: Params,
    tokenizer: Tokenizer,
    template: Template,
    dtype: str = "float32",
    shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Writes a folder that transformers, vLLM and `load_model` read; adapters are merged.

    `config.json` is written last, so a folder that has one is complete. With several processes all
    must call this; the first one writes.

    Args:
      folder: where; made if it is not there.
      config: the model's shape, adapters included.
      params: the parameters, layers stacked.
      tokenizer: whose files are copied.
      template: the prompt template that the model carries.
      dtype: of the stored parameters: 'float32', 'bfloat16' or 'float16'.
      shard_bytes: most bytes of a safetensors file, unless one tensor has more.

    Raises:
      UserError: a weight is NaN, infinite or too large for the dtype.
    """
    leaves = dict(_flatten(merge_adapters(config, params)))
    sources = dict(_file_order(config))
    shapes = {
        name: WEIGHTS[path].their_shape(leaves[path].shape[layer is not None :])
        for name, (path, layer) in sources.items()
    }

    def fetch(name: str) -> np.ndarray:
        path, layer = sources[name]
        leaf = leaves[path] if layer is None else leaves[path][layer]
        return WEIGHTS[path].to_theirs(_to_host(leaf))

    is_writer = jax.process_index() == 0
    write_tensors(folder, shapes, dtype, fetch, shard_bytes, write=is_writer)
    if is_writer:
        write_description(folder, config, tokenizer, template, dtype)


def write_description(
    folder: str | Path, config: LlamaConfig, tokenizer: Tokenizer, template: Template, dtype: str
) -> None:
    """Writes what a model folder has beside its weights: tokenizer, template, last config.json."""
    tokenizer.save(folder)
    save_template(template, folder)
    content = config_to_json(config, dtype) | dict(tokenizer.config_ids)
    write_json(Path(folder) / CONFIG_JSON, content)


def _file_order(config: LlamaConfig) -> Iterator[tuple[str, tuple[str, int | None]]]:
    """Every stored tensor's name with the parameter's path and layer, layer by layer."""
    layered = [path for path in WEIGHTS if path.startswith("layers/")]
    yield _TABLE, ("embed/embedding", None)
    for layer in range(config.num_layers):
        for path in layered:
            yield WEIGHTS[path].name.format(layer), (path, layer)
    yield WEIGHTS["final_norm/scale"].name, ("final_norm/scale", None)
    if not config.tie_word_embeddings:
        yield _HEAD, ("unembed/kernel", None)


def _to_host(array: Array) -> np.ndarray:
    """The complete array on this host, on whichever devices its shards are."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def _flatten(tree: Any) -> Iterator[tuple[str, Any]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield path_name(path), leaf


def _unflatten(leaves: dict[str, Any]) -> Params:
    tree: Params = {}
    for path, leaf in leaves.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = leaf
    return tree
