"""The jitted decoding loop over slots.

A slot decodes one sample at a time. When it finishes, the next sample of its group starts in the
same slot at the next step, inside the loop. A group has cells for the tasks of one or two problems:
with two, it starts the second task while the last samples of the first are still being decoded. A
group with no sample left to start needs a refill; when `refill` groups do (or after `chunk` steps),
control returns to the host, which replaces finished tasks by new ones. Shapes depend on the
geometry and on the bucket of prompt lengths, never on what is sampled.

A sample starts by decoding its prompt's last token, so the prompt's other tokens are all that is
prefilled, once for all samples, and the first draw is a step like any other.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool

from rft_jax.models.llama import Params, unembed
from rft_jax.models.rope import Angles, rotary_angles
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import log_probability, random_bits
from rft_jax.sampling.program import Program
from rft_jax.sampling.state import (
    IDLE,
    Forced,
    Report,
    State,
    cells_of,
    loaded,
    state_specs,
    stored,
)

_PAUSED_SHARE = 4  # control returns to the host when one in so many busy slots waits for tokens


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def decode_chunk(
    params: Params, state: State, more: Bool[Array, ""], program: Program
) -> tuple[State, Report]:
    """Steps until `refill` groups need one, all slots are idle, or `chunk` steps are made.

    Args:
      params: by layer, see `unstack_layers`.
      more: whether the host has tasks for groups that need a refill; if not, the loop ignores them.
    """
    specs = state_specs(state, program)
    chunk = program.sharded(
        partial(_chunk, program=program), inputs=(P(), specs, P()), outputs=(specs, P())
    )
    return chunk(params, state, more)


def _chunk(
    params: Params, state: State, more: Bool[Array, ""], program: Program
) -> tuple[State, Report]:
    """The loop over one shard's rows; all shards stop at the same step."""
    geometry, axes = program.local, program.row_axes

    def proceeds(carry: tuple[State, Array, Array]) -> Array:
        state, steps, _ = carry
        waiting = jax.lax.psum(jnp.sum(_needs_refill(state)), axes)
        active = jax.lax.psum(jnp.sum(state.sample != IDLE), axes)
        enough_waiting = more & (waiting >= geometry.refill * program.shards)
        proceeds = (steps < geometry.chunk) & (active > 0) & ~enough_waiting
        if state.forced is None:
            return proceeds
        paused = jax.lax.psum(jnp.sum(state.forced.paused), axes)
        return proceeds & (paused * _PAUSED_SHARE < active)

    def step(carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        state, steps, busy = carry
        busy += jnp.sum(state.sample != IDLE)
        return _start_samples(_step(params, state, angles, program), geometry), steps + 1, busy

    # A table: computed in the step, XLA would compute them again for every layer and every head.
    longest = geometry.common + state.cache.by_layer[0].prefix[0].num_columns + geometry.columns
    angles = rotary_angles(program.config, jnp.arange(longest))

    zero = jnp.zeros((), jnp.int32)
    state = replace(state, cache=loaded(state.cache, program))
    carry = (_start_samples(state, geometry), zero, zero)
    state, steps, busy = jax.lax.while_loop(proceeds, step, carry)
    state = replace(state, cache=stored(state.cache, program))
    complete = (state.count > 0) & (state.finished == state.count)
    report = Report(
        complete=jax.lax.all_gather(complete, axes, tiled=True),
        needs_refill=jax.lax.all_gather(_needs_refill(state), axes, tiled=True),
        active=jax.lax.psum(jnp.sum(state.sample != IDLE), axes),
        steps=steps,
        busy=jax.lax.psum(busy, axes),
    )
    return state, report


def _needs_refill(state: State) -> Bool[Array, " groups"]:
    all_started = jnp.all(state.started == state.count, axis=1)
    return all_started & jnp.any(state.finished == state.count, axis=1)


def _step(params: Params, state: State, angles: Angles, program: Program) -> State:
    """Draws one token in every slot that is not idle.

    Args:
      angles: of all positions that can occur.
    """
    geometry, cache = program.local, state.cache
    idle = state.sample == IDLE
    if state.forced is not None:
        idle |= state.forced.paused
    cell = cells_of(state)
    positions = (geometry.common + cache.prefix_lengths[cell] + cache.lengths)[:, None]
    rotation = jax.tree.map(lambda table: table[positions], angles)
    hidden, new_cache = program.forward(params, state.token[:, None], positions, cache, rotation)
    logits = unembed(params, hidden[:, 0])
    bits = random_bits(state.keys[cell], state.first[cell] + state.sample, cache.lengths)
    token = program.method(bits, logits)
    forced = state.forced
    if forced is not None:
        token, forced = _forced(state, forced, token, idle, program)
    record = (*cell, jnp.where(idle, geometry.task, state.sample), cache.lengths)
    ended = jnp.isin(token, jnp.asarray(program.eos_ids, jnp.int32))
    ended = ~idle & (ended | (new_cache.lengths == geometry.columns))
    lengths = jnp.where(idle | ended, 0, new_cache.lengths)
    if state.forced is not None and forced is not None:
        lengths = jnp.where(state.forced.paused, cache.lengths, lengths)
        forced = replace(
            forced,
            queue=jnp.where(ended[:, None], -1, forced.queue),
            paused=forced.paused & ~ended,
        )
    return replace(
        state,
        cache=replace(new_cache, lengths=lengths),
        sample=jnp.where(ended, IDLE, state.sample),
        token=token,
        finished=state.finished.at[cell].add(ended.astype(jnp.int32)),
        tokens=state.tokens.at[record].set(token, mode="drop"),
        logprobs=state.logprobs.at[record].set(_counted(state, logits, token), mode="drop"),
        forced=forced,
    )


def _forced(
    state: State, forced: Forced, token: Array, idle: Array, program: Program
) -> tuple[Array, Forced]:
    """The slots' tokens, some of them from their queues, and the queues without these.

    A slot whose sampled token is one of `pauses_at` is paused; a paused slot keeps its token.
    """
    head = forced.queue[:, 0]
    is_forced = ~idle & (head >= 0)
    is_pause = jnp.isin(token, jnp.asarray(program.pauses_at, jnp.int32)) & ~idle & ~is_forced
    token = jnp.where(is_forced, head, jnp.where(forced.paused, state.token, token))
    shifted = jnp.roll(forced.queue, -1, axis=1).at[:, -1].set(-1)
    queue = jnp.where(is_forced[:, None], shifted, forced.queue)
    paused = forced.paused | is_pause
    return token, Forced(queue, paused)


def _counted(state: State, logits: Array, token: Array) -> Array:
    """The tokens' log-probabilities, 0 for forced ones."""
    logprob = log_probability(logits, token)
    if state.forced is None:
        return logprob
    return jnp.where(state.forced.queue[:, 0] >= 0, 0.0, logprob)


def _start_samples(state: State, geometry: Geometry) -> State:
    """Idle slots take their group's next samples: those of its first cell, then of its second."""
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
