"""AdamW; the learning rate is an argument of the step, so that a new one compiles nothing."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from rft_jax.devices.partitioning import path_name
from rft_jax.models.llama import Params
from rft_jax.training.settings import TrainSettings

_NOT_DECAYED = ("norm/scale", "bias", "embed/embedding")


def make_optimizer(settings: TrainSettings) -> optax.GradientTransformation:
    """Clipping by global norm, Adam's moments, decoupled weight decay; to be scaled by -lr.

    Norms and biases don't decay (as in the Trainer of transformers), nor the embedding.
    """
    clip = (
        optax.clip_by_global_norm(settings.max_grad_norm)
        if settings.max_grad_norm
        else optax.identity()
    )
    adam = optax.scale_by_adam(
        b1=settings.beta1,
        b2=settings.beta2,
        eps=settings.epsilon,
        mu_dtype=jnp.dtype(settings.moment_dtype),
    )
    return optax.chain(clip, adam, optax.stateless(partial(_decay, settings.weight_decay)))


def _decay(weight_decay: float, updates: Params, params: Params) -> Params:
    """Adds decoupled weight decay; norms, biases and the embedding are left out."""

    def add(path: tuple[Any, ...], update: Array, param: Array) -> Array:
        is_left_out = path_name(path).endswith(_NOT_DECAYED)
        return update if is_left_out else update + weight_decay * param

    return jax.tree_util.tree_map_with_path(add, updates, params)


def learning_rate(settings: TrainSettings, step: int, num_steps: int) -> float:
    """The learning rate of step `step` (from 0) of `num_steps`.

    Rises linearly over the first `warmup_steps` (or `warmup_ratio` of all steps), then follows the
    schedule down to `final_learning_rate_ratio` of the peak, which step `num_steps`, the one after
    the last, would have: so does the Trainer of transformers.
    """
    warmup = settings.warmup_steps or math.ceil(settings.warmup_ratio * num_steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(num_steps - warmup, 1)
    share = {
        "cosine": (1 + math.cos(math.pi * progress)) / 2,
        "linear": 1 - progress,
        "constant": 1.0,
    }[settings.schedule]
    final = 1.0 if settings.schedule == "constant" else settings.final_learning_rate_ratio
    return settings.learning_rate * (final + (1 - final) * share)
