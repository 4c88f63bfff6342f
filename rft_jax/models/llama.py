"""LLaMA (Touvron et al., arXiv 2302.13971) in Flax linen, as a thin functional layer.

hidden, cache = Llama(config).apply({"params": params}, tokens, positions, segment_ids, cache)
logits = unembed(params, hidden)
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rft_jax.devices.partitioning import constrain_activations
from rft_jax.models import kv_cache
from rft_jax.models.attention import cached_attention, causal_attention
from rft_jax.models.config import LlamaConfig
from rft_jax.models.contraction import contract
from rft_jax.models.flash import keep_attention
from rft_jax.models.kv_cache import KeyValues, KVCache, LayerCache, Layers
from rft_jax.models.lora import AdaptedDense, adapters_of
from rft_jax.models.rope import Angles, rotary_angles, rotate

Params = dict[str, Any]


class Context(NamedTuple):
    """What all blocks are given besides the activations.

    Attributes:
      angles: cosine and sine of the tokens' positions.
      segment_ids: packed examples' numbers, or None.
      cache: lengths before these tokens, without layers; None without a cache.
    """

    angles: Angles
    segment_ids: Int[Array, "B T"] | None
    cache: KVCache | None


class RMSNorm(nn.Module):
    """Divides by the root mean square, in float32, then scales (Zhang, Sennrich, 1910.07467).

    Attributes:
      num_axes: number of last axes that are normed together.
    """

    config: LlamaConfig
    num_axes: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        shape = x.shape[-self.num_axes :]
        scale = self.param("scale", nn.initializers.ones, shape, self.config.param_dtype)
        wide = x.astype(jnp.float32)
        axes = tuple(range(-self.num_axes, 0))
        mean_square = jnp.mean(wide * wide, axis=axes, keepdims=True)
        normed = wide * jax.lax.rsqrt(mean_square + self.config.rms_norm_eps)
        return (normed * scale.astype(jnp.float32)).astype(self.config.dtype)


def _dense(config: LlamaConfig, features: Any, name: str, axis: Any = -1) -> nn.DenseGeneral:
    kind: Any = nn.DenseGeneral
    if config.lora is not None and name in config.lora.targets:
        kind = partial(AdaptedDense, lora=config.lora)
    return kind(
        features,
        axis=axis,
        use_bias=name in config.biases,
        dtype=config.dtype,
        param_dtype=config.param_dtype,
        dot_general=contract,
        name=name,
    )


class Attention(nn.Module):
    """Grouped-query self-attention with rotary positions."""

    config: LlamaConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], context: Context, stored: LayerCache | None
    ) -> tuple[Float[Array, "B T D"], tuple[KeyValues, ...] | None]:
        """What attention adds to the residual, and the cache's suffix with the new tokens in it."""
        config = self.config
        query = _dense(config, (config.num_heads, config.head_size), "q")(x)
        keys = _dense(config, (config.num_kv_heads, config.head_size), "k")(x)
        values = _dense(config, (config.num_kv_heads, config.head_size), "v")(x)
        if config.query_key_norm != "none":
            num_axes = 1 if config.query_key_norm == "head" else 2
            query = RMSNorm(config, num_axes, name="q_norm")(query)
            keys = RMSNorm(config, num_axes, name="k_norm")(keys)
        query = rotate(query, _query_angles(config, context.angles))
        keys = rotate(keys, context.angles)
        suffix = None
        if stored is None or context.cache is None:
            mixed = causal_attention(query, keys, values, context.segment_ids, config.attention)
        else:
            # Written before it is read: the other way round XLA copies the whole cache.
            suffix = kv_cache.append(stored.suffix, keys, values, context.cache)
            mixed = cached_attention(query, stored, suffix, context.cache)
        return _dense(config, config.hidden_size, "o", axis=(-2, -1))(mixed), suffix


def _query_angles(config: LlamaConfig, angles: Angles) -> Angles:
    """Angles that scale queries as they turn them, so that scores get the family's multiplier.

    Attention itself divides scores by the square root of the head width.
    """
    if config.attention_multiplier is None:
        return angles
    cos, sin = angles
    scale = config.attention_multiplier * config.head_size**0.5
    return scale * cos, scale * sin


class FeedForward(nn.Module):
    """SwiGLU (Shazeer, arXiv 2002.05202)."""

    config: LlamaConfig

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        gate = _dense(self.config, self.config.intermediate_size, "gate")(x)
        up = _dense(self.config, self.config.intermediate_size, "up")(x)
        return _dense(self.config, self.config.hidden_size, "down")(nn.silu(gate) * up)


class Block(nn.Module):
    """Attention, then the feed-forward layer, each with a norm and added to the residual."""

    config: LlamaConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], stored: LayerCache | None, context: Context
    ) -> tuple[Float[Array, "B T D"], tuple[KeyValues, ...] | None]:
        """The residual after this block, and the cache's suffix with the new tokens in it."""
        attention_norm = RMSNorm(self.config, name="attention_norm")
        mlp_norm = RMSNorm(self.config, name="mlp_norm")
        attention = Attention(self.config, name="attention")
        mlp = FeedForward(self.config, name="mlp")
        if self.config.norm_position == "before":
            attended, suffix = attention(attention_norm(x), context, stored)
            x = self._add(x, attended)
            return self._add(x, mlp(mlp_norm(x))), suffix
        attended, suffix = attention(x, context, stored)
        x = self._add(x, attention_norm(attended))
        return self._add(x, mlp_norm(mlp(x))), suffix

    def _add(self, x: Float[Array, "B T D"], more: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        """The residual after an addition to it."""
        return constrain_activations(x + _times(more, self.config.residual_multiplier))


def _times(x: Float[Array, "*batch D"], multiplier: float) -> Float[Array, "*batch D"]:
    return x if multiplier == 1 else x * multiplier


class Llama(nn.Module):
    """The model up to the final norm; `unembed` makes logits of its output."""

    config: LlamaConfig

    @nn.compact
    def __call__(
        self,
        tokens: Int[Array, "B T"],
        positions: Int[Array, "B T"],
        segment_ids: Int[Array, "B T"] | None = None,
        cache: KVCache | None = None,
        angles: Angles | None = None,
    ) -> tuple[Float[Array, "B T D"], KVCache | None]:
        """Runs the blocks.

        Args:
          tokens: token ids; with a cache, the tokens after those it holds.
          positions: each token's position within its sequence.
          segment_ids: packed examples' numbers from 1, 0 for padding; None for one example a row.
            With a cache every row is one sequence.
          cache: keys and values of the tokens before, or None.
          angles: `rotary_angles` of the positions, where the caller has them already.

        Returns:
          The hidden states after the final norm, divided by `logits_scaling`, and the cache with
          the new tokens in it.
        """
        config = self.config
        embedding = self.param(
            "embed", _init_embedding, (config.vocab_size, config.hidden_size), config.param_dtype
        )["embedding"]
        embedded = _times(embedding[tokens].astype(config.dtype), config.embedding_multiplier)
        x = constrain_activations(embedded)
        context = Context(
            angles=rotary_angles(config, positions) if angles is None else angles,
            segment_ids=segment_ids,
            cache=None if cache is None else cache.without_layers(),
        )
        layers = None if cache is None else cache.layers
        x, layers = _run_blocks(config, x, layers, context)
        if config.tie_word_embeddings is False:
            self.param("unembed", _init_unembed, config)
        hidden = _times(RMSNorm(config, name="final_norm")(x), 1 / config.logits_scaling)
        return hidden, None if cache is None else cache.advanced(layers, tokens.shape[1])


def _init_embedding(key: Array, shape: tuple[int, int], dtype: str) -> Params:
    normal = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
    return {"embedding": normal(key, shape, jnp.dtype(dtype))}


def _init_unembed(key: Array, config: LlamaConfig) -> Params:
    shape = (config.hidden_size, config.vocab_size)
    kernel = nn.initializers.lecun_normal()(key, shape, jnp.dtype(config.param_dtype))
    return {"kernel": kernel}


def _run_blocks(
    config: LlamaConfig, x: Float[Array, "B T D"], layers: Layers | None, context: Context
) -> tuple[Float[Array, "B T D"], Layers | None]:
    """All blocks in turn; the cache comes out with the new tokens in its suffixes."""
    block = _rematerialised(config)
    if config.scan_layers:
        scanned = nn.scan(
            block,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=(0, nn.broadcast),
            length=config.num_layers,
            unroll=min(config.scan_unroll, config.num_layers),
        )
        x, suffix = scanned(config, name="layers")(x, layers, context)
        return x, replace(layers, suffix=suffix) if isinstance(layers, LayerCache) else None
    caches = layers if isinstance(layers, tuple) else (None,) * config.num_layers
    advanced: list[LayerCache] = []
    for index, cache in enumerate(caches):
        x, suffix = block(config, name=f"layers_{index}")(x, cache, context)
        if cache is not None:
            advanced.append(replace(cache, suffix=suffix))
    return x, tuple(advanced) or None


def _rematerialised(config: LlamaConfig) -> type[nn.Module]:
    if config.remat == "none":
        return Block
    policy = keep_attention if config.remat == "save_attention" else None
    return nn.remat(Block, policy=policy, prevent_cse=not config.scan_layers)


def unembed(params: Params, hidden: Float[Array, "*batch D"]) -> Float[Array, "*batch V"]:
    """Logits in float32, by the embedding itself where word embeddings are tied."""
    if "unembed" in params:
        kernel = params["unembed"]["kernel"].astype(hidden.dtype)
        return jnp.einsum("...d,dv->...v", hidden, kernel, preferred_element_type=jnp.float32)
    table = params["embed"]["embedding"].astype(hidden.dtype)
    return jnp.einsum("...d,vd->...v", hidden, table, preferred_element_type=jnp.float32)


def init_params(config: LlamaConfig, key: Array) -> Params:
    """Random parameters: normal, variance 1 / fan-in; norms one."""
    tokens = jnp.zeros((1, 1), jnp.int32)
    return Llama(config).init(key, tokens, tokens)["params"]


def init_adapters(config: LlamaConfig, key: Array) -> Params:
    """New adapters of `config.lora`, which change nothing yet."""
    # Compiled, so that the base parameters are never computed.
    return jax.jit(lambda: adapters_of(init_params(config, key)))()


def unstack_layers(params: Params, num_layers: int) -> Params:
    """Parameters for `scan_layers=False`: `layers` of axis L becomes `layers_0`, `layers_1`, …"""
    rest = {name: value for name, value in params.items() if name != "layers"}
    layers = {
        f"layers_{i}": jax.tree.map(lambda stacked, i=i: stacked[i], params["layers"])
        for i in range(num_layers)
    }
    return rest | layers
