"""Every measured step of a training is saved and kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.pipeline.measured_steps import check_rising, saving_at
from rft_jax.training.settings import TrainSettings

_STEPS = st.lists(st.integers(1, 200), min_size=1, max_size=5, unique=True).map(sorted)


@given(steps=_STEPS, every=st.integers(1, 50), keep=st.integers(1, 12))
def test_every_measured_step_is_saved_and_none_is_deleted_before_the_end(steps, every, keep):
    made = saving_at(TrainSettings(save_every_steps=every, keep_checkpoints=keep), steps)
    saved = range(made.save_every_steps, steps[-1] + 1, made.save_every_steps)
    assert set(steps) <= set(saved[-made.keep_checkpoints :])
    assert made.save_every_steps <= every
    assert made.keep_checkpoints >= keep


def test_settings_that_keep_every_measured_step_are_left_alone():
    settings = TrainSettings(save_every_steps=10, keep_checkpoints=5)
    assert saving_at(settings, (20, 40, 60)) == settings


@pytest.mark.parametrize("steps", [(), (2, 1), (1, 1), (0, 1)])
def test_steps_must_rise_from_one(steps):
    with pytest.raises(UserError, match=r"some\.steps is \(.*\); rising numbers from 1"):
        check_rising("some.steps", steps)
