"""The jitted part: one decoding loop over slots, and the exchange of finished problems for new.

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

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from rft_jax.models import kv_cache
from rft_jax.models.config import LlamaConfig
from rft_jax.models.kv_cache import KeyValues, KVCache
from rft_jax.models.llama import Llama, Params, unembed
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import Method, log_probability, random_bits

_IDLE = -1


@dataclass(frozen=True)
class Program:
    """Everything that the compiled functions are specialised to.

    Attributes:
      config: of the model, with `scan_layers` off.
      method: how a token is drawn.
      eos_ids: tokens that end a response.
      geometry: slots, groups, columns.
    """

    config: LlamaConfig
    method: Method
    eos_ids: tuple[int, ...]
    geometry: Geometry


@flax.struct.dataclass
class Tasks:
    """What groups work at: a row each; a row with count 0 is nothing.

    Attributes:
      prompts: prompt tokens without the last, padded to the bucket.
      prompt_lengths: how many of them count.
      last_tokens: the prompts' last tokens.
      keys: the problems' keys for drawing.
      first: sample index of the first sample.
      count: how many samples to draw, at most the geometry's `task`.
    """

    prompts: Int[Array, "rows P"]
    prompt_lengths: Int[Array, " rows"]
    last_tokens: Int[Array, " rows"]
    keys: UInt[Array, "rows 2"]
    first: Int[Array, " rows"]
    count: Int[Array, " rows"]


@flax.struct.dataclass
class State:
    """Everything that decoding changes; it goes in, is donated, and comes out.

    Attributes:
      cache: keys and values of the groups' prompts and of the slots' samples.
      sample: the slot's sample, counted from its task's first; -1 in an idle slot.
      token: the token that the slot decodes next.
      last_tokens, keys, first, count: of the task in a place, see Tasks.
      started: samples of the task that slots have begun.
      finished: samples of the task that are complete.
      tokens: what was drawn, by place, sample and position; -1 where nothing was.
      logprobs: of the same, at temperature 1.
    """

    cache: KVCache
    sample: Int[Array, " slots"]
    token: Int[Array, " slots"]
    last_tokens: Int[Array, "prompts groups"]
    keys: UInt[Array, "prompts groups 2"]
    first: Int[Array, "prompts groups"]
    count: Int[Array, "prompts groups"]
    started: Int[Array, "prompts groups"]
    finished: Int[Array, "prompts groups"]
    tokens: Int[Array, "prompts groups task columns"]
    logprobs: Float[Array, "prompts groups task columns"]


@flax.struct.dataclass
class Report:
    """What the host looks at after a chunk.

    Attributes:
      complete: places whose task is done and not yet collected.
      hungry: groups without a sample to start and with a place for another task.
      active: whether any slot is drawing.
      steps: decoding steps made.
      busy: slots that were drawing, summed over the steps.
    """

    complete: Bool[Array, "prompts groups"]
    hungry: Bool[Array, " groups"]
    active: Bool[Array, ""]
    steps: Int[Array, ""]
    busy: Int[Array, ""]


@partial(jax.jit, static_argnames=("program", "bucket"))
def init_state(program: Program, bucket: int) -> State:
    """All slots idle, for prompts of at most `bucket` tokens beside the last."""
    geometry = program.geometry
    places = (geometry.prompts, geometry.groups)
    drawn = (*places, geometry.task, geometry.columns)

    def zeros() -> Array:
        return jnp.zeros(places, jnp.int32)

    return State(
        cache=kv_cache.empty_cache(
            program.config,
            geometry.slots,
            geometry.columns,
            geometry.groups,
            bucket,
            geometry.prompts,
            ring=geometry.ring,
            int8=geometry.int8,
        ),
        sample=jnp.full(geometry.slots, _IDLE, jnp.int32),
        token=jnp.zeros(geometry.slots, jnp.int32),
        last_tokens=zeros(),
        keys=jnp.zeros((*places, 2), jnp.uint32),
        first=zeros(),
        count=zeros(),
        started=zeros(),
        finished=zeros(),
        tokens=jnp.full(drawn, -1, jnp.int32),
        logprobs=jnp.zeros(drawn, jnp.float32),
    )


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def decode_chunk(
    params: Params, state: State, more: Bool[Array, ""], program: Program
) -> tuple[State, Report]:
    """Steps until `refill` groups are hungry, all slots are idle, or `chunk` steps are made.

    Args:
      more: whether the host has anything for hungry groups; if not, they are let be.
    """
    geometry = program.geometry

    def going(carry: tuple[State, Array, Array]) -> Array:
        state, steps, _ = carry
        enough_hungry = more & (jnp.sum(_hungry(state)) >= geometry.refill)
        return (steps < geometry.chunk) & _active(state) & ~enough_hungry

    def step(carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        state, steps, busy = carry
        busy += jnp.sum(state.sample != _IDLE)
        return _start_samples(_step(params, state, program), geometry), steps + 1, busy

    zero = jnp.zeros((), jnp.int32)
    carry = (_start_samples(state, geometry), zero, zero)
    state, steps, busy = jax.lax.while_loop(going, step, carry)
    return state, Report(_complete(state), _hungry(state), _active(state), steps, busy)


def _active(state: State) -> Bool[Array, ""]:
    return jnp.any(state.sample != _IDLE)


def _complete(state: State) -> Bool[Array, "prompts groups"]:
    return (state.count > 0) & (state.finished == state.count)


def _hungry(state: State) -> Bool[Array, " groups"]:
    all_started = jnp.all(state.started == state.count, axis=0)
    return all_started & jnp.any(state.finished == state.count, axis=0)


def _step(params: Params, state: State, program: Program) -> State:
    """Draws one token in every slot that is not idle."""
    geometry, cache = program.geometry, state.cache
    idle = state.sample == _IDLE
    place = (cache.prefix_of, jnp.arange(geometry.slots) // geometry.group)
    positions = cache.prefix_lengths[place] + cache.lengths
    hidden, new_cache = Llama(program.config).apply(
        {"params": params}, state.token[:, None], positions[:, None], None, cache
    )
    logits = unembed(params, hidden[:, 0])
    bits = random_bits(state.keys[place], state.first[place] + state.sample, cache.lengths)
    drawn = program.method(bits, logits)
    record = (*place, jnp.where(idle, geometry.task, state.sample), cache.lengths)
    ended = jnp.isin(drawn, jnp.asarray(program.eos_ids, jnp.int32))
    ended = ~idle & (ended | (new_cache.lengths == geometry.columns))
    return state.replace(  # type: ignore[attr-defined]
        cache=new_cache.replace(lengths=jnp.where(idle | ended, 0, new_cache.lengths)),
        sample=jnp.where(ended, _IDLE, state.sample),
        token=drawn,
        finished=state.finished.at[place].add(ended.astype(jnp.int32)),
        tokens=state.tokens.at[record].set(drawn, mode="drop"),
        logprobs=state.logprobs.at[record].set(log_probability(logits, drawn), mode="drop"),
    )


def _start_samples(state: State, geometry: Geometry) -> State:
    """Idle slots take their group's next samples: those of its first place, then of its second."""
    idle = (state.sample == _IDLE).reshape(geometry.groups, geometry.group)
    left = state.count - state.started
    ends = jnp.cumsum(left, axis=0)
    rank = jnp.cumsum(idle, axis=1) - 1  # of the idle slot among those of its group
    number = jnp.sum(rank >= ends[:, :, None], axis=0)
    starts = idle & (number < geometry.prompts)
    number = jnp.minimum(number, geometry.prompts - 1)
    group = jnp.arange(geometry.groups)[:, None]
    sample = rank - (ends - left - state.started)[number, group]
    at_place = starts & (number == jnp.arange(geometry.prompts)[:, None, None])
    flat = starts.reshape(-1)
    last_tokens = state.last_tokens[number, group].reshape(-1)
    prefix_of = jnp.where(flat, number.reshape(-1), state.cache.prefix_of)
    return state.replace(  # type: ignore[attr-defined]
        cache=state.cache.replace(prefix_of=prefix_of),  # type: ignore[attr-defined]
        sample=jnp.where(flat, sample.reshape(-1), state.sample),
        token=jnp.where(flat, last_tokens, state.token),
        started=state.started + jnp.sum(at_place, axis=2),
    )


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def exchange(
    params: Params, state: State, places: Int[Array, " R"], tasks: Tasks, program: Program
) -> tuple[State, Int[Array, "R task columns"], Float[Array, "R task columns"]]:
    """Takes finished tasks' tokens and log-probabilities out and puts new tasks in.

    Args:
      places: R different ones, `number · groups + group`; one past the last stands for none.
      tasks: R tasks for them; a row of count 0 leaves its place empty.
    """
    groups = program.geometry.groups
    number, group = places // groups, places % groups

    def put(old: Array, new: Any) -> Array:
        return old.at[number, group].set(new, mode="drop")

    def put_prefix(which: int, old: Array, new: Array) -> Array:
        return old.at[jnp.where(number == which, group, groups)].set(new, mode="drop")

    prefix = _prefill(params, tasks, program)
    prefixes = tuple(
        tuple(
            jax.tree.map(partial(put_prefix, which), old, new) for which, old in enumerate(stored)
        )
        for stored, new in zip(state.cache.prefix, prefix, strict=True)
    )
    cache = state.cache.replace(  # type: ignore[attr-defined]
        prefix=prefixes,
        prefix_lengths=put(state.cache.prefix_lengths, tasks.prompt_lengths),
    )
    new = state.replace(  # type: ignore[attr-defined]
        cache=cache,
        last_tokens=put(state.last_tokens, tasks.last_tokens),
        keys=put(state.keys, tasks.keys),
        first=put(state.first, tasks.first),
        count=put(state.count, tasks.count),
        started=put(state.started, 0),
        finished=put(state.finished, 0),
        tokens=put(state.tokens, -1),
    )
    tokens = state.tokens.at[number, group].get(mode="fill", fill_value=-1)
    logprobs = state.logprobs.at[number, group].get(mode="fill", fill_value=0)
    return new, tokens, logprobs


def _prefill(params: Params, tasks: Tasks, program: Program) -> tuple[KeyValues, ...]:
    """Every layer's keys and values of the prompts, as the cache stores them."""
    rows, columns = tasks.prompts.shape
    collecting = kv_cache.empty_cache(program.config, rows, 0)
    positions = jnp.broadcast_to(jnp.arange(columns), (rows, columns))
    _, cache = Llama(program.config).apply(
        {"params": params}, tasks.prompts, positions, None, collecting
    )
    layers = tuple(blocks[0] for blocks in cache.suffix)
    if program.geometry.int8:
        return tuple(kv_cache.quantised(layer) for layer in layers)
    return layers


def decoding_config(config: LlamaConfig, dtype: str) -> LlamaConfig:
    """The model as the loop runs it: every layer compiled by itself, nothing recomputed."""
    return replace(config, scan_layers=False, remat="none", dtype=dtype, param_dtype=dtype)
