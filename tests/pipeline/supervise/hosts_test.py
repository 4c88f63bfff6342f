"""`rft run` as two processes: what is done together, and how the end of one ends the other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rft_jax.cli import main
from rft_jax.devices.cluster import Place
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json, write_rows
from rft_jax.pipeline.supervise.hosts import place_in_run

FAKE = (sys.executable, str(Path(__file__).parents[1] / "fake_rft.py"))
PROGRAM = f"""
import sys
from rft_jax.cli import main
from rft_jax.pipeline.supervise import hosts, process
from rft_jax.pipeline import run
process.COMMAND = {FAKE!r}
hosts.SECONDS_TO_COME = float(sys.argv[1])
sys.exit(main(["run", *sys.argv[2:]]))
"""
FLAGS = ("--gin.run.arms=['sft', 'rft']", "--gin.run.test_problems=problems.jsonl")
FLAGS += ("--gin.run.train_problems=problems.jsonl", "--gin.run.model=model")


class Started:
    """Two processes of one run in a folder."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        rows = [{"id": q, "question": f"{q}?", "answer": "#### 1"} for q in "abcd"]
        write_rows(folder / "problems.jsonl", rows)

    def start(
        self, index: int, *more: str, count: int = 2, seconds: float = 60, **variables: str
    ) -> None:
        environment = os.environ | {
            "JAX_COORDINATOR_ADDRESS": self.address,
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(index),
            "FAKE_TRACE": str(self.folder / "trace"),
        }
        words = [sys.executable, "-c", PROGRAM, str(seconds), "--output", "run", *FLAGS, *more]
        self.processes.append(
            subprocess.Popen(
                words,
                cwd=self.folder,
                env=environment | variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    def ends(self) -> list[tuple[int, str]]:
        texts = [process.communicate(timeout=120)[0] for process in self.processes]
        return [(p.returncode, text) for p, text in zip(self.processes, texts, strict=True)]

    def events(self) -> list[list[str]]:
        trace = self.folder / "trace"
        return [line.split() for line in trace.read_text().splitlines()] if trace.exists() else []

    def wait_for(self, event: str) -> None:
        _wait_until(lambda: any(found[0] == event for found in self.events()))


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def pair(tmp_path: Path) -> Started:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return Started(tmp_path)


def test_training_and_sampling_are_started_on_both_hosts_and_collecting_on_one(
    pair: Started,
) -> None:
    pair.start(1)
    pair.start(0)
    (follower, said), (leader, told) = pair.ends()
    assert (leader, follower) == (0, 0), told + said
    starts = Counter(
        folder.rpartition("-")[0] for event, folder, _ in pair.events() if event == "start"
    )
    assert starts == {
        "sft-0-train": 2,
        "sft-0-sample": 2,
        "rft-0-collect": 1,
        "rft-0-train": 2,
        "sft-0-evaluate": 2,
        "rft-0-evaluate": 2,
    }
    assert len(read_json(pair.folder / "run" / "results.json")["rows"]) == 2
    logs = {path.name.rpartition("-")[0] for path in pair.folder.glob("run/stages/*.process-1.log")}
    assert len(logs) == 5
    assert "sft-0 train" in told
    assert said == ""


def test_a_stage_that_fails_on_one_host_ends_both_and_is_named(pair: Started) -> None:
    pair.start(0, FAKE_HANG="sft-0-train", FAKE_ON="0")
    pair.start(1, FAKE_FAIL="sft-0-train", FAKE_ON="1")
    (leader, told), (follower, said) = pair.ends()
    assert (leader, follower) == (3, 3)
    here = socket.gethostname()
    for text in (told, said):
        assert f"sft-0 train on process 1 ({here}): exit code 3" in text
        assert "something broke" in text
    assert not any(_is_alive(int(pid)) for _, _, pid in pair.events())


@pytest.mark.slow
def test_a_users_mistake_on_one_host_is_everybodys(pair: Started) -> None:
    pair.start(0)
    pair.start(1, FAKE_MISTAKE="sft-0-train", FAKE_ON="1")
    (leader, told), (follower, said) = pair.ends()
    assert (leader, follower) == (2, 2)
    assert "data.jsonl:3: not JSON; mend or remove the line" in told
    assert said.startswith("rft: process 0: sft-0 train on process 1")


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_host_that_dies_ends_the_other_and_no_stage_outlives_them(
    pair: Started, killed: int
) -> None:
    for index in (0, 1):
        pair.start(index, FAKE_HANG="sft-0-train")
    _wait_until(lambda: sum(event == "hangs" for event, _, _ in pair.events()) == 2)
    pair.processes[killed].kill()
    ended = pair.ends()
    assert ended[killed][0] == -signal.SIGKILL
    code, text = ended[1 - killed]
    assert code == 1
    assert f"process {killed} (" in text
    assert ") is gone" in text
    _wait_until(lambda: not any(_is_alive(int(pid)) for _, _, pid in pair.events()))


@pytest.mark.slow
def test_sigterm_to_one_host_saves_on_both(pair: Started) -> None:
    for index in (0, 1):
        pair.start(index, FAKE_HANG="sft-0-train")
    _wait_until(lambda: sum(event == "hangs" for event, _, _ in pair.events()) == 2)
    pair.processes[1].terminate()
    (leader, told), (follower, said) = pair.ends()
    assert (leader, follower) == (75, 75)
    assert "was stopped by SIGTERM; run the same command again to resume" in told
    assert "run the same command again to resume" in said
    assert not any(_is_alive(int(pid)) for _, _, pid in pair.events())


@pytest.mark.slow
def test_another_command_line_on_one_host_is_refused(pair: Started) -> None:
    pair.start(0)
    pair.start(1, "--gin.run.limit=3")
    (leader, told), (follower, said) = pair.ends()
    assert (leader, follower) == (2, 2)
    assert "was started with other words" in told
    assert "was started with other words" in said
    assert not (pair.folder / "run").exists()


def test_several_hosts_refuse_an_output_at_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RFT_SCRATCH", str(tmp_path / "scratch"))
    place = Place("127.0.0.1:1", 2, 0).variables()
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    url = f"file://{tmp_path}/out"
    assert main(["run", "--output", url]) == 2
    assert f"rft: {url}: rft run on several hosts needs a disk" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_of_one_number_are_refused(pair: Started) -> None:
    for index in (0, 1, 1):
        pair.start(index, count=3)
    ended = pair.ends()
    assert [code for code, _ in ended] == [2, 2, 2]
    for _, text in ended:
        assert f"process 1 ({socket.gethostname()}): its JAX_PROCESS_ID is another" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("index", "message"),
    [(0, "process 1 of 2 did not come in 1 seconds"), (1, "no process 0 at 127.0.0.1:")],
)
def test_nobody_waits_for_ever(pair: Started, index: int, message: str) -> None:
    pair.start(index, seconds=1)
    ((code, text),) = pair.ends()
    assert code == 2
    assert message in text


def test_processes_that_a_launcher_started_without_the_variables_are_refused() -> None:
    with pytest.raises(UserError, match="needs JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES"):
        place_in_run({"SLURM_STEP_NUM_TASKS": "2"})
    assert place_in_run({}) is None
    assert place_in_run({"SLURM_STEP_NUM_TASKS": "1"}) is None
