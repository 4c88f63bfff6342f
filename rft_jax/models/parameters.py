"""The parameters of a model: their shapes, and how Hugging Face files store them; plain Python."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rft_jax.models.config import LlamaConfig

if TYPE_CHECKING:
    import numpy as np

TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_LAYER = "model.layers.{}."


@dataclass(frozen=True)
class Parameter:
    """A parameter here, and the tensor of a Hugging Face file that holds it.

    Attributes:
      shape: its axes; of one layer, where every layer has one.
      tensor: the stored tensor's name, `{}` for the layer's index.
      inputs: number of leading axes that are contracted with the input: the tensor has two axes,
        outputs first. 0: the tensor has one axis. None: the tensor is the parameter.
    """

    shape: tuple[int, ...]
    tensor: str
    inputs: int | None = None

    def to_ours(self, stored: np.ndarray) -> np.ndarray:
        """A view of the stored tensor as the parameter (of one layer)."""
        return stored if self.inputs is None else stored.T.reshape(self.shape)

    def to_theirs(self, ours: np.ndarray) -> np.ndarray:
        """The inverse of `to_ours`."""
        return ours if self.inputs is None else ours.reshape(self.stored_shape[::-1]).T

    @property
    def input_axes(self) -> tuple[int, ...]:
        """Sizes of the axes that are contracted with the input."""
        return self.shape[: self.inputs or 0]

    @property
    def output_axes(self) -> tuple[int, ...]:
        """Sizes of the other axes."""
        return self.shape[self.inputs or 0 :]

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the stored tensor."""
        if self.inputs is None:
            return self.shape
        outputs = math.prod(self.output_axes)
        return (outputs, math.prod(self.input_axes)) if self.inputs else (outputs,)


def parameters(config: LlamaConfig) -> dict[str, Parameter]:
    """Every parameter by its path, layers stacked under `layers/`; without adapters."""
    width, vocabulary = config.hidden_size, config.vocab_size
    found = {"embed/embedding": Parameter((vocabulary, width), TABLE)}
    found |= {
        f"layers/{path}": replace(parameter, tensor=_LAYER + parameter.tensor)
        for path, parameter in _layer(config)
    }
    found["final_norm/scale"] = Parameter((width,), "model.norm.weight")
    if not config.tie_word_embeddings:
        found["unembed/kernel"] = Parameter((width, vocabulary), HEAD, inputs=1)
    return found


def adapted_kernels(
    config: LlamaConfig, targets: Collection[str]
) -> Iterator[tuple[str, Parameter]]:
    """The kernels that low-rank adapters of these targets belong to, by their module's path.

    Args:
      targets: some of q, k, v, o, gate, up, down.
    """
    for path, parameter in parameters(config).items():
        module, _, name = path.rpartition("/")
        is_layers = path.startswith("layers/") and name == "kernel"
        if is_layers and module.rpartition("/")[2] in targets:
            yield module, parameter


def _layer(config: LlamaConfig) -> Iterator[tuple[str, Parameter]]:
    """The parameters of a layer, in the order of the files."""
    width = config.hidden_size
    before = config.norm_position == "before"
    norms = ("input", "post_attention") if before else ("post_attention", "post_feedforward")
    yield "attention_norm/scale", Parameter((width,), f"{norms[0]}_layernorm.weight")
    yield from _attention(config)
    yield "mlp_norm/scale", Parameter((width,), f"{norms[1]}_layernorm.weight")
    for name, inputs, outputs in (
        ("gate", width, config.intermediate_size),
        ("up", width, config.intermediate_size),
        ("down", config.intermediate_size, width),
    ):
        yield from _dense(config, f"mlp/{name}", f"mlp.{name}_proj", (inputs, outputs), 1)


def _attention(config: LlamaConfig) -> Iterator[tuple[str, Parameter]]:
    heads = {"q": config.num_heads, "k": config.num_kv_heads, "v": config.num_kv_heads}
    head = config.head_size
    for name, number in heads.items():
        shape = (config.hidden_size, number, head)
        yield from _dense(config, f"attention/{name}", f"self_attn.{name}_proj", shape, 1)
    shape = (config.num_heads, head, config.hidden_size)
    yield from _dense(config, "attention/o", "self_attn.o_proj", shape, 2)
    for name in ("q", "k") if config.query_key_norm != "none" else ():
        normed = (head,) if config.query_key_norm == "head" else (heads[name], head)
        tensor = f"self_attn.{name}_norm.weight"
        yield f"attention/{name}_norm/scale", Parameter(normed, tensor, inputs=0)


def _dense(
    config: LlamaConfig, path: str, tensor: str, shape: tuple[int, ...], inputs: int
) -> Iterator[tuple[str, Parameter]]:
    yield f"{path}/kernel", Parameter(shape, f"{tensor}.weight", inputs)
    if path.rpartition("/")[2] in config.biases:
        yield f"{path}/bias", Parameter(shape[inputs:], f"{tensor}.bias", inputs=0)
