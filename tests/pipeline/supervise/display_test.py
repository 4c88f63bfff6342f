"""Lines of progress where there is no terminal; stages and a bar on one."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise.display import RunDisplay
from rft_jax.pipeline.supervise.forecast import RunningStage

SFT, RFT = Stage("train", "sft", 0, {}), Stage("train", "rft_k12", 0, {})
EARLIER = [Stage("sample", f"arm{i}", 0, {}) for i in range(3)]
LATER = [Stage("collect", f"arm{i}", 0, {}) for i in range(7)]
STAGES = [*EARLIER, SFT, RFT, *LATER]


def _show(display: RunDisplay) -> None:
    with display as shown:
        for stage in (SFT, RFT):
            shown.started(stage)
        shown.printed(SFT, "train: 3/20 steps  loss 1.5  ETA 0:10")
        shown.printed(SFT, "something else: no progress")
        shown.finished(SFT, 75.2)


def test_each_line_has_the_count_and_the_title(capsys: pytest.CaptureFixture[str]) -> None:
    _show(RunDisplay(STAGES, EARLIER, result=lambda stage: f"loss of {stage.arm}"))
    assert capsys.readouterr().out.splitlines() == [
        "3 of 12 stages were finished by an earlier run",
        "[ 3/12] sft-0 train      starts",
        "[ 3/12] rft_k12-0 train  starts",
        "[ 3/12] sft-0 train      train: 3/20 steps  loss 1.5  ETA 0:10",
        "[ 4/12] sft-0 train      done in 1:15  loss of sft",
    ]


def test_a_quiet_display_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    _show(RunDisplay(STAGES, EARLIER, quiet=True))
    assert capsys.readouterr().out == ""


def _drawn(display: RunDisplay, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, no_color=True)
    console.print(display.renderable())
    return re.sub(r"\x1b\[\d*m", "", console.file.getvalue()).splitlines()  # type: ignore


def test_on_a_terminal_stages_and_the_runs_bar_fit_80_columns() -> None:
    display = RunDisplay(STAGES, EARLIER)
    for stage in (SFT, RFT):
        display.started(stage)
    line = "train: 3/20 steps  loss 1.5  tokens/s 123,456,789  MFU 41.2%  more metrics  ETA 0:10"
    display.printed(SFT, line)
    sft, rft, bar = _drawn(display)
    assert max(map(len, (sft, rft, bar))) <= 80
    assert "ETA 0:10   3/20 steps  loss 1.5" in sft and "train:" not in sft
    assert "rft_k12-0 train" in rft and "starts and compiles" in rft
    assert "3/12 stages" in bar and "left" in bar


def test_a_stage_may_end_while_the_running_ones_are_drawn() -> None:
    display = RunDisplay(STAGES, EARLIER)
    for stage in (SFT, RFT):
        display.started(stage)

    class Ends(RunningStage):
        @property
        def text(self) -> str:
            if RFT in display._running:
                display.finished(RFT, 1.0)
            return "the other one ends now"

    display._running[SFT] = Ends()
    assert len(_drawn(display)) == 3
    assert len(_drawn(display)) == 2


def test_the_remaining_time_is_that_of_finished_stages_of_the_same_command() -> None:
    seconds = {stage.folder.name: 30.0 for stage in EARLIER}
    display = RunDisplay(STAGES, EARLIER, seconds)
    display.forecast.parallel = 2
    # Nothing is known of training and collecting: they count like sampling.
    assert display.forecast.remaining(STAGES[3:], {}) == 30 * 9 / 2
    display.started(SFT)
    display.finished(SFT, 100)
    assert display.forecast.remaining([RFT], {}) == 50
    assert display.forecast.remaining([], {RFT: RunningStage(line="train: 1/9 x  ETA 1:10")}) == 70


def test_without_any_finished_stage_the_remaining_time_is_unknown() -> None:
    assert RunDisplay(STAGES).forecast.remaining(STAGES, {}) is None
