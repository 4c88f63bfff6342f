"""AdamW; its learning rate is an argument of the step, so that a new one compiles nothing."""

from __future__ import annotations

import math

import jax.numpy as jnp
import optax

from rft_jax.training.settings import TrainSettings


def make_optimizer(settings: TrainSettings) -> optax.GradientTransformation:
    """Clipping by global norm, Adam's moments, decoupled weight decay; to be scaled by -lr."""
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
    return optax.chain(clip, adam, optax.add_decayed_weights(settings.weight_decay))


def learning_rate(settings: TrainSettings, step: int, num_steps: int) -> float:
    """The learning rate of step `step` (from 0) of `num_steps`.

    Rises linearly over the first `warmup_steps` (or `warmup_ratio` of all steps), then follows the
    schedule down to `final_learning_rate_ratio` of the peak.
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
