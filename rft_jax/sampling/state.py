"""What decoding changes, and what it reports to the host.

Every array of the state has slots, or groups of slots, along its first axis. On a mesh these rows
are split over `data` and `fsdp` (over `data` alone, where `fsdp` splits the weights).

Between chunks a ring is stored in the order of axes in which a TPU's loop keeps it in memory. A
jitted function takes and returns arrays in row-major order: in another order of axes, every chunk
would copy the whole ring in and out, and hold it twice.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int, UInt

from rft_jax.models import kv_cache
from rft_jax.models.kv_cache import KVCache
from rft_jax.sampling.program import Program

IDLE = -1
# The axes of a ring's arrays, which are [R, N, K, S] and the like, with the columns first.
_COLUMNS_FIRST = {
    "keys": (3, 1, 2, 0),
    "values": (2, 1, 0, 3),
    "key_scales": (2, 1, 0),
    "value_scales": (2, 1, 0),
}


@flax.struct.dataclass
class Forced:
    """Tokens that slots are given instead of sampled ones, see `forcing`.

    Attributes:
      queue: each slot's next ones, -1 behind them.
      paused: whether the slot waits for some.
    """

    queue: Int[Array, "slots queue"]
    paused: Bool[Array, " slots"]


@flax.struct.dataclass
class State:
    """Everything that decoding changes; it goes in, is donated, and comes out.

    A cell is one of the `prompts` tasks that a group holds at a time.

    Attributes:
      cache: keys and values of the groups' prompts and of the slots' samples, see `stored`.
      sample: the sample that the slot decodes, counted from its task's first; -1 in an idle slot.
      token: the token that the slot feeds to the model at the next step.
      last_tokens: the last token of each cell's prompt.
      keys: the key of each cell's problem, see `methods.problem_key`.
      first: sample index of the first sample of each cell's task.
      count: samples of each cell's task; 0 in an empty cell.
      started: samples of the cell's task that slots have begun.
      finished: samples of the cell's task that are complete.
      tokens: the tokens sampled so far, by cell, sample and position; -1 behind them.
      logprobs: their log-probabilities at temperature 1; 0 for forced ones.
      forced: tokens that slots are given; None where no program pauses.
    """

    cache: KVCache
    sample: Int[Array, " slots"]
    token: Int[Array, " slots"]
    last_tokens: Int[Array, "groups prompts"]
    keys: UInt[Array, "groups prompts 2"]
    first: Int[Array, "groups prompts"]
    count: Int[Array, "groups prompts"]
    started: Int[Array, "groups prompts"]
    finished: Int[Array, "groups prompts"]
    tokens: Int[Array, "groups prompts task columns"]
    logprobs: Float[Array, "groups prompts task columns"]
    forced: Forced | None = None


@flax.struct.dataclass
class Report:
    """What the host reads after a chunk of steps, the same on all hosts.

    Attributes:
      complete: cells whose task is complete and not yet collected.
      needs_refill: groups with no sample left to start and with a cell for another task.
      active: how many slots are decoding.
      steps: decoding steps made in this chunk.
      busy: active slots, summed over the steps.
    """

    complete: Bool[Array, "groups prompts"]
    needs_refill: Bool[Array, " groups"]
    active: Int[Array, ""]
    steps: Int[Array, ""]
    busy: Int[Array, ""]


def cells_of(state: State) -> tuple[Int[Array, " slots"], Int[Array, " slots"]]:
    """The cell that each slot decodes for: its group, and which of the group's cells."""
    slots, groups = state.sample.shape[0], state.count.shape[0]
    return jnp.arange(slots) * groups // slots, state.cache.prefix_of


def state_specs(state: State, program: Program) -> Any:
    """PartitionSpecs of the state: rows over `row_axes`; what all slots share is replicated."""

    def spec(path: tuple[Any, ...], leaf: Array) -> P:
        rows = None if _is_in(path, "common") else program.row_axes
        return _spec(_stored_axes(path, leaf.ndim, program), rows)

    return jax.tree_util.tree_map_with_path(spec, state)


def stored(cache: KVCache, program: Program) -> KVCache:
    """The cache of the loop in the order of axes that the state has between chunks."""

    def transposed(path: tuple[Any, ...], leaf: Array) -> Array:
        return jnp.transpose(leaf, _stored_axes(path, leaf.ndim, program))

    return jax.tree_util.tree_map_with_path(transposed, cache)


def loaded(cache: KVCache, program: Program) -> KVCache:
    """The inverse of `stored`."""

    def transposed(path: tuple[Any, ...], leaf: Array) -> Array:
        return jnp.transpose(leaf, np.argsort(_stored_axes(path, leaf.ndim, program)).tolist())

    return jax.tree_util.tree_map_with_path(transposed, cache)


def _stored_axes(path: tuple[Any, ...], ndim: int, program: Program) -> tuple[int, ...]:
    """The axes of an array in the order in which the state stores them."""
    is_moved = program.columns_first and _is_in(path, "suffix")
    return _COLUMNS_FIRST[path[-1].name] if is_moved else tuple(range(ndim))


def _spec(axes: tuple[int, ...], rows: Any, heads: str | None = None) -> P:
    """Rows (axis 0) and kv heads (axis 1) of an array over axes of the mesh."""
    spec = [{0: rows, 1: heads}.get(axis) for axis in axes]
    while spec and spec[-1] is None:
        spec.pop()
    return P(*spec)


def _is_in(path: tuple[Any, ...], field: str) -> bool:
    return any(getattr(key, "name", "") == field for key in path)


@partial(jax.jit, static_argnames=("program", "bucket"))
def idle_state(program: Program, bucket: int) -> State:
    """All slots idle, all cells empty.

    Args:
      bucket: columns for the prompts' own tokens, their last ones left out.
    """
    shardings = jax.tree.map(lambda x: x.sharding, abstract_state(program, bucket))
    return jax.lax.with_sharding_constraint(_zero_state(program, bucket), shardings)


def abstract_state(program: Program, bucket: int) -> Any:
    """Shapes and shardings of `idle_state`; kv heads over `tensor`, where it divides them."""
    mesh = program.mesh

    def placed(path: tuple[Any, ...], leaf: Any) -> jax.ShapeDtypeStruct:
        rows = None if _is_in(path, "common") else program.row_axes
        splits = _is_in(path, "layers") and leaf.shape[1] % mesh.shape["tensor"] == 0
        axes = _stored_axes(path, leaf.ndim, program)
        spec = _spec(axes, rows, "tensor" if splits else None)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec))

    shapes = jax.eval_shape(partial(_zero_state, program, bucket))
    return jax.tree_util.tree_map_with_path(placed, shapes)


def _zero_state(program: Program, bucket: int) -> State:
    geometry = program.geometry
    cells = (geometry.groups, geometry.prompts)
    samples = (*cells, geometry.task, geometry.columns)

    def zeros() -> Array:
        return jnp.zeros(cells, jnp.int32)

    cache = kv_cache.empty_cache(
        program.config,
        geometry.slots,
        geometry.columns,
        geometry.groups,
        bucket,
        geometry.prompts,
        common_columns=geometry.common,
        block=geometry.block,
        ring=geometry.ring,
        int8=geometry.int8,
    )
    return State(
        cache=stored(cache, program),
        sample=jnp.full(geometry.slots, IDLE, jnp.int32),
        token=jnp.zeros(geometry.slots, jnp.int32),
        last_tokens=zeros(),
        keys=jnp.zeros((*cells, 2), jnp.uint32),
        first=zeros(),
        count=zeros(),
        started=zeros(),
        finished=zeros(),
        tokens=jnp.full(samples, -1, jnp.int32),
        logprobs=jnp.zeros(samples, jnp.float32),
        forced=_nothing_forced(program) if program.pauses_at else None,
    )


def _nothing_forced(program: Program) -> Forced:
    slots = program.geometry.slots
    return Forced(jnp.full((slots, program.queue), -1, jnp.int32), jnp.zeros(slots, bool))
