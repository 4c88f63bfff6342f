"""Lines of progress where there is no terminal."""

from __future__ import annotations

import pytest

from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise.display import RunDisplay

SFT, RFT = Stage("train", "sft", 0, {}), Stage("train", "rft_k12", 0, {})


def _show(display: RunDisplay) -> None:
    with display as shown:
        for stage in (SFT, RFT):
            shown.started(stage)
        shown.printed(SFT, "train: 3/20 steps  loss 1.5  ETA 0:10")
        shown.printed(SFT, "something else: no progress")
        shown.finished(SFT, 75.2)


def test_each_line_has_the_count_and_the_title(capsys: pytest.CaptureFixture[str]) -> None:
    _show(RunDisplay(12, 3, 15))
    assert capsys.readouterr().out.splitlines() == [
        "3 of 12 stages were finished by an earlier run",
        "[ 3/12] sft-0 train      starts",
        "[ 3/12] rft_k12-0 train  starts",
        "[ 3/12] sft-0 train      train: 3/20 steps  loss 1.5  ETA 0:10",
        "[ 4/12] sft-0 train      done in 1:15",
    ]


def test_a_quiet_display_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    _show(RunDisplay(12, 3, 15, quiet=True))
    assert capsys.readouterr().out == ""
