"""The jitted part: one decoding loop over slots, and the exchange of finished problems for new.

A slot draws one sample at a time. When it finishes, the next sample of its group's problem starts
in the same slot at the next step, inside the loop. Groups whose samples are all drawn wait until
`refill` of them do (or `chunk` steps are over); then the host exchanges them for new problems.
Shapes depend on the geometry and on the bucket of prompt lengths, never on what is drawn.

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
from rft_jax.models.kv_cache import KVCache
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
      last_tokens, keys, first, count: of the group's task, see Tasks.
      started: samples of the task that slots have begun.
      finished: samples of the task that are complete.
      tokens: what was drawn, by group, sample and position; -1 where nothing was.
      logprobs: of the same, at temperature 1.
    """

    cache: KVCache
    sample: Int[Array, " slots"]
    token: Int[Array, " slots"]
    last_tokens: Int[Array, " groups"]
    keys: UInt[Array, "groups 2"]
    first: Int[Array, " groups"]
    count: Int[Array, " groups"]
    started: Int[Array, " groups"]
    finished: Int[Array, " groups"]
    tokens: Int[Array, "groups task columns"]
    logprobs: Float[Array, "groups task columns"]


@flax.struct.dataclass
class Report:
    """What the host looks at after a chunk.

    Attributes:
      complete: groups whose task is done and not yet collected.
      steps: decoding steps made.
      busy: slots that were drawing, summed over the steps.
    """

    complete: Bool[Array, " groups"]
    steps: Int[Array, ""]
    busy: Int[Array, ""]


@partial(jax.jit, static_argnames=("program", "bucket"))
def init_state(program: Program, bucket: int) -> State:
    """All slots idle, for prompts of at most `bucket` tokens beside the last."""
    geometry = program.geometry
    groups, columns = geometry.groups, geometry.columns
    drawn = (groups, geometry.task, columns)

    def per_group() -> Array:
        return jnp.zeros(groups, jnp.int32)

    return State(
        cache=kv_cache.empty_cache(program.config, geometry.slots, columns, groups, bucket),
        sample=jnp.full(geometry.slots, _IDLE, jnp.int32),
        token=jnp.zeros(geometry.slots, jnp.int32),
        last_tokens=per_group(),
        keys=jnp.zeros((groups, 2), jnp.uint32),
        first=per_group(),
        count=per_group(),
        started=per_group(),
        finished=per_group(),
        tokens=jnp.full(drawn, -1, jnp.int32),
        logprobs=jnp.zeros(drawn, jnp.float32),
    )


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def decode_chunk(params: Params, state: State, program: Program) -> tuple[State, Report]:
    """Steps until `refill` groups are complete, all slots are idle, or `chunk` steps are made."""
    geometry = program.geometry

    def going(carry: tuple[State, Array, Array]) -> Array:
        state, steps, _ = carry
        waiting = jnp.sum(_complete(state))
        busy = jnp.any(state.sample != _IDLE)
        return (steps < geometry.chunk) & busy & (waiting < geometry.refill)

    def step(carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        state, steps, busy = carry
        busy += jnp.sum(state.sample != _IDLE)
        return _step(params, state, program), steps + 1, busy

    zero = jnp.zeros((), jnp.int32)
    state, steps, busy = jax.lax.while_loop(going, step, (state, zero, zero))
    return state, Report(_complete(state), steps, busy)


def _complete(state: State) -> Bool[Array, " groups"]:
    return (state.count > 0) & (state.finished == state.count)


def _step(params: Params, state: State, program: Program) -> State:
    """Draws one token in every slot that is not idle."""
    geometry, cache = program.geometry, state.cache
    group = jnp.arange(geometry.slots) // geometry.group
    positions = cache.prefix_lengths[group] + cache.lengths
    hidden, new_cache = Llama(program.config).apply(
        {"params": params}, state.token[:, None], positions[:, None], None, cache
    )
    logits = unembed(params, hidden[:, 0])
    bits = random_bits(state.keys[group], state.first[group] + state.sample, cache.lengths)
    drawn = program.method(bits, logits)
    place = (group, jnp.where(state.sample == _IDLE, geometry.task, state.sample), cache.lengths)
    recorded = state.replace(  # type: ignore[attr-defined]
        cache=new_cache,
        tokens=state.tokens.at[place].set(drawn, mode="drop"),
        logprobs=state.logprobs.at[place].set(log_probability(logits, drawn), mode="drop"),
    )
    ended = jnp.isin(drawn, jnp.asarray(program.eos_ids, jnp.int32))
    ended |= new_cache.lengths == geometry.columns
    return _advance(recorded, drawn, ended, geometry)


def _advance(
    state: State, drawn: Int[Array, " slots"], ended: Bool[Array, " slots"], geometry: Geometry
) -> State:
    """Goes on with the drawn token, or with the task's next sample where the last one ended."""
    active = state.sample != _IDLE
    ended = active & ended
    by_group = ended.reshape(geometry.groups, geometry.group)
    next_sample = state.started[:, None] + jnp.cumsum(by_group, axis=1) - 1
    next_sample = jnp.where(next_sample < state.count[:, None], next_sample, _IDLE).reshape(-1)
    num_ended = jnp.sum(by_group, axis=1)
    restart = jnp.repeat(state.last_tokens, geometry.group)
    going_on = active & ~ended
    return state.replace(  # type: ignore[attr-defined]
        cache=state.cache.replace(lengths=jnp.where(going_on, state.cache.lengths, 0)),
        sample=jnp.where(ended, next_sample, state.sample),
        token=jnp.where(ended, restart, drawn),
        started=jnp.minimum(state.started + num_ended, state.count),
        finished=state.finished + num_ended,
    )


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def exchange(
    params: Params, state: State, groups: Int[Array, " R"], tasks: Tasks, program: Program
) -> tuple[State, Int[Array, "R task columns"], Float[Array, "R task columns"]]:
    """Takes finished tasks' tokens and log-probabilities out and puts new tasks in.

    Args:
      groups: R different groups; a number past the last stands for none.
      tasks: R tasks for them; rows of count 0 leave their groups idle.
    """
    tokens = state.tokens.at[groups].get(mode="fill", fill_value=-1)
    logprobs = state.logprobs.at[groups].get(mode="fill", fill_value=0)
    prefix = _prefill(params, tasks, program)

    def put(old: Array, new: Any) -> Array:
        return old.at[groups].set(new, mode="drop")

    geometry = program.geometry
    lane = jnp.arange(geometry.group)
    slots = groups[:, None] * geometry.group + lane
    begun = jnp.where(lane < tasks.count[:, None], lane, _IDLE)

    def put_slots(old: Array, new: Any) -> Array:
        return old.at[slots].set(new, mode="drop")

    cache = state.cache.replace(  # type: ignore[attr-defined]
        prefix=jax.tree.map(put, state.cache.prefix, prefix),
        prefix_lengths=put(state.cache.prefix_lengths, tasks.prompt_lengths),
        lengths=put_slots(state.cache.lengths, 0),
    )
    new = state.replace(  # type: ignore[attr-defined]
        cache=cache,
        sample=put_slots(state.sample, begun),
        token=put_slots(state.token, tasks.last_tokens[:, None]),
        last_tokens=put(state.last_tokens, tasks.last_tokens),
        keys=put(state.keys, tasks.keys),
        first=put(state.first, tasks.first),
        count=put(state.count, tasks.count),
        started=put(state.started, jnp.minimum(tasks.count, geometry.group)),
        finished=put(state.finished, 0),
        tokens=put(state.tokens, -1),
    )
    return new, tokens, logprobs


def _prefill(params: Params, tasks: Tasks, program: Program) -> Any:
    """Keys and values of the prompts, in the structure of the cache's prefix."""
    rows, columns = tasks.prompts.shape
    collecting = kv_cache.empty_cache(program.config, rows, 0)
    positions = jnp.broadcast_to(jnp.arange(columns), (rows, columns))
    _, cache = Llama(program.config).apply(
        {"params": params}, tasks.prompts, positions, None, collecting
    )
    return tuple(blocks[0] for blocks in cache.suffix)


def decoding_config(config: LlamaConfig, dtype: str) -> LlamaConfig:
    """The model as the loop runs it: every layer compiled by itself, nothing recomputed."""
    return replace(config, scan_layers=False, remat="none", dtype=dtype, param_dtype=dtype)
