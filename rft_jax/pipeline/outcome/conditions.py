"""A condition of an experiment: its trainings together, with intervals over questions and more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rft_jax.evaluation.against import read_scores
from rft_jax.evaluation.compare import decided_shares
from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.evaluation.trainings import over_trainings
from rft_jax.pipeline.measures import Measured


def condition_rows(root: Path, measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """A row per condition: its mean over all trainings. Votes alone have no accuracy, and no row.

    Args:
      root: the run's folder.
      measured: the trainings; those of a condition stand together.
    """
    arms = dict.fromkeys(one.arm for one in measured if not one.is_votes_alone)
    return [_row(root, [one for one in measured if one.arm == arm]) for arm in arms]


def _row(root: Path, group: Sequence[Measured]) -> dict[str, Any]:
    return {
        "model": group[0].arm,
        "label": group[0].label,
        "trainings": len(group),
        **mean_over_trainings(root, group),
    }


def mean_over_trainings(root: Path, group: Sequence[Measured]) -> dict[str, Any]:
    """The mean accuracy of a condition: `value`, `n` questions, `ci95` over questions, which is
    about these models, and `method`, which is about their kind; None with one training."""
    shares = question_shares(root, group)
    return {
        **mean_with_ci(shares.mean(0)),
        "method": over_trainings(shares, 0.0, 1.0),
    }


def question_shares(root: Path, group: Sequence[Measured]) -> np.ndarray:
    """[training, question]: shares of correct answers, questions that all have decided."""
    scores = [read_scores(root / one.greedy.folder) for one in group]
    return np.array(decided_shares(scores), np.float64)
