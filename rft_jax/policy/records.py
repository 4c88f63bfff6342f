"""What a policy run leaves of its samples: a samples file a step, and rows of the ledger.

A step writes both as one immutable file each, in the order of the problems. When all steps are
done the ledger's are joined in `ledger.jsonl`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.files.names import SAMPLES_FOLDER
from rft_jax.policy.scored import Scored, StepSamples
from rft_jax.records import LEDGER_FILE, ledger_line, to_row

_SEGMENTS = "segments"


class StepFiles:
    """The files of a run's steps.

    Args:
      folder: the run's.
      num_steps: of the run.
    """

    def __init__(self, folder: Path, num_steps: int) -> None:
        self._folder, self._num_steps = folder, num_steps

    def write(self, step: int, samples: StepSamples) -> None:
        """Writes the samples of step `step` (from 0) and what was decided about them."""
        kept = {id(one) for one in samples.kept}
        ordered = sorted(samples.every, key=_order)
        write_rows(self._samples(step), (to_row(one.rollout.sample) for one in ordered))
        rows = (_ledger_row(one, step, id(one) in kept) for one in ordered)
        write_rows(self._segment(step), rows)

    def merge(self) -> None:
        """Writes `ledger.jsonl`: the rows of all steps, step by step."""
        write_rows(self._folder / LEDGER_FILE, self._ledger_rows())

    def remove_segments(self) -> None:
        """Removes the ledger's rows by step, once `ledger.jsonl` has them."""
        shutil.rmtree(self._folder / _SEGMENTS, ignore_errors=True)

    def _ledger_rows(self) -> Iterator[dict[str, Any]]:
        for step in range(self._num_steps):
            yield from (row for _, row in read_rows(self._segment(step)))

    def _samples(self, step: int) -> Path:
        return self._folder / SAMPLES_FOLDER / f"samples-{step:05d}-of-{self._num_steps:05d}.jsonl"

    def _segment(self, step: int) -> Path:
        return self._folder / _SEGMENTS / f"ledger-{step:05d}.jsonl"


def _order(one: Scored) -> tuple[int, int]:
    return one.rollout.index, one.rollout.sample.sample


def _ledger_row(one: Scored, step: int, kept: bool) -> dict[str, Any]:
    """A row as rft collect writes it, with the step and the reward."""
    sample, grade = one.rollout.sample, one.judged.grade
    named = sample.id, sample.sample, sample.model
    row = json.loads(
        ledger_line(*named, grade.verdict, grade.reason, grade.answer, key=None, kept=kept)
    )
    return row | {
        "step": step + 1,
        "seed": sample.seed,
        "reward": one.judged.reward,
        "end": one.judged.end,
    }
