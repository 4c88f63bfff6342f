"""A stage's command as a child process: what it says is kept and told, also on a full disk."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from rft_jax.pipeline.supervise import process
from rft_jax.pipeline.supervise.process import LocalProcess, Process

PROGRAM = "import sys; [print('line', i) for i in range(40)]; sys.exit(3)"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", PROGRAM))
    return []


def _run(log: Path, told: list[str | None]) -> LocalProcess:
    ended = threading.Event()

    def tell(_process: Process, line: str | None) -> None:
        told.append(line)
        if line is None:
            ended.set()

    started = LocalProcess(["train", "--x=a b"], log.parent, log, {}, tell)
    assert ended.wait(60)
    assert started.wait(0)
    return started


def test_every_line_is_kept_and_told_and_the_end_comes_last(
    tmp_path: Path, told: list[str | None]
) -> None:
    lines = [f"line {i}" for i in range(40)]
    child = _run(tmp_path / "stage.log", told)
    assert (tmp_path / "stage.log").read_text().splitlines() == ["$ rft train '--x=a b'", *lines]
    assert told == [*lines, None]
    assert child.returncode == 3
    assert list(child.last_lines) == lines[-process.SHOWN_LINES :]


def test_a_log_that_finds_no_room_does_not_stop_the_command(
    tmp_path: Path, told: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_for_bytes(path: Path, mode: str, **options: object) -> object:
        return open("/dev/full" if "b" in mode else path, mode, **options)

    monkeypatch.setattr(process, "open", full_for_bytes, raising=False)
    child = _run(tmp_path / "stage.log", told)
    assert len(told) == 41
    assert child.returncode == 3
