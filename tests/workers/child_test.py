from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rft_jax.workers.child import Child, ChildDiedError

HERE = "tests.workers.factories"


@pytest.fixture
def child() -> Iterator[Child]:
    running = Child(f"{HERE}:make_adder", 10)
    yield running
    running.close()


def test_requests_are_answered_in_order(child: Child) -> None:
    for number in range(100):
        child.send(number)
    assert [child.receive() for _ in range(100)] == list(range(10, 110))


def test_what_a_library_prints_does_not_mix_with_answers(child: Child) -> None:
    child.send("print")
    assert child.receive() is None
    child.send(1)
    assert child.receive() == 11


def test_a_hanging_child_is_killed_at_its_deadline(child: Child) -> None:
    child.send("hang")
    with pytest.raises(TimeoutError):
        child.receive(timeout=0.2)
    assert not _is_alive(child.pid)


def test_a_child_that_dies_is_noticed(child: Child) -> None:
    child.send("die")
    with pytest.raises(ChildDiedError, match="exit code 3"):
        child.receive(timeout=60)


def test_a_child_that_cannot_start_is_noticed() -> None:
    child = Child(f"{HERE}:make_nothing")
    with pytest.raises(ChildDiedError):
        child.receive(timeout=60)


def test_large_requests_and_answers_pass_while_the_child_is_busy() -> None:
    child = Child(f"{HERE}:make_echo")
    data = "x" * 5_000_000
    for _ in range(3):
        child.send(data)
    assert all(child.receive() == data for _ in range(3))
    child.close()


def test_reading_a_reply_runs_nothing_whatever_the_child_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    child = Child(f"{HERE}:make_impostor")
    child.send(1)
    with pytest.raises(ChildDiedError, match="not readable"):
        child.receive(timeout=60)
    assert not (tmp_path / "a-pickle-was-read").exists()
    assert not _is_alive(child.pid)


def test_files_of_the_working_directory_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("random", "queue", "string", "json", "typing", "rft_jax", "numpy"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('a file of the user')")
    monkeypatch.chdir(tmp_path)
    child = Child(f"{HERE}:make_echo")
    child.send([1, "two", None])
    assert child.receive(timeout=60) == [1, "two", None]
    child.close()


PARENT = f"""
import sys, time
from rft_jax.workers.child import Child
child = Child("{HERE}:make_adder", 1)
child.send("pid")
print(child.receive(), flush=True)
child.send({{request!r}})
time.sleep(1000)
"""


@pytest.mark.parametrize("request_", ["hang", 1])
def test_a_child_ends_with_a_parent_that_was_killed(request_: object) -> None:
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(request=request_)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
        cwd=root,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _is_alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 30
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
