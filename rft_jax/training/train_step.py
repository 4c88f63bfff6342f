"""One optimizer step: jitted, its state donated, the shardings those of that state."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from rft_jax.devices.partitioning import param_shardings, path_name
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Llama, Params
from rft_jax.models.lora import with_adapters
from rft_jax.training.losses import summed_loss
from rft_jax.training.optimizers import make_optimizer
from rft_jax.training.settings import TrainSettings


@flax.struct.dataclass
class TrainState:
    """What one training step hands to the next.

    Attributes:
      step: number of steps done.
      params: float32 parameters; the adapters alone, if only they are trained.
      opt_state: the optimizer's moments, shaped like the parameters.
    """

    step: Int[Array, ""]
    params: Params
    opt_state: Any


def init_train_state(params: Params, settings: TrainSettings) -> TrainState:
    """The state before the first step."""
    return TrainState(jnp.int32(0), params, make_optimizer(settings).init(params))


def state_shardings(state: TrainState, mesh: Mesh) -> TrainState:
    """Shardings of a state (or of its shapes): moments have those of their parameters."""
    by_param = flatten_dict(param_shardings(state.params, mesh), sep="/")

    def sharding(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        name = path_name(path)
        for param, of_param in by_param.items():
            if name.endswith(param) and leaf.ndim:
                return of_param
        return NamedSharding(mesh, P())

    return jax.tree_util.tree_map_with_path(sharding, state)


def forward(
    params: Params, rows: dict[str, Array], config: LlamaConfig, frozen: Params | None = None
) -> tuple[Params, Float[Array, "B T D"]]:
    """All of the model's parameters, and its output before the logits for some rows of a batch.

    Args:
      params: trained parameters.
      rows: as `Batches.batch` returns them.
      config: the model's shape.
      frozen: the rest of the model's parameters if `params` are adapters alone.
    """
    all_params = with_adapters(frozen or {}, params)
    hidden, _ = Llama(config).apply(
        {"params": all_params}, rows["tokens"], rows["positions"], rows["segment_ids"]
    )
    return all_params, hidden


def gradients(
    params: Params,
    batch: dict[str, Array],
    config: LlamaConfig,
    chunk: int,
    num_microbatches: int,
    frozen: Params | None = None,
) -> tuple[Float[Array, ""], Float[Array, ""], Params]:
    """Summed loss, summed weights and the summed loss's gradient of a batch.

    Microbatch i takes every `num_microbatches`-th row from the i-th, so that rows stay on their
    devices.

    Args:
      params: trained parameters.
      batch: as `Batches.batch` returns it, rows × max_length each.
      config: the model's shape.
      chunk: positions whose logits exist at the same time; 0 for all of a row.
      num_microbatches: what the batch is divided into; they are computed one after the other.
      frozen: the rest of the model's parameters if `params` are adapters alone.
    """

    def loss(params: Params, rows: dict[str, Array]) -> Array:
        all_params, hidden = forward(params, rows, config, frozen)
        return summed_loss(all_params, hidden, rows["targets"], rows["loss_weights"], chunk)

    weight = jnp.sum(batch["loss_weights"])
    if num_microbatches == 1:
        total, grads = jax.value_and_grad(loss)(params, batch)
        return total, weight, grads

    def split(x: Array) -> Array:
        return jnp.moveaxis(x.reshape(-1, num_microbatches, *x.shape[1:]), 1, 0)

    def add(total: Any, rows: dict[str, Array]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(params, rows)), None

    zero = (jnp.float32(0), jax.tree.map(jnp.zeros_like, params))
    (total, grads), _ = jax.lax.scan(add, zero, jax.tree.map(split, batch))
    return total, weight, grads


@partial(jax.jit, static_argnames=("config", "settings", "mesh"), donate_argnames="state")
def train_step(
    state: TrainState,
    batch: dict[str, Array],
    learning_rate: Float[Array, ""],
    config: LlamaConfig,
    settings: TrainSettings,
    mesh: Mesh,
    frozen: Params | None = None,
) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
    """One step of AdamW on the mean loss of the batch's response tokens.

    Args:
      state: before the step; donated.
      batch: as `Batches.batch` returns it, rows × max_length each, sharded by row.
      learning_rate: of this step.
      config: the model's shape.
      settings: the recipe.
      mesh: devices of state and batch.
      frozen: parameters that are not trained, if the state's are adapters alone.

    Returns:
      The next state, and `loss`, `grad_norm` (before clipping) and `tokens` (those with loss).
    """
    loss, weight, grads = gradients(
        state.params, batch, config, settings.loss_chunk, settings.gradient_accumulation, frozen
    )
    scale = 1 / jnp.where(weight > 0, weight, 1.0)
    grads = jax.tree.map(lambda g: g * scale, grads)
    new, grad_norm = updated(state, grads, learning_rate, settings, mesh)
    return new, {"loss": loss * scale, "grad_norm": grad_norm, "tokens": weight}


def updated(
    state: TrainState,
    grads: Params,
    learning_rate: Float[Array, ""],
    settings: TrainSettings,
    mesh: Mesh,
) -> tuple[TrainState, Float[Array, ""]]:
    """The state after one step of AdamW, and the gradients' norm before clipping.

    Args:
      state: before the step.
      grads: of the trained parameters.
      learning_rate, settings, mesh: as `train_step` takes them.
    """
    shardings = state_shardings(state, mesh)
    grads = jax.lax.with_sharding_constraint(grads, shardings.params)
    updates, opt_state = make_optimizer(settings).update(grads, state.opt_state, state.params)
    updates = jax.tree.map(lambda u: -learning_rate * u, updates)
    new = TrainState(state.step + 1, optax.apply_updates(state.params, updates), opt_state)
    return jax.lax.with_sharding_constraint(new, shardings), optax.global_norm(grads)


def not_finite(tree: Any) -> list[str]:
    """The paths of the arrays that hold a number which is NaN or infinite."""
    leaves = {path_name(p): leaf for p, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    return [path for path, is_finite in _are_finite(leaves).items() if not is_finite]


@jax.jit
def _are_finite(leaves: dict[str, Array]) -> dict[str, Array]:
    return {path: jnp.isfinite(leaf).all() for path, leaf in leaves.items()}
