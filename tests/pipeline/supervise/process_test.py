"""A command as a child process: its log, its lines and its end with the parent's."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rft_jax.errors import StageFailed
from rft_jax.pipeline.supervise import process
from rft_jax.pipeline.supervise.process import ChildCommand, run_report

PROGRAM = "import sys; [print('line', i) for i in range(40)]; sys.exit(3)"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", PROGRAM))
    return []


def _run(log: Path, heard: list[str | None]) -> ChildCommand:
    ended = threading.Event()

    def listen(_command: ChildCommand, line: str | None) -> None:
        heard.append(line)
        if line is None:
            ended.set()

    started = ChildCommand(["train", "--x=a b"], log.parent, log, {}, listen)
    assert ended.wait(60)
    assert started.wait(0)
    return started


def test_every_line_is_logged_and_passed_on_and_the_end_comes_last(
    tmp_path: Path, heard: list[str | None]
) -> None:
    lines = [f"line {i}" for i in range(40)]
    child = _run(tmp_path / "stage.log", heard)
    assert (tmp_path / "stage.log").read_text().splitlines() == ["$ rft train '--x=a b'", *lines]
    assert heard == [*lines, None]
    assert child.returncode == 3
    assert list(child.last_lines) == lines[-process.SHOWN_LINES :]


def test_a_log_on_a_full_disk_does_not_stop_the_command(
    tmp_path: Path, heard: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_for_bytes(path: Path, mode: str, **options: object) -> object:
        return open("/dev/full" if "b" in mode else path, mode, **options)

    monkeypatch.setattr(process, "open", full_for_bytes, raising=False)
    child = _run(tmp_path / "stage.log", heard)
    assert len(heard) == 41
    assert child.returncode == 3


@pytest.mark.usefixtures("heard")
def test_a_report_that_fails_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"(?s)report: exit code 3.*line 39") as failed:
        run_report(tmp_path, {})
    assert failed.value.exit_code == 3


REPORT = """
import os, sys, time
from rft_jax.pipeline.supervise.environment import end_with_parent
end_with_parent()
print(os.getpid(), flush=True)
time.sleep(60)
"""
RUN = f"""
import os, sys
from pathlib import Path
from rft_jax.pipeline.supervise import process
process.COMMAND = (sys.executable, "-c", {REPORT!r})
process.run_report(Path(sys.argv[1]), os.environ)
"""


def test_the_report_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    words = [sys.executable, "-c", RUN, str(tmp_path)]
    run = subprocess.Popen(words, cwd=Path(__file__).parents[3])
    log = tmp_path / "report.log"
    _wait_until(lambda: log.exists() and log.read_text().count("\n") == 2)
    run.kill()
    run.wait()
    child = int(log.read_text().splitlines()[1])
    assert child not in (0, run.pid)
    _wait_until(lambda: not _is_alive(child))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)
