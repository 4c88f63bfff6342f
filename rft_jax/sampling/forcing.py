"""Tokens that a response is given instead of sampled ones, by a function of its text so far.

Where a sampled token ends in the forcing's ending, its slot pauses until control returns to the
host, which asks the function for a text. The slot then takes that text's tokens from its queue, one
a step, and samples again from where they end. So what is forced depends on the response alone, and
samples remain a function of weights, problem, index and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Int

from rft_jax.sampling.program import Program
from rft_jax.sampling.state import State, cells_of, state_specs
from rft_jax.tokenizers import Tokenizer

_NOTHING = -1


@dataclass(frozen=True)
class Forcing:
    """What puts texts into responses.

    Attributes:
      ending: a sampled token whose text ends so is looked at.
      text_for: from a response up to such a token to the text that follows it; '' for none.
    """

    ending: str
    text_for: Callable[[str], str]

    def pauses_at(self, tokenizer: Tokenizer) -> tuple[int, ...]:
        """The tokens that end in `ending`."""
        ids = range(tokenizer.vocab_size)
        return tuple(i for i in ids if tokenizer.decode([i]).endswith(self.ending))


@dataclass(frozen=True)
class ForcedTokens:
    """A forcing for the tokens of one model."""

    forcing: Forcing
    tokenizer: Tokenizer

    def after(self, tokens: Sequence[int]) -> list[int]:
        """The tokens to be put behind these of a response."""
        text = self.forcing.text_for(self.tokenizer.decode(tokens))
        return self.tokenizer.encode(text) if text else []


@partial(jax.jit, static_argnames="program")
def paused_slots(
    state: State, program: Program
) -> tuple[Int[Array, "slots columns"], Bool[Array, " slots"]]:
    """The tokens of the sample that each slot decodes, -1 behind them; which slots are paused."""

    def read(state: State) -> tuple[Array, Array]:
        assert state.forced is not None
        tokens = state.tokens[*cells_of(state), jnp.maximum(state.sample, 0)]
        return (
            jax.lax.all_gather(tokens, program.row_axes, tiled=True),
            jax.lax.all_gather(state.forced.paused, program.row_axes, tiled=True),
        )

    specs = state_specs(state, program)
    return program.sharded(read, inputs=(specs,), outputs=P())(state)


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def resume_slots(state: State, queue: Int[Array, "slots queue"], program: Program) -> State:
    """Paused slots take these tokens, -1 behind them, and then sample again."""

    def resume(state: State, queue: Array) -> State:
        assert state.forced is not None
        paused = state.forced.paused[:, None]
        forced = replace(
            state.forced,
            queue=jnp.where(paused, queue, state.forced.queue),
            paused=jnp.zeros_like(state.forced.paused),
        )
        return replace(state, forced=forced)

    specs = state_specs(state, program)
    inputs = (specs, P(program.row_axes))
    return program.sharded(resume, inputs=inputs, outputs=specs)(state, queue)


def force(state: State, tokens: ForcedTokens, program: Program) -> State:
    """Asks for the tokens of all paused slots and resumes them."""
    so_far, paused = map(np.asarray, paused_slots(state, program=program))
    if not paused.any():
        return state
    queue = np.full((len(paused), program.queue), _NOTHING, np.int32)
    for slot in np.flatnonzero(paused):
        forced = tokens.after(so_far[slot][so_far[slot] >= 0].tolist())
        if len(forced) > program.queue:
            raise ValueError(f"{len(forced)} forced tokens, a slot's queue holds {program.queue}")
        queue[slot, : len(forced)] = forced
    return resume_slots(state, queue, program=program)
