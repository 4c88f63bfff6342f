"""The jitted functions of an update: log-probabilities, gradients by microbatch, AdamW's step."""

from __future__ import annotations

from dataclasses import fields
from functools import partial

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from rft_jax.devices.partitioning import param_shardings
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params
from rft_jax.policy.loss import Measures, distillation_loss, policy_loss
from rft_jax.policy.switches import Objective
from rft_jax.training.losses import token_divergences, token_logprobs
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import TrainState, forward, state_shardings, updated

Rows = dict[str, Array]


@flax.struct.dataclass
class Sums:
    """What the microbatches of an update add up to.

    Attributes:
      measures: for the metrics.
      grads: the loss's gradient, shaped like the trained parameters.
    """

    measures: Measures
    grads: Params


@partial(jax.jit, static_argnames=("config", "chunk"))
def logprobs_of(
    params: Params, rows: Rows, config: LlamaConfig, chunk: int, frozen: Params | None = None
) -> Float[Array, "B T"]:
    """Log-probability of every target of a microbatch.

    Args:
      params, config, frozen: as `train_step.forward` takes them.
      rows: as `Batches.batch` returns them.
      chunk: positions whose logits exist at the same time; 0 for all of a row.
    """
    all_params, hidden = forward(params, rows, config, frozen)
    return token_logprobs(all_params, hidden, rows["targets"], chunk)


@partial(jax.jit, static_argnames="mesh")
def no_sums(params: Params, mesh: Mesh) -> Sums:
    """Those before the first microbatch."""
    zero = jnp.float32(0)
    sums = Sums(Measures(*[zero] * len(fields(Measures))), jax.tree.map(jnp.zeros_like, params))
    return _placed(sums, mesh)


def _placed(sums: Sums, mesh: Mesh) -> Sums:
    """Gradients are sharded as their parameters, so that every call compiles the same program."""
    measures = jax.tree.map(lambda _: NamedSharding(mesh, P()), sums.measures)
    shardings = Sums(measures, param_shardings(sums.grads, mesh))
    return jax.lax.with_sharding_constraint(sums, shardings)


@partial(
    jax.jit,
    static_argnames=("config", "objective", "chunk", "mesh", "teacher_config"),
    donate_argnames="sums",
)
def add_gradients(
    sums: Sums,
    params: Params,
    rows: Rows,
    config: LlamaConfig,
    objective: Objective,
    chunk: int,
    mesh: Mesh,
    frozen: Params | None = None,
    teacher: Params | None = None,
    teacher_config: LlamaConfig | None = None,
) -> Sums:
    """The sums with one more microbatch: of the objective, or of the divergence from a teacher.

    Args:
      sums: of the microbatches before; donated.
      params, config, frozen: as `train_step.forward` takes them.
      rows: as `Batches.batch` returns them, with what the loss needs.
      objective: its switches.
      chunk: positions whose logits exist at the same time; 0 for all of a row.
      mesh: the devices.
      teacher: its parameters, of the shape `teacher_config`; None for the objective.
    """
    targets = rows["targets"]

    def loss(params: Params) -> tuple[Array, Measures]:
        all_params, hidden = forward(params, rows, config, frozen)
        if teacher is None or teacher_config is None:
            logprobs = token_logprobs(all_params, hidden, targets, chunk)
            return policy_loss(logprobs, rows, objective)
        _, theirs = forward(teacher, rows, teacher_config)
        both = all_params, hidden, teacher, theirs
        return distillation_loss(*token_divergences(*both, targets, chunk), rows)

    (_, measures), grads = jax.value_and_grad(loss, has_aux=True)(params)
    added = Sums(sums.measures.plus(measures), jax.tree.map(jnp.add, sums.grads, grads))
    return _placed(added, mesh)


@partial(jax.jit, static_argnames=("settings", "mesh"), donate_argnames="state")
def apply_gradients(
    state: TrainState,
    grads: Params,
    learning_rate: Float[Array, ""],
    step: Int[Array, ""],
    settings: TrainSettings,
    mesh: Mesh,
) -> tuple[TrainState, Float[Array, ""]]:
    """One step of AdamW; the gradients' norm before clipping.

    Args:
      state: before; donated.
      grads: of the trained parameters.
      learning_rate: of this update.
      step: what the state counts then: a step of sampling may have several updates.
      settings, mesh: as `train_step` takes them.
    """
    new, norm = updated(state, grads, learning_rate, settings, mesh)
    return new.replace(step=step), norm  # type: ignore[attr-defined]


@partial(jax.jit, static_argnames="mesh", donate_argnames="state")
def without_update(state: TrainState, step: Int[Array, ""], mesh: Mesh) -> TrainState:
    """The same weights and moments after a step that had nothing to learn from."""
    same: TrainState = state.replace(step=step)  # type: ignore[attr-defined]
    return jax.lax.with_sharding_constraint(same, state_shardings(same, mesh))
