"""`rft run` on two hosts: shared and single stages, and the end of one process ends the other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rft_jax.cli import main
from rft_jax.devices.cluster import ClusterProcess
from rft_jax.errors import Preempted, StageFailed, UserError
from rft_jax.files.jsonl import read_json, write_json, write_rows
from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise import hosts
from rft_jax.pipeline.supervise.hosts import SeveralHosts, several_hosts

FAKE = (sys.executable, str(Path(__file__).parents[1] / "fake_rft.py"))
PROGRAM = f"""
import sys
from rft_jax.cli import main
from rft_jax.pipeline.supervise import hosts, process
process.COMMAND = {FAKE!r}
hosts.SECONDS_TO_START = float(sys.argv[1])
hosts.SECONDS_BETWEEN_BEATS = 0.2
hosts.BEATS_OF_SILENCE = 50
sys.exit(main(["run", *sys.argv[2:]]))
"""
FLAGS = ("--gin.run.arms=['sft', 'rft']", "--gin.run.test_problems=problems.jsonl")
FLAGS += ("--gin.run.train_problems=problems.jsonl", "--gin.run.model=model")
HERE = socket.gethostname()


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Several processes as threads of this one.


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "SECONDS_BETWEEN_BEATS", 0.02)
    monkeypatch.setattr(hosts, "SECONDS_TO_START", 60.0)


@contextmanager
def _joined(root: Path, count: int = 2, words: str = "same") -> Iterator[list[SeveralHosts]]:
    """The processes of a run, in order, once all have joined; the last one has those words."""
    texts = ["same"] * (count - 1) + [words]
    found = [SeveralHosts(_process(i, count), root, [texts[i]]) for i in range(count)]
    errors: list[Exception] = []

    def join(one: SeveralHosts) -> None:
        try:
            one.join()
        except UserError as error:
            one.report(error)
            errors.append(error)

    threads = [threading.Thread(target=join, args=(one,)) for one in reversed(found)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        if errors:
            raise errors[0]
        yield found
    finally:
        for one in found:
            one.close()


def _process(index: int, count: int = 2) -> ClusterProcess:
    return ClusterProcess("10.0.0.7:8476", count, index)


def _error_of(one: SeveralHosts) -> Exception:
    """The error that ends a process."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            one.check()
        except Exception as error:
            return error
        time.sleep(0.02)
    raise AssertionError("nothing ended the process")


@pytest.mark.parametrize("command", ["train", "sample", "evaluate", "policy"])
def test_what_computes_with_jax_runs_on_all_hosts(tmp_path: Path, command: str) -> None:
    with _joined(tmp_path, 2) as members:
        stage = Stage(command, "sft", 0, {})
        assert [one.computes(stage) for one in members] == [True, True]
        assert all(one.variables(stage) for one in members)
        collecting = Stage("collect", "rft", 0, {})
        assert [one.computes(collecting) for one in members] == [True, False]


def test_all_processes_of_a_stage_get_one_address_that_a_new_start_of_the_run_changes(
    tmp_path: Path,
) -> None:
    stage = Stage("train", "sft", 0, {})
    addresses = []
    for _ in range(2):
        with _joined(tmp_path, 3) as members:
            found = [one.variables(stage) for one in members]
            assert [one["JAX_PROCESS_ID"] for one in found] == ["0", "1", "2"]
            (address,) = {one["JAX_COORDINATOR_ADDRESS"] for one in found}
            host, port = address.split(":")
            assert host == "10.0.0.7"
            assert 10_000 <= int(port) < 30_000
            assert members[1].variables(Stage("collect", "rft", 0, {})) == {}
            addresses.append(address)
    assert addresses[0] != addresses[1]


@pytest.mark.parametrize(
    ("error", "code"), [(UserError("no"), 2), (Preempted("no"), 75), (StageFailed("no", 9), 9)]
)
def test_an_error_of_any_process_ends_the_others_with_its_exit_code(
    tmp_path: Path, error: Exception, code: int
) -> None:
    with _joined(tmp_path, 3) as members:
        members[2].report(error)
        at_first = _error_of(members[0])
        assert str(at_first) == f"process 2 ({HERE}): no"
        assert at_first.exit_code == code  # type: ignore[attr-defined]
        members[0].report(at_first)
        assert str(_error_of(members[1])) == f"process 0 ({HERE}): process 2 ({HERE}): no"


def test_a_silent_process_ends_the_others(tmp_path: Path) -> None:
    for silent in (0, 1):
        with _joined(tmp_path / str(silent)) as members:
            members[silent].close()
            error = _error_of(members[1 - silent])
            assert isinstance(error, StageFailed)
            assert str(error).startswith(f"process {silent} ({HERE}): no sign of life for")


def test_a_finished_run_ends_the_others_without_an_error(tmp_path: Path) -> None:
    with _joined(tmp_path) as (leader, other):
        leader.report(None)
        leader.close()
        other.wait_for_end()
        assert read_json(tmp_path / hosts.FOLDER / "process-0.json")["end"] == [0, ""]


def test_a_new_start_of_process_0_ends_what_an_earlier_start_left(tmp_path: Path) -> None:
    with _joined(tmp_path) as (leader, other):
        leader.close()
        write_json(tmp_path / hosts.FOLDER / "process-0.json", {"id": "new", "beat": 0})
        assert "process 0 was started again" in str(_error_of(other))


def test_files_of_an_earlier_start_say_nothing(tmp_path: Path) -> None:
    left = {"id": "old", "run": "old", "host": "old", "beat": 7, "end": [3, "failed then"]}
    write_json(tmp_path / hosts.FOLDER / "process-0.json", left)
    with _joined(tmp_path) as members:
        for one in members:
            one.check()
    assert not (tmp_path / hosts.FOLDER / "old").exists()


def test_other_settings_are_refused_by_both(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="differ from process 0's"), _joined(tmp_path, 2, "other"):
        pass
    with pytest.raises(UserError), _joined(tmp_path / "b", 2, "other") as (leader, _):
        raise _error_of(leader)


def test_two_processes_of_one_index_are_refused(tmp_path: Path) -> None:
    with _joined(tmp_path), pytest.raises(UserError, match="give every process its own JAX_PROC"):
        SeveralHosts(_process(1), tmp_path, ["same"]).join()


@pytest.mark.parametrize(("index", "absent"), [(0, "1, 2"), (1, "0")])
def test_no_process_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int, absent: str
) -> None:
    monkeypatch.setattr(hosts, "SECONDS_TO_START", 0.3)
    message = f"process {absent} of 3 did not start in 0 seconds; start the same command"
    with pytest.raises(UserError, match=message), several_hosts(_process(index, 3), tmp_path, []):
        pass


# Two real processes.


class Started:
    """Two processes of one run in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text("{}")
        rows = [{"id": q, "question": f"{q}?", "answer": "2-1=1\n#### 1"} for q in "abcd"]
        write_rows(folder / "problems.jsonl", rows)

    def start(self, index: int, *more: str, **variables: str) -> None:
        environment = os.environ | ClusterProcess("127.0.0.1:1", 2, index).variables()
        environment |= {"FAKE_TRACE": str(self.folder / "trace")}
        words = [sys.executable, "-c", PROGRAM, "60", "--output", "run", *FLAGS, *more]
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

    def wait_until_both_hang(self) -> None:
        _wait_until(lambda: sum(event == "hangs" for event, _, _ in self.events()) == 2)

    def children_are_gone(self) -> bool:
        return not any(_is_alive(int(pid)) for _, _, pid in self.events())


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def pair(tmp_path: Path) -> Started:
    return Started(tmp_path)


def test_training_and_sampling_run_on_both_hosts_and_collecting_on_one(pair: Started) -> None:
    pair.start(1)
    pair.start(0)
    (other, other_text), (leader, leader_text) = pair.ends()
    assert (leader, other) == (0, 0), leader_text + other_text
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
    assert "sft-0 train" in leader_text
    assert other_text == ""


def test_a_stage_that_fails_on_one_host_ends_both_and_is_named(pair: Started) -> None:
    pair.start(0, FAKE_HANG="sft-0-train", FAKE_ON="0")
    pair.start(1, FAKE_FAIL="sft-0-train", FAKE_ON="1")
    (leader, leader_text), (other, other_text) = pair.ends()
    assert (leader, other) == (3, 3)
    assert f"process 1 ({HERE}): sft-0 train: exit code 3" in leader_text
    for text in (leader_text, other_text):
        assert "sft-0 train: exit code 3" in text
        assert "something broke" in text
    assert pair.children_are_gone()


@pytest.mark.slow
def test_a_users_mistake_on_one_host_ends_both(pair: Started) -> None:
    pair.start(0, FAKE_HANG="sft-0-train", FAKE_ON="0")
    pair.start(1, FAKE_MISTAKE="sft-0-train", FAKE_ON="1")
    (leader, leader_text), (other, other_text) = pair.ends()
    assert (leader, other) == (2, 2)
    for text in (leader_text, other_text):
        assert "sft-0 train: data.jsonl:3: not JSON; fix or remove the line" in text


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_host_that_dies_ends_the_other_and_no_stage_outlives_them(
    pair: Started, killed: int
) -> None:
    for index in (0, 1):
        pair.start(index, FAKE_HANG="sft-0-train")
    pair.wait_until_both_hang()
    pair.processes[killed].kill()
    ended = pair.ends()
    assert ended[killed][0] == -signal.SIGKILL
    code, text = ended[1 - killed]
    assert code == 1
    assert f"process {killed} ({HERE}): no sign of life for 10 seconds" in text
    _wait_until(pair.children_are_gone)


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [0, 1])
def test_sigterm_to_one_host_saves_on_both(pair: Started, stopped: int) -> None:
    for index in (0, 1):
        pair.start(index, FAKE_HANG="sft-0-train")
    pair.wait_until_both_hang()
    pair.processes[stopped].terminate()
    (leader, leader_text), (other, other_text) = pair.ends()
    assert (leader, other) == (75, 75)
    for text in (leader_text, other_text):
        assert "stopped by SIGTERM; run the same command again to resume" in text
    assert pair.children_are_gone()


def test_several_hosts_refuse_an_output_at_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RFT_SCRATCH", str(tmp_path / "scratch"))
    for name, value in _process(0).variables().items():
        monkeypatch.setenv(name, value)
    url = f"file://{tmp_path}/out"
    assert main(["run", "--output", url]) == 2
    assert f"rft: {url}: rft run on several hosts needs a disk" in capsys.readouterr().err
