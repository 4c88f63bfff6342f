"""The executor: order, failures, stops, and the seconds of every stage."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from rft_jax.errors import Preempted, StageFailed, UserError
from rft_jax.pipeline.stages import OutputOf, Stage
from rft_jax.pipeline.supervise import execute, process
from rft_jax.pipeline.supervise.display import RunDisplay
from rft_jax.pipeline.supervise.execute import Executor, stage_seconds
from rft_jax.pipeline.supervise.hosts import Hosts

# `NAME.fail`: exit code 9, once the stage that it names has started; `NAME.slow`: works for 1.2
# seconds, and saves on SIGTERM; `NAME.late`: works until SIGTERM, then finishes. NAME is the
# stage's condition.
CHILD = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
name = folder.name.split("-")[0]
has = lambda what: pathlib.Path(f"{name}.{what}").exists()
folder.mkdir(parents=True, exist_ok=True)
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
print("train: 1/2 steps", flush=True)
pathlib.Path("order").open("a").write(f"{name} ")
begin = time.monotonic()
while has("late") and not stopped or has("slow") and time.monotonic() - begin < 1.2:
    if has("slow") and stopped:
        sys.exit(75)
    time.sleep(0.01)
if has("fail"):
    while pathlib.Path(f"{name}.fail").read_text() not in pathlib.Path("order").read_text():
        time.sleep(0.01)
    print("something broke")
    sys.exit(9)
(folder / "COMPLETE").write_text("{}")
"""


@pytest.fixture(autouse=True)
def child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", CHILD))


def _stage(name: str, *inputs: Stage) -> Stage:
    arguments = {f"--data{i}": OutputOf(stage) for i, stage in enumerate(inputs)}
    return Stage("train", name, 0, arguments)


def _run(root: Path, *stages: Stage, parallel: int = 1) -> None:
    with RunDisplay(stages) as display:
        Executor(root, parallel, Hosts(), False, display).run(stages)


def _order(root: Path) -> list[str]:
    return (root / "order").read_text().split()


def _terminate_once_started(root: Path, count: int) -> threading.Thread:
    """Sends SIGTERM to this process once so many stages have started."""

    def watch() -> None:
        while not (root / "order").exists() or len(_order(root)) < count:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_stages_start_in_order_once_their_inputs_are_finished(tmp_path: Path) -> None:
    first, other = _stage("first"), _stage("other")
    _run(tmp_path, _stage("last", first, other), first, other)
    assert _order(tmp_path) == ["first", "other", "last"]


def test_a_finished_stage_is_not_run_again(tmp_path: Path) -> None:
    first = _stage("first")
    _run(tmp_path, first)
    _run(tmp_path, first, _stage("second", first))
    assert _order(tmp_path) == ["first", "second"]


def test_a_failed_stage_stops_the_others_and_shows_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "bad.fail").write_text("long")
    (tmp_path / "long.late").touch()
    with pytest.raises(StageFailed, match=r"(?s)bad-0 train: exit code 9; .*something broke") as e:
        _run(tmp_path, _stage("long"), _stage("bad"), _stage("never"), parallel=2)
    assert e.value.exit_code == 9
    assert sorted(_order(tmp_path)) == ["bad", "long"]


def test_a_killed_stage_is_named_with_its_signal(tmp_path: Path, monkeypatch) -> None:
    program = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", program))
    with pytest.raises(StageFailed, match="sft-0 train: killed by SIGKILL") as error:
        _run(tmp_path, _stage("sft"))
    assert error.value.exit_code == 1


def test_a_users_mistake_is_passed_on_in_its_words(tmp_path: Path, monkeypatch) -> None:
    program = "import sys; print('rft: x.jsonl:3: not JSON'); sys.exit(2)"
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", program))
    with pytest.raises(UserError, match=r"sft-0 train: x\.jsonl:3: not JSON \(see .*\.log\)"):
        _run(tmp_path, _stage("sft"))


def test_seconds_of_all_starts_of_a_stage_are_added(tmp_path: Path) -> None:
    stage = _stage("sft")
    (tmp_path / "sft.slow").touch()
    sender = _terminate_once_started(tmp_path, 1)
    with pytest.raises(Preempted, match="stopped by SIGTERM"):
        _run(tmp_path, stage)
    sender.join()
    before = stage_seconds(tmp_path)[stage.folder.name]
    assert before > 0
    _run(tmp_path, stage)
    assert stage_seconds(tmp_path)[stage.folder.name] > before + 1.2


def test_a_stage_that_finishes_while_the_run_is_stopped_has_its_seconds(tmp_path: Path) -> None:
    stage = _stage("sft")
    (tmp_path / "sft.late").touch()
    sender = _terminate_once_started(tmp_path, 1)
    with pytest.raises(Preempted):
        _run(tmp_path, stage)
    sender.join()
    assert stage.is_complete(tmp_path)
    assert stage_seconds(tmp_path)[stage.folder.name] > 0


def test_seconds_are_recorded_while_a_stage_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a run that is killed loses two seconds of them at most."""
    monkeypatch.setattr(execute, "_SECONDS_BETWEEN_TIMINGS", 0.01)
    recorded = []

    def record(path: Path, value: dict[str, float]) -> None:
        recorded.extend(value.values())
        write_json(path, value)

    write_json = execute.write_json
    monkeypatch.setattr(execute, "write_json", record)
    (tmp_path / "sft.slow").touch()
    _run(tmp_path, _stage("sft"))
    assert len(recorded) >= 3
    assert recorded == sorted(recorded)
