"""Between two chunks of decoding: finished tasks out, new ones in, samples ended by the host."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from rft_jax.models import kv_cache
from rft_jax.models.kv_cache import KeyValues
from rft_jax.models.llama import Params
from rft_jax.sampling.decode import apply_model, place_of
from rft_jax.sampling.state import IDLE, Program, State, Tasks, state_specs

Collected = tuple[Int[Array, "rows task columns"], Float[Array, "rows task columns"]]


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def exchange(
    params: Params, state: State, places: Int[Array, " rows"], tasks: Tasks, program: Program
) -> tuple[State, Collected]:
    """Takes finished tasks' tokens and log-probabilities out and puts new tasks in.

    Args:
      places: `refill` for every part of the rows, each `group · prompts + number` counted within
        its part; one past the last stands for none.
      tasks: one for each of those places; a row of count 0 leaves its place empty.
    """
    rows = P(program.row_axes)
    specs = state_specs(state, program.row_axes)
    function = program.sharded(
        partial(_exchange, program=program),
        inputs=(P(), specs, rows, rows),
        outputs=(specs, P()),
    )
    return function(params, state, places, tasks)


def _exchange(
    params: Params, state: State, places: Int[Array, " R"], tasks: Tasks, program: Program
) -> tuple[State, Collected]:
    """The exchange of one part's rows; what is taken out is brought to all parts."""
    geometry = program.local
    group, number = places // geometry.prompts, places % geometry.prompts

    def put(old: Array, new: Any) -> Array:
        return old.at[group, number].set(new, mode="drop")

    def put_prefix(which: int, old: Array, new: Array) -> Array:
        rows = jnp.where(number == which, group, geometry.groups)
        return old.at[rows].set(new, mode="drop")

    def take(old: Array, nothing: float) -> Array:
        taken = old.at[group, number].get(mode="fill", fill_value=nothing)
        return jax.lax.all_gather(taken, program.row_axes, tiled=True)

    prompts = _prefill(params, jnp.asarray(tasks.prompts), state.cache.common, program)
    if geometry.int8:
        prompts = tuple(map(kv_cache.quantised, prompts))
    prefix = tuple(
        tuple(jax.tree.map(partial(put_prefix, i), old, new) for i, old in enumerate(stored))
        for stored, new in zip(state.cache.prefix, prompts, strict=True)
    )
    lengths = put(state.cache.prefix_lengths, tasks.prompt_lengths)
    new = replace(
        state,
        cache=replace(state.cache, prefix=prefix, prefix_lengths=lengths),
        last_tokens=put(state.last_tokens, tasks.last_tokens),
        keys=put(state.keys, tasks.keys),
        first=put(state.first, tasks.first),
        count=put(state.count, tasks.count),
        started=put(state.started, 0),
        finished=put(state.finished, 0),
        tokens=put(state.tokens, -1),
    )
    return new, (take(state.tokens, -1), take(state.logprobs, 0))


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def read_common(
    params: Params, state: State, tokens: Int[Array, " common"], program: Program
) -> State:
    """Reads what all prompts begin with into the cache."""

    def read(params: Params, state: State, tokens: Array) -> State:
        nothing = kv_cache.empty_cache(program.config, 1, 0).common
        common = _prefill(params, tokens[None], nothing, program)
        return replace(state, cache=replace(state.cache, common=common))

    specs = state_specs(state, program.row_axes)
    return program.sharded(read, inputs=(P(), specs, P()), outputs=specs)(params, state, tokens)


def _prefill(
    params: Params, prompts: Int[Array, "rows P"], common: Any, program: Program
) -> tuple[KeyValues, ...]:
    """Every layer's keys and values of the prompts.

    Args:
      common: what stands before them, see `KVCache.common`.
    """
    rows, columns = prompts.shape
    collecting = replace(kv_cache.empty_cache(program.config, rows, 0), common=common)
    positions = common[0].num_columns + jnp.arange(columns)
    positions = jnp.broadcast_to(positions, (rows, columns))
    _, cache = apply_model(params, prompts, positions, collecting, program)
    return tuple(blocks[0] for blocks in cache.suffix)


@partial(jax.jit, static_argnames="program")
def drawn_so_far(
    state: State, program: Program
) -> tuple[Int[Array, "slots columns"], Bool[Array, " slots"]]:
    """The tokens of the sample that each slot is drawing, -1 behind them; whether it draws one."""

    def look(state: State) -> tuple[Array, Array]:
        tokens = state.tokens[*place_of(state), jnp.maximum(state.sample, 0)]
        active = state.sample != IDLE
        return (
            jax.lax.all_gather(tokens, program.row_axes, tiled=True),
            jax.lax.all_gather(active, program.row_axes, tiled=True),
        )

    specs = state_specs(state, program.row_axes)
    return program.sharded(look, inputs=(specs,), outputs=P())(state)


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def end_samples(state: State, slots: Bool[Array, " slots"], program: Program) -> State:
    """Ends the samples of these slots where they are."""

    def end(state: State, slots: Array) -> State:
        return replace(
            state,
            cache=replace(state.cache, lengths=jnp.where(slots, 0, state.cache.lengths)),
            sample=jnp.where(slots, IDLE, state.sample),
            finished=state.finished.at[place_of(state)].add(slots.astype(jnp.int32)),
        )

    specs = state_specs(state, program.row_axes)
    inputs = (specs, P(program.row_axes))
    return program.sharded(end, inputs=inputs, outputs=specs)(state, slots)
