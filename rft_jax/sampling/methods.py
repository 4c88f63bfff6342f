"""How the next token is chosen: greedily, or drawn at a temperature from the most likely tokens.

Probabilities become whole numbers (masses, in units of 2^-30) before anything is decided by them.
Sums of whole numbers are exact in any order, so the kept set is exactly a full sort's, and the
drawn token exactly the one its random number stands for, whatever the shape of the batch.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt

from rft_jax.sampling.settings import SampleSettings

ONE = 1 << 30  # the mass of probability 1
_TOP = 128  # most likely tokens that a CPU tries first: nearly always enough for top-p
_ROWS_IN_CACHE = 8  # of a vocabulary of 50,000, for the bisection on a CPU
_COLUMNS = 256  # of a block of the vocabulary, in the search for the drawn token

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


@dataclass(frozen=True)
class Greedy:
    """The most likely token; of equals, the one with the lowest id."""

    def __call__(self, bits: UInt[Array, " B"], logits: Float[Array, "B V"]) -> Int[Array, " B"]:
        """The chosen token of every row; the random bits are ignored."""
        del bits
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)


@dataclass(frozen=True)
class TemperatureSampling:
    """A draw at a temperature from the `top_k` most likely tokens, and of those the `top_p` mass.

    Attributes:
      temperature: above 0; logits are divided by it.
      top_k: 0 for all.
      top_p: of the probability that top_k has left; 1 for all.
    """

    temperature: float
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, bits: UInt[Array, " B"], logits: Float[Array, "B V"]) -> Int[Array, " B"]:
        """A token for every row, by the row's own 32 random bits."""
        scaled = logits / self.temperature
        masses = probability_masses(scaled)
        if 0 < self.top_k < logits.shape[-1]:
            masses = jnp.where(top_k_mask(scaled, self.top_k), masses, 0)
        if self.top_p < 1:
            masses = jnp.where(top_p_mask(scaled, masses, self.top_p), masses, 0)
        return draw_tokens(bits, masses)


Method = Greedy | TemperatureSampling


def method_of(settings: SampleSettings) -> Method:
    """The method that the settings ask for."""
    if settings.temperature == 0:
        return Greedy()
    return TemperatureSampling(settings.temperature, settings.top_k, settings.top_p)


def probability_masses(logits: Float[Array, "*batch V"]) -> Int[Array, "*batch V"]:
    """Softmax in units of 2^-30, rounded; a token rounded to 0 is never drawn."""
    return jnp.round(jax.nn.softmax(logits, axis=-1) * ONE).astype(jnp.int32)


def top_k_mask(logits: Float[Array, "B V"], k: int) -> Bool[Array, "B V"]:
    """The k most likely tokens; of equals, those with the lowest ids."""
    ones = jnp.ones(logits.shape, jnp.int32)
    return smallest_top(logits, ones, jnp.full(logits.shape[:1], k, jnp.int32))


def top_p_mask(
    logits: Float[Array, "B V"], masses: Int[Array, "B V"], p: float
) -> Bool[Array, "B V"]:
    """The fewest most likely tokens with p of the masses' sum (Holtzman et al. 1904.09751)."""
    total = jnp.sum(masses, axis=-1).astype(jnp.float32)
    return smallest_top(logits, masses, jnp.ceil(total * p).astype(jnp.int32))


def smallest_top(
    logits: Float[Array, "B V"], weights: Int[Array, "B V"], need: Int[Array, " B"]
) -> Bool[Array, "B V"]:
    """The fewest tokens, by falling logit and then rising id, whose weights sum to `need`.

    What a full sort would keep. All tokens where the weights sum to less.
    """
    return jax.lax.platform_dependent(logits, weights, need, cpu=_try_top, default=_bisect)


def _try_top(
    logits: Float[Array, "B V"], weights: Int[Array, "B V"], need: Int[Array, " B"]
) -> Bool[Array, "B V"]:
    """By the few most likely tokens alone, where they are enough in all rows; by bisection else."""
    logits = jnp.where(logits == 0, 0.0, logits)  # −0 as 0
    top, ids = jax.lax.top_k(logits, min(_TOP, logits.shape[-1]))  # of equals, lower ids first
    sums = jnp.cumsum(jnp.take_along_axis(weights, ids, axis=-1), axis=-1)

    def by_last_kept() -> Bool[Array, "B V"]:
        last = jnp.sum(sums < need[:, None], axis=-1, keepdims=True)
        value = jnp.take_along_axis(top, last, axis=-1)
        last_id = jnp.take_along_axis(ids, last, axis=-1)
        up_to_last = jnp.arange(logits.shape[-1]) <= last_id
        return (logits > value) | ((logits == value) & up_to_last)

    def few_at_a_time() -> Bool[Array, "B V"]:
        """As many rows together as a core's cache holds; each is read dozens of times."""
        together = math.gcd(len(need), _ROWS_IN_CACHE)
        parts = [x.reshape(-1, together, *x.shape[1:]) for x in (logits, weights, need)]
        return jax.lax.map(lambda part: _bisect(*part), parts).reshape(logits.shape)

    return jax.lax.cond(jnp.all(sums[:, -1] >= need), by_last_kept, few_at_a_time)


def _bisect(
    logits: Float[Array, "B V"], weights: Int[Array, "B V"], need: Int[Array, " B"]
) -> Bool[Array, "B V"]:
    """First the logit of the last token kept; then, among those with exactly that, the last id."""
    order = _sortable(logits)

    def enough_from(threshold: Array) -> Array:
        kept = jnp.where(order >= threshold[:, None], weights, 0)
        return jnp.sum(kept, axis=-1) >= need

    threshold = _largest(enough_from, 32, need.shape)[:, None]
    above = order > threshold
    tied = order == threshold
    missing = need - jnp.sum(jnp.where(above, weights, 0), axis=-1)
    backwards = jnp.arange(logits.shape[-1], 0, -1, dtype=jnp.uint32)

    def enough_to(bound: Array) -> Array:
        kept = jnp.where(tied & (backwards >= bound[:, None]), weights, 0)
        return jnp.sum(kept, axis=-1) >= missing

    def last_id() -> Array:
        return _largest(enough_to, logits.shape[-1].bit_length(), need.shape)

    any_ties = jnp.any(jnp.sum(tied, axis=-1) > 1)
    last = jax.lax.cond(any_ties, last_id, lambda: jnp.zeros(need.shape, jnp.uint32))
    return above | (tied & (backwards >= last[:, None]))


def _sortable(values: Float[Array, "*batch"]) -> UInt[Array, "*batch"]:
    """Unsigned numbers in the order of the floats (−0 as 0)."""
    values = jnp.where(values == 0, 0.0, values.astype(jnp.float32))
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    sign = jnp.uint32(1 << 31)
    return jnp.where(bits >= sign, ~bits, bits | sign)


def _largest(
    holds: Callable[[Array], Array], num_bits: int, shape: tuple[int, ...]
) -> UInt[Array, " B"]:
    """The largest number of `num_bits` bits for which a falling predicate holds; 0 if for none."""

    def try_bit(i: Array, found: Array) -> Array:
        tried = found | (jnp.uint32(1 << (num_bits - 1)) >> i.astype(jnp.uint32))
        return jnp.where(holds(tried), tried, found)

    return jax.lax.fori_loop(0, num_bits, try_bit, jnp.zeros(shape, jnp.uint32))


def draw_tokens(bits: UInt[Array, " B"], masses: Int[Array, "B V"]) -> Int[Array, " B"]:
    """A token for every row with probability mass / sum of masses, by the row's own random bits.

    The inverse of the cumulative sum, in whole numbers: a random one below the sum is searched for,
    first among blocks of the vocabulary and then inside one. Off by less than 2^-32 a token.
    """
    rows, vocab_size = masses.shape
    padding = -vocab_size % _COLUMNS
    blocks = jnp.pad(masses, ((0, 0), (0, padding))).reshape(rows, -1, _COLUMNS)
    ends = jnp.cumsum(jnp.sum(blocks, axis=-1), axis=-1)
    point = _scale_down(bits, ends[:, -1])
    block = jnp.sum(ends <= point[:, None], axis=-1)
    inside = jnp.take_along_axis(blocks, block[:, None, None], axis=1)[:, 0]
    end = jnp.take_along_axis(ends, block[:, None], axis=1)
    inner = end - jnp.sum(inside, axis=-1, keepdims=True) + jnp.cumsum(inside, axis=-1)
    return (block * _COLUMNS + jnp.sum(inner <= point[:, None], axis=-1)).astype(jnp.int32)


def log_probability(logits: Float[Array, "B V"], tokens: Int[Array, " B"]) -> Float[Array, " B"]:
    """Of the tokens, under the model at temperature 1."""
    chosen = jnp.take_along_axis(logits, tokens[:, None], axis=-1)[:, 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)


def problem_key(seed: int, problem_id: str) -> np.ndarray:
    """The key (two 32-bit words) that all draws for a problem come from: a hash of seed and id."""
    text = json.dumps([seed, problem_id]).encode()
    return np.frombuffer(hashlib.sha256(text).digest()[:8], dtype="<u4").astype(np.uint32)


def random_bits(
    problem_keys: UInt[Array, "B 2"], samples: Int[Array, " B"], positions: Int[Array, " B"]
) -> UInt[Array, " B"]:
    """32 random bits for one draw each, from problem, sample index and position alone.

    Threefry-2x32 with 20 rounds (Salmon et al., SC 2011), as `jax.random` has it; written out here
    because one fused loop replaces dozens of kernels in every decoding step.
    """
    first, second = problem_keys[:, 0], problem_keys[:, 1]
    schedule = (first, second, first ^ second ^ jnp.uint32(0x1BD11BDA))
    x, y = samples.astype(jnp.uint32) + first, positions.astype(jnp.uint32) + second
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x += y
            y = ((y << rotation) | (y >> (32 - rotation))) ^ x
        x += schedule[(group + 1) % 3]
        y += schedule[(group + 2) % 3] + jnp.uint32(group + 1)
    return x


def _scale_down(bits: UInt[Array, " B"], bound: Int[Array, " B"]) -> Int[Array, " B"]:
    """bits · bound / 2^32, rounded down: a whole number below `bound` (itself below 2^31)."""
    bound = bound.astype(jnp.uint32)
    low, high = bits & 0xFFFF, bits >> 16
    bound_low, bound_high = bound & 0xFFFF, bound >> 16
    middle = high * bound_low + (low * bound_low >> 16)
    carried = (low * bound_high + (middle & 0xFFFF)) >> 16
    return (high * bound_high + (middle >> 16) + carried).astype(jnp.int32)
