"""Rotary positions: rotations that depend on distance alone, and how scaling stretches them."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from rft_jax.models.config import LlamaConfig, RopeScaling
from rft_jax.models.rope import rotary_angles, rotate

CONFIG = LlamaConfig(hidden_size=64, num_heads=2, num_kv_heads=2, rope_theta=500.0)
POSITIONS = jnp.arange(64)


def _frequencies(config: LlamaConfig) -> np.ndarray:
    """Radians per position, of every pair of a head."""
    cos, sin = rotary_angles(config, jnp.array([1]))
    return np.arctan2(np.asarray(sin), np.asarray(cos))[0]


def test_scores_depend_on_the_distance_of_positions_alone() -> None:
    random = np.random.default_rng(0)
    query, key = (jnp.asarray(random.normal(size=(1, 1, 32)), jnp.float32) for _ in "qk")

    def score(at: int, distance: int) -> float:
        rotated = [
            rotate(x, rotary_angles(CONFIG, jnp.array([position])))
            for x, position in ((query, at + distance), (key, at))
        ]
        return float(jnp.sum(rotated[0] * rotated[1]))

    for distance in (0, 1, 7):
        scores = [score(at, distance) for at in (0, 3, 50)]
        np.testing.assert_allclose(scores, scores[0], rtol=1e-4)
    assert abs(score(0, 1) - score(0, 7)) > 0.1


def test_a_rotation_keeps_lengths_and_position_zero_changes_nothing() -> None:
    x = jnp.asarray(np.random.default_rng(1).normal(size=(64, 2, 32)), jnp.float32)
    rotated = rotate(x, rotary_angles(CONFIG, POSITIONS))
    lengths = [np.linalg.norm(np.asarray(one), axis=-1) for one in (x, rotated)]
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-5)
    np.testing.assert_array_equal(rotated[0], x[0])


def test_frequencies_fall_from_one_by_the_powers_of_theta() -> None:
    expected = 500.0 ** -(np.arange(16) / 16)
    np.testing.assert_allclose(_frequencies(CONFIG), expected, rtol=1e-5)


def test_whole_numbers_mean_what_floats_mean() -> None:
    """A config.json may have either, and whole numbers that int32 does not hold."""
    for theta in (500, 3580165449):
        whole, real = replace(CONFIG, rope_theta=theta), replace(CONFIG, rope_theta=float(theta))
        np.testing.assert_array_equal(_frequencies(whole), _frequencies(real))
    for scaling in (RopeScaling("linear", 2**33), RopeScaling("llama3", 2**33, 1, 4, 128)):
        assert np.isfinite(_frequencies(replace(CONFIG, rope_scaling=scaling))).all()


def test_linear_scaling_divides_every_frequency() -> None:
    scaled = replace(CONFIG, rope_scaling=RopeScaling("linear", 4.0))
    np.testing.assert_allclose(_frequencies(scaled), _frequencies(CONFIG) / 4, rtol=1e-5)


def test_llama3_scaling_keeps_high_frequencies_divides_low_ones_and_blends_between() -> None:
    """Of wavelengths below 1/4 of the original length, above it, and between."""
    scaling = RopeScaling("llama3", 8.0, 1.0, 4.0, original_max_position_embeddings=128)
    scaled = _frequencies(replace(CONFIG, rope_scaling=scaling))
    plain = _frequencies(CONFIG)
    turns = 128 * plain / (2 * np.pi)
    ratio = scaled / plain
    np.testing.assert_allclose(ratio[turns > 4], 1, rtol=1e-4)
    np.testing.assert_allclose(ratio[turns < 1], 1 / 8, rtol=1e-4)
    between = ratio[(turns >= 1) & (turns <= 4)]
    assert len(between) >= 2
    assert ((between > 1 / 8) & (between < 1)).all()
