"""LLaMA parameters from and to Hugging Face model folders (safetensors), without loss.

Import reads tensor by tensor into sharded arrays; export writes one file (≤ 5 GB) at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding
from jaxtyping import Array

from rft_jax.chat_templates import write_chat_template
from rft_jax.checkpoints.huggingface_config import CONFIG_JSON, config_to_json
from rft_jax.checkpoints.safetensors_files import TensorReader, write_tensors
from rft_jax.devices.partitioning import param_shardings, with_shardings
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_json
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_params
from rft_jax.models.lora import merge_adapters
from rft_jax.models.parameters import HEAD, TABLE, Parameter, parameters
from rft_jax.prompts import Template, save_template
from rft_jax.tokenizers import Tokenizer

MAX_SHARD_BYTES = 5 * 10**9
logger = logging.getLogger(__name__)


_FREQUENCIES = "rotary_emb.inv_freq"
_PREFIX = "model."


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
                HEAD,
            )
            config = replace(config, tie_word_embeddings=False)
        described = parameters(config)
        loaded = {
            path: _import_leaf(reader, described[path], leaf)
            for path, leaf in flatten_dict(abstract_params(config, mesh), sep="/").items()
        }
    return unflatten_dict(loaded, sep="/")


def _settle_names(reader: TensorReader, config: LlamaConfig) -> None:
    """Gives tensors their usual names where a folder, as transformers may write it, has others.

    The base model alone is stored without the prefix, a tied table perhaps as the output's.
    """
    if not any(name.startswith(_PREFIX) for name in reader.names):
        for name in reader.names - {HEAD}:
            reader.rename(name, _PREFIX + name)
    if config.tie_word_embeddings and HEAD in reader.names and TABLE not in reader.names:
        reader.rename(HEAD, TABLE)


def _check(reader: TensorReader, folder: str | Path, config: LlamaConfig) -> None:
    """Refuses tensors that don't fit, and those that the model would compute without.

    The rotary frequencies, which old files store, follow from config.json.
    """
    has_head = HEAD in reader.names
    if TABLE in reader.names and not (has_head or config.tie_word_embeddings):
        raise UserError(
            f"{folder}: no tensor {HEAD!r}; if the embedding is the output's table too, set "
            "tie_word_embeddings to true in config.json, else copy the whole model folder again"
        )
    stored = replace(config, tie_word_embeddings=not has_head)
    reader.check(_stored_shapes(stored))
    others = [
        n
        for n in reader.names - dict(_stored_shapes(stored)).keys()
        if not n.endswith(_FREQUENCIES)
    ]
    if others:
        raise UserError(
            f"{folder}: {len(others)} tensors are not part of the model that config.json "
            f"describes, the first is {min(others)!r}; the two don't belong together, or the model "
            "has an architecture that this package does not implement"
        )


def _stored_shapes(config: LlamaConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every stored tensor's name and shape."""
    for name, source in _sources(config):
        yield name, source.parameter.stored_shape


def _has_another_head(reader: TensorReader) -> bool:
    """Whether the output's table is stored and differs from the embedding."""
    return HEAD in reader.names and not np.array_equal(reader.read(TABLE), reader.read(HEAD))


def abstract_params(config: LlamaConfig, mesh: Mesh | None = None) -> Params:
    """The parameter tree with a ShapeDtypeStruct for every array; nothing is computed.

    Args:
      mesh: devices of their shardings, by the rules of `partitioning`; None for the first device.
    """
    shapes = jax.eval_shape(partial(init_params, config), jax.random.key(0))
    first = SingleDeviceSharding(jax.devices()[0])
    on_first = jax.tree.map(lambda _: first, shapes)
    return with_shardings(shapes, on_first if mesh is None else param_shardings(shapes, mesh))


def _import_leaf(reader: TensorReader, parameter: Parameter, leaf: jax.ShapeDtypeStruct) -> Array:
    def read(name: str, sharding: Sharding) -> Array:
        ours = parameter.to_ours(reader.read(name))
        return jax.make_array_from_callback(
            ours.shape, sharding, lambda index: ours[index].astype(leaf.dtype)
        )

    if leaf.shape == parameter.shape:
        return read(parameter.tensor, leaf.sharding)
    stacked = jnp.zeros(leaf.shape, leaf.dtype, device=leaf.sharding)
    for layer in range(leaf.shape[0]):
        one = read(parameter.tensor.format(layer), _without_layers(leaf.sharding))
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
    leaves = flatten_dict(merge_adapters(config, params), sep="/")
    sources = dict(_sources(config))

    def fetch(name: str) -> np.ndarray:
        parameter, path, layer = sources[name]
        leaf = leaves[path] if layer is None else leaves[path][layer]
        return parameter.to_theirs(to_host(leaf))

    is_writer = jax.process_index() == 0
    write_tensors(folder, dict(_stored_shapes(config)), dtype, fetch, shard_bytes, write=is_writer)
    if is_writer:
        write_description(folder, config, tokenizer, template, dtype)


def write_description(
    folder: str | Path, config: LlamaConfig, tokenizer: Tokenizer, template: Template, dtype: str
) -> None:
    """Writes what a model folder has beside its weights: tokenizer, template, last config.json."""
    tokenizer.save(folder)
    save_template(template, folder)
    write_chat_template(folder, template, has_bos=tokenizer.bos_id is not None)
    content = config_to_json(config, dtype) | dict(tokenizer.config_ids)
    write_json(Path(folder) / CONFIG_JSON, content)


class Source(NamedTuple):
    """What a stored tensor is made of: a parameter, its path, and the layer of a stacked one."""

    parameter: Parameter
    path: str
    layer: int | None


def _sources(config: LlamaConfig) -> Iterator[tuple[str, Source]]:
    """Every stored tensor's name, in the order of the files: layer by layer."""
    described = parameters(config).items()
    for is_layered, group in groupby(described, lambda item: item[0].startswith("layers/")):
        members = list(group)
        for layer in range(config.num_layers) if is_layered else (None,):
            for path, parameter in members:
                yield parameter.tensor.format(layer), Source(parameter, path, layer)


def to_host(array: Array) -> np.ndarray:
    """The complete array on this host, on whichever devices its shards are."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)
