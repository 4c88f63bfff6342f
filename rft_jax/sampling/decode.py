"""The jitted decoding loop over slots.

A slot draws one sample at a time. When it finishes, the next sample of its group starts in the
same slot at the next step, inside the loop. A group has places for one or two problems: with two,
it goes on with the second while the last samples of the first are still being drawn. A group with
no sample left to start is hungry; when `refill` groups are (or `chunk` steps are over), the host
looks in and exchanges finished problems for new ones. Shapes depend on the geometry and on the
bucket of prompt lengths, never on what is drawn.

A sample starts by decoding its prompt's last token, so the prompt's other tokens are all that is
prefilled, once for all samples, and the first draw is a step like any other.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from rft_jax.models.kv_cache import KVCache
from rft_jax.models.llama import Llama, Params, unembed
from rft_jax.models.rope import Angles, rotary_angles
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import log_probability, random_bits
from rft_jax.sampling.state import IDLE, Program, Report, State, state_specs


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def decode_chunk(
    params: Params, state: State, more: Bool[Array, ""], program: Program
) -> tuple[State, Report]:
    """Steps until `refill` groups are hungry, all slots are idle, or `chunk` steps are made.

    Args:
      params: by layer, see `unstack_layers`.
      more: whether the host has anything for hungry groups; if not, they are let be.
    """
    specs = state_specs(state, program.row_axes)
    chunk = program.sharded(
        partial(_chunk, program=program), inputs=(P(), specs, P()), outputs=(specs, P())
    )
    return chunk(params, state, more)


def _chunk(
    params: Params, state: State, more: Bool[Array, ""], program: Program
) -> tuple[State, Report]:
    """The loop over one part's rows; all parts stop together."""
    geometry, axes = program.local, program.row_axes

    def going(carry: tuple[State, Array, Array]) -> Array:
        state, steps, _ = carry
        hungry = jax.lax.psum(jnp.sum(_hungry(state)), axes)
        active = jax.lax.psum(jnp.sum(state.sample != IDLE), axes)
        enough_hungry = more & (hungry >= geometry.refill * program.shards)
        return (steps < geometry.chunk) & (active > 0) & ~enough_hungry

    def step(carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        state, steps, busy = carry
        busy += jnp.sum(state.sample != IDLE)
        return _start_samples(_step(params, state, angles, program), geometry), steps + 1, busy

    # Looked up in every step: computed there, XLA does it anew for every layer and every head.
    longest = geometry.common + state.cache.prefix[0][0].num_columns + geometry.columns
    angles = rotary_angles(program.config, jnp.arange(longest))

    zero = jnp.zeros((), jnp.int32)
    carry = (_start_samples(state, geometry), zero, zero)
    state, steps, busy = jax.lax.while_loop(going, step, carry)
    complete = (state.count > 0) & (state.finished == state.count)
    report = Report(
        complete=jax.lax.all_gather(complete, axes, tiled=True),
        hungry=jax.lax.all_gather(_hungry(state), axes, tiled=True),
        active=jax.lax.psum(jnp.sum(state.sample != IDLE), axes),
        steps=steps,
        busy=jax.lax.psum(busy, axes),
    )
    return state, report


def _hungry(state: State) -> Bool[Array, " groups"]:
    all_started = jnp.all(state.started == state.count, axis=1)
    return all_started & jnp.any(state.finished == state.count, axis=1)


def _step(params: Params, state: State, angles: Angles, program: Program) -> State:
    """Draws one token in every slot that is not idle.

    Args:
      angles: of all positions there can be.
    """
    geometry, cache = program.local, state.cache
    idle = state.sample == IDLE
    place = place_of(state)
    positions = (geometry.common + cache.prefix_lengths[place] + cache.lengths)[:, None]
    turned = jax.tree.map(lambda table: table[positions], angles)
    hidden, new_cache = apply_model(params, state.token[:, None], positions, cache, program, turned)
    logits = unembed(params, hidden[:, 0])
    bits = random_bits(state.keys[place], state.first[place] + state.sample, cache.lengths)
    drawn = program.method(bits, logits)
    record = (*place, jnp.where(idle, geometry.task, state.sample), cache.lengths)
    ended = jnp.isin(drawn, jnp.asarray(program.eos_ids, jnp.int32))
    ended = ~idle & (ended | (new_cache.lengths == geometry.columns))
    return replace(
        state,
        cache=replace(new_cache, lengths=jnp.where(idle | ended, 0, new_cache.lengths)),
        sample=jnp.where(ended, IDLE, state.sample),
        token=drawn,
        finished=state.finished.at[place].add(ended.astype(jnp.int32)),
        tokens=state.tokens.at[record].set(drawn, mode="drop"),
        logprobs=state.logprobs.at[record].set(log_probability(logits, drawn), mode="drop"),
    )


def place_of(state: State) -> tuple[Int[Array, " slots"], Int[Array, " slots"]]:
    """Each slot's group and the number of its group's place that it draws for."""
    slots, groups = state.sample.shape[0], state.count.shape[0]
    return jnp.arange(slots) * groups // slots, state.cache.prefix_of


def apply_model(
    params: Params,
    tokens: Int[Array, "B T"],
    positions: Int[Array, "B T"],
    cache: KVCache,
    program: Program,
    angles: Angles | None = None,
) -> tuple[Float[Array, "B T D"], KVCache]:
    """The model over a cache."""
    model = Llama(program.config)
    hidden, cache = model.apply({"params": params}, tokens, positions, None, cache, angles)  # type: ignore
    return hidden, cache


def _start_samples(state: State, geometry: Geometry) -> State:
    """Idle slots take their group's next samples: those of its first place, then of its second."""
    idle = (state.sample == IDLE).reshape(geometry.groups, geometry.group)
    left = state.count - state.started
    ends = jnp.cumsum(left, axis=1)
    rank = jnp.cumsum(idle, axis=1) - 1  # of the idle slot among those of its group
    number = jnp.sum(rank[:, :, None] >= ends[:, None], axis=2)
    starts = idle & (number < geometry.prompts)
    number = jnp.minimum(number, geometry.prompts - 1)
    group = jnp.arange(geometry.groups)[:, None]
    sample = rank - (ends - left - state.started)[group, number]
    given = starts[:, :, None] & (number[:, :, None] == jnp.arange(geometry.prompts))
    flat = starts.reshape(-1)
    last_tokens = state.last_tokens[group, number].reshape(-1)
    prefix_of = jnp.where(flat, number.reshape(-1), state.cache.prefix_of)
    return replace(
        state,
        cache=replace(state.cache, prefix_of=prefix_of),
        sample=jnp.where(flat, sample.reshape(-1), state.sample),
        token=jnp.where(flat, last_tokens, state.token),
        started=state.started + jnp.sum(given, axis=1),
    )
