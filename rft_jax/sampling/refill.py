"""Between two chunks of decoding: finished tasks out, new ones in, samples ended by the host."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from rft_jax.models.kv_cache import LayerCache, quantised
from rft_jax.models.llama import Params
from rft_jax.sampling.prefill import prefill
from rft_jax.sampling.program import Program
from rft_jax.sampling.state import IDLE, State, cells_of, state_specs
from rft_jax.sampling.tasks import TaskBatch

Collected = tuple[Int[Array, "R task columns"], Float[Array, "R task columns"]]


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def refill(
    params: Params, state: State, cells: Int[Array, " R"], tasks: TaskBatch, program: Program
) -> tuple[State, Collected]:
    """Takes finished tasks' tokens and log-probabilities out and puts new tasks in.

    Args:
      cells: `geometry.refill` for every shard, each as `group · prompts + number` counted within
        its shard; one past the last stands for none.
      tasks: one for each of those cells; a row of count 0 leaves its cell empty.
    """
    rows = P(program.row_axes)
    specs = state_specs(state, program)
    function = program.sharded(
        partial(_refill, program=program),
        inputs=(P(), specs, rows, rows),
        outputs=(specs, P()),
    )
    return function(params, state, cells, tasks)


def _refill(
    params: Params, state: State, cells: Int[Array, " R"], tasks: TaskBatch, program: Program
) -> tuple[State, Collected]:
    """The refill of one shard's rows; what is taken out is gathered from all shards."""
    geometry = program.local
    group, number = cells // geometry.prompts, cells % geometry.prompts

    def put(old: Array, new: Any) -> Array:
        return old.at[group, number].set(new, mode="drop")

    def put_prefix(which: int, old: Array, new: Array) -> Array:
        rows = jnp.where(number == which, group, geometry.groups)
        return old.at[rows].set(new, mode="drop")

    def put_prompts(layer: LayerCache, new: Any) -> LayerCache:
        stored = enumerate(layer.prefix)
        return replace(
            layer,
            prefix=tuple(jax.tree.map(partial(put_prefix, i), old, new) for i, old in stored),
        )

    def take(old: Array, nothing: float) -> Array:
        taken = old.at[group, number].get(mode="fill", fill_value=nothing)
        return jax.lax.all_gather(taken, program.row_axes, tiled=True)

    layers = state.cache.by_layer
    common = [layer.common for layer in layers]
    prompts = prefill(params, jnp.asarray(tasks.prompts), common, program)
    if geometry.int8:
        prompts = tuple(map(quantised, prompts))
    lengths = put(state.cache.prefix_lengths, tasks.prompt_lengths)
    new = replace(
        state,
        cache=replace(
            state.cache, layers=tuple(map(put_prompts, layers, prompts)), prefix_lengths=lengths
        ),
        last_tokens=put(state.last_tokens, tasks.last_tokens),
        keys=put(state.keys, tasks.keys),
        first=put(state.first, tasks.first),
        count=put(state.count, tasks.count),
        started=put(state.started, 0),
        finished=put(state.finished, 0),
        tokens=put(state.tokens, -1),
    )
    return new, (take(state.tokens, -1), take(state.logprobs, 0))


@partial(jax.jit, static_argnames="program")
def tokens_so_far(
    state: State, program: Program
) -> tuple[Int[Array, "slots columns"], Bool[Array, " slots"]]:
    """The tokens of the sample that each slot decodes, -1 behind them; whether it decodes one."""

    def read(state: State) -> tuple[Array, Array]:
        tokens = state.tokens[*cells_of(state), jnp.maximum(state.sample, 0)]
        active = state.sample != IDLE
        return (
            jax.lax.all_gather(tokens, program.row_axes, tiled=True),
            jax.lax.all_gather(active, program.row_axes, tiled=True),
        )

    specs = state_specs(state, program)
    return program.sharded(read, inputs=(specs,), outputs=P())(state)


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def end_samples(state: State, slots: Bool[Array, " slots"], program: Program) -> State:
    """Ends the samples of these slots as they are now."""

    def end(state: State, slots: Array) -> State:
        forced = state.forced
        if forced is not None:
            queue = jnp.where(slots[:, None], -1, forced.queue)
            forced = replace(forced, queue=queue, paused=forced.paused & ~slots)
        return replace(
            state,
            cache=replace(state.cache, lengths=jnp.where(slots, 0, state.cache.lengths)),
            sample=jnp.where(slots, IDLE, state.sample),
            finished=state.finished.at[cells_of(state)].add(slots.astype(jnp.int32)),
            forced=forced,
        )

    specs = state_specs(state, program)
    inputs = (specs, P(program.row_axes))
    return program.sharded(end, inputs=inputs, outputs=specs)(state, slots)
