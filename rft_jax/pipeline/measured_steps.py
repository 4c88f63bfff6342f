"""Trainings that are measured after some of their steps: which are saved, and where they lie."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from rft_jax.errors import UserError
from rft_jax.files.names import checkpoint_of
from rft_jax.pipeline.stages import OutputOf, Stage
from rft_jax.training.settings import TrainSettings

_Settings = TypeVar("_Settings", bound=TrainSettings)


def check_rising(name: str, steps: Sequence[int]) -> None:
    """Refuses steps that do not rise from 1 or more; `name` is the setting.

    Raises:
      UserError: they do not, or there are none.
    """
    if not steps or list(steps) != sorted({*steps}) or steps[0] < 1:
        raise UserError(f"{name} is {tuple(steps)}; rising numbers from 1 are needed")


def saving_at(settings: _Settings, steps: Sequence[int]) -> _Settings:
    """The settings, saving so often and so much that every one of these steps is kept.

    What is set stays where it does that: `save_every_steps` is made smaller only if a step is not
    a multiple of it, `keep_checkpoints` larger only if the first one would be deleted.
    """
    apart = math.gcd(settings.save_every_steps, *steps)
    kept = max(settings.keep_checkpoints, len(range(steps[0], steps[-1] + 1, apart)))
    return replace(settings, save_every_steps=apart, keep_checkpoints=kept)


def models_after(trained: Stage, steps: Sequence[int]) -> Iterator[tuple[int, OutputOf]]:
    """Each of the steps with the model after it; the last is the training's end."""
    for step in steps:
        yield step, OutputOf(trained, "" if step == steps[-1] else checkpoint_of(step))
