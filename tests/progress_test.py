"""Progress outside of a terminal: lines with the units done, metrics and the remaining time."""

from __future__ import annotations

import pytest

from rft_jax import progress
from rft_jax.progress import Progress, duration, quantity


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (59.6, "1:00"), (185, "3:05"), (3599.4, "59:59"), (3785, "1:03:05")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in a list of one."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_few_seconds_and_one_at_the_end(clock, capsys) -> None:
    with Progress("train", 100, "steps", initial=20) as shown:
        for done in (30, 40):
            clock[0] += 4
            shown.update(done, loss=0.25, tokens=12345.6, state="warm")
        clock[0] += 2
        shown.update(100)
    assert capsys.readouterr().out.splitlines() == [
        "train: 40/100 steps  loss 0.25  tokens 12,346  state warm  ETA 0:24",
        "train: 100/100 steps  in 0:10",
    ]


def test_the_remaining_time_is_that_of_the_units_after_compiling(clock, capsys) -> None:
    with Progress("sample", 11, "samples") as shown:
        for done, seconds in ((1, 60), (2, 6)):
            clock[0] += seconds
            shown.update(done)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "sample: 1/11 samples",
        "sample: 2/11 samples  ETA 0:54",
    ]


def test_work_that_fails_has_no_last_line(capsys) -> None:
    with pytest.raises(ValueError), Progress("train", 2, "steps"):
        raise ValueError
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (1000, "1,000 steps")]
)
def test_one_thing_is_named_in_the_singular(number: int, text: str) -> None:
    assert quantity(number, "step") == text
