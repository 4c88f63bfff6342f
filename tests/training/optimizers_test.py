"""Learning-rate schedules, and AdamW's step against its formula."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rft_jax.errors import UserError
from rft_jax.training.optimizers import learning_rate, make_optimizer
from rft_jax.training.settings import TrainSettings


def rates(**changes: object) -> list[float]:
    settings = TrainSettings(learning_rate=1.0, **changes)  # type: ignore[arg-type]
    return [learning_rate(settings, step, 100) for step in range(100)]


def test_warm_up_rises_linearly_to_the_peak() -> None:
    assert rates(warmup_ratio=0.1)[:11] == pytest.approx([*np.arange(1, 11) / 10, 1.0])


def test_cosine_falls_from_the_peak_towards_the_final_ratio() -> None:
    found = rates(warmup_ratio=0.0, final_learning_rate_ratio=0.1)
    assert found[0] == 1.0 and found[50] == pytest.approx(0.55)
    assert found == sorted(found, reverse=True) and found[-1] == pytest.approx(0.1, abs=1e-3)


def test_linear_is_halfway_at_half_time_and_constant_never_falls() -> None:
    assert rates(schedule="linear", warmup_ratio=0.0)[50] == pytest.approx(0.5)
    assert set(rates(schedule="constant", warmup_ratio=0.0)) == {1.0}


def test_a_step_equals_optax_adamw_at_the_same_rate() -> None:
    settings = TrainSettings(weight_decay=0.1, max_grad_norm=0.0, beta2=0.99)
    params = {"w": jnp.asarray([1.0, -2.0, 3.0])}
    ours, theirs = params, params
    optimizer = make_optimizer(settings)
    reference = optax.adamw(0.01, b2=0.99, weight_decay=0.1)
    state, reference_state = optimizer.init(params), reference.init(params)
    for scale in (1.0, -0.5, 3.0):
        grads = {"w": scale * jnp.asarray([0.3, 0.1, -0.7])}
        updates, state = optimizer.update(grads, state, ours)
        ours = {"w": ours["w"] - 0.01 * updates["w"]}
        step, reference_state = reference.update(grads, reference_state, theirs)
        theirs = optax.apply_updates(theirs, step)
    np.testing.assert_allclose(ours["w"], theirs["w"], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "cubic"}, "schedule 'cubic': one of cosine, linear, constant"),
        ({"moment_dtype": "int8"}, "moment_dtype 'int8': one of float32, bfloat16"),
        ({"max_length": 1}, "max_length is 1; at least 2"),
        ({"loss_chunk": -4}, "loss_chunk is -4; at least 0"),
        ({"loss_chunk": 100}, "max_length 512 is not divisible by loss_chunk 100"),
        ({"export_dtype": "float8"}, "export_dtype 'float8': one of float32, bfloat16, float16"),
        ({"seed": -1}, "seed is -1; at least 0"),
        ({"learning_rate": -1e-5}, "learning_rate is -1e-05; 0 or more"),
        ({"learning_rate": float("inf")}, "learning_rate is inf; 0 or more"),
        ({"warmup_ratio": 3.0}, "warmup_ratio is 3.0; at least 0 and below 1"),
        ({"beta2": 1.0}, "beta2 is 1.0; at least 0 and below 1"),
        ({"num_epochs": 0}, "num_steps 0 with num_epochs 0: no work"),
        (
            {"batch_size": 10, "gradient_accumulation": 4},
            "batch_size 10 is not divisible by gradient_accumulation 4",
        ),
    ],
)
def test_a_bad_setting_is_named_with_its_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TrainSettings(**changes)


def test_warm_up_in_steps_takes_the_place_of_the_ratio() -> None:
    found = rates(warmup_ratio=0.5, warmup_steps=4)
    assert found[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
