"""Rotary position embeddings (Su et al., arXiv 2104.09864), halves rotated as Hugging Face does."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rft_jax.models.config import LlamaConfig, RopeScaling

# Cosine and sine of positions' angles, float32.
Angles = tuple[Float[Array, "*batch T K//2"], Float[Array, "*batch T K//2"]]


def rotary_angles(config: LlamaConfig, positions: Int[Array, "*batch T"]) -> Angles:
    """Cosine and sine of each position's angles, half a head wide."""
    half = config.head_size // 2
    exponents = jnp.arange(half, dtype=jnp.float32) / half
    # A file may have a whole number, beyond those of int32.
    frequencies = 1.0 / float(config.rope_theta) ** exponents
    if config.rope_scaling is not None:
        frequencies = _scale(frequencies, config.rope_scaling)
    angles = positions[..., None].astype(jnp.float32) * frequencies
    return jnp.cos(angles), jnp.sin(angles)


def _scale(frequencies: Float[Array, " K//2"], scaling: RopeScaling) -> Float[Array, " K//2"]:
    """The frequencies, stretched; `llama3` as in the code published with Llama 3.1."""
    if scaling.kind == "linear":
        return frequencies / float(scaling.factor)
    wavelengths = 2 * math.pi / frequencies
    low, high = float(scaling.low_freq_factor), float(scaling.high_freq_factor)
    turns = scaling.original_max_position_embeddings / wavelengths
    blend = jnp.clip((turns - low) / (high - low), 0.0, 1.0)
    return (1 - blend) * frequencies / float(scaling.factor) + blend * frequencies


def rotate(x: Float[Array, "*batch T H K"], angles: Angles) -> Float[Array, "*batch T H K"]:
    """Rotates the two halves of every head (queries or keys); computed in float32."""
    cos, sin = (a[..., None, :] for a in angles)
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)
    return jax.lax.convert_element_type(turned, x.dtype)
