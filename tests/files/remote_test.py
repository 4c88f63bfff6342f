"""Inputs and outputs by URL: in fsspec's memory, and in `file://` from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rft_jax import cli
from rft_jax.checkpoints import train_state
from rft_jax.errors import UserError
from rft_jax.files import mirror, remote
from rft_jax.files.mirror import original
from rft_jax.files.parquet import write_parquet
from rft_jax.files.remote import fetched, mirrored, refresh_output, send_output

fsspec = pytest.importorskip("fsspec")

PROBLEM = {"id": "a", "question": "1+1?", "answer": "<<1+1=2>>\n#### 2"}
SAMPLES = [
    {"id": "a", "sample": i, "model": "m", "seed": 0, "response": text}
    for i, text in enumerate(["<<3-1=2>>\n#### 2", "<<1+1=3>>\n#### 3"])
]


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """fsspec's memory with `problems.jsonl` and `samples.jsonl`; local copies in tmp_path."""
    monkeypatch.setenv(mirror.SCRATCH, str(tmp_path / "here"))
    store = fsspec.filesystem("memory")
    _put(store, "/b/problems.jsonl", PROBLEM)
    _put(store, "/b/samples.jsonl", *SAMPLES)
    yield store
    store.rm("/b", recursive=True)


def _put(store: Any, path: str, *rows: dict[str, Any]) -> None:
    store.pipe_file(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def _names(store: Any, folder: str) -> set[str]:
    return {path.removeprefix(f"{folder}/") for path in store.find(folder)}


def _another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mirror.SCRATCH, str(tmp_path / "elsewhere"))


def _collect(output: str, *more: str) -> int:
    words = ["collect", "--problems", "memory://b/problems.jsonl"]
    return cli.main([*words, "--samples", "memory://b/samples.jsonl", "--output", output, *more])


def test_a_stage_reads_and_writes_urls(memory: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert _collect("memory://b/collected") == 0
    assert _names(memory, "/b/collected") == {
        "COMPLETE", "config.gin", "ledger.jsonl", "paths.jsonl", "settings.json", "stats.json",
    }  # fmt: skip
    rows = memory.cat_file("/b/collected/paths.jsonl").decode().splitlines()
    assert [json.loads(row)["origin"] for row in rows] == ["human", "sampled"]
    assert "memory://b/collected: up to date" in capsys.readouterr().out


def test_a_data_set_on_the_hub_is_read_by_its_url(
    memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hub(type(memory)):  # type: ignore[misc]
        """Has the Hub's protocol, and the files in memory."""

        protocol = ("hf", "memory")

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return super()._strip_protocol(path.removeprefix("hf://datasets"))

    write_parquet(tmp_path / "p", [{"problem": "How many?", "answer": 5}, {"problem": "Who?"}])
    memory.pipe_file("/b/train.parquet", (tmp_path / "p").read_bytes())
    known = fsspec.get_filesystem_class("hf")
    fsspec.register_implementation("hf", Hub, clobber=True)
    try:
        words = ["collect", "--output", str(tmp_path / "c"), "--problems"]
        assert cli.main([*words, "hf://datasets/b/train.parquet"]) == 2
        assert "rft: hf://datasets/b/train.parquet:2: no solution" in capsys.readouterr().err
        write_parquet(tmp_path / "p", [{"problem": "How many?", "solution": "It is 5, as said."}])
        memory.pipe_file("/b/train.parquet", (tmp_path / "p").read_bytes())
        assert cli.main([*words, "hf://datasets/b/train.parquet"]) == 0
    finally:
        fsspec.register_implementation("hf", known, clobber=True)
    (row,) = (tmp_path / "c" / "paths.jsonl").read_text().splitlines()
    assert (
        json.loads(row)["query"] == "How many?"
        and json.loads(row)["response"] == "It is 5, as said."
    )


def test_a_store_that_does_not_answer_is_a_user_error(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route")

    with (
        monkeypatch.context() as patch,
        pytest.raises(
            UserError, match=r"memory://b/problems.jsonl: cannot be read .*no route.*net"
        ),
    ):
        patch.setattr(type(memory), "find", find)
        fetched("memory://b/problems.jsonl")
    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match=r"memory://b/out: cannot be read .*no route.*credentials"),
    ):
        patch.setattr(type(memory), "find", find)
        with mirrored("memory://b/out"):
            raise AssertionError("an output that cannot be read is not written")


def test_evaluations_and_reports_are_uploaded_too(memory: Any) -> None:
    words = ["evaluate", "--problems", "memory://b/problems.jsonl", "--output", "memory://b/e"]
    words += ["--samples", "memory://b/samples.jsonl", "--gin.evaluate.bootstrap_resamples=10"]
    assert cli.main(words) == 0
    assert json.loads(memory.cat_file("/b/e/metrics.json"))["mean@1"]["value"] == 0.5
    assert _collect("memory://b/c") == 0
    words = ["report", "memory://b/e", "memory://b/c", "--output", "memory://b/report"]
    assert cli.main(words) == 0
    assert b"<html" in memory.cat_file("/b/report/index.html")


def test_another_machine_finds_it_finished_or_made_with_other_settings(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _collect("memory://b/c") == 0
    before = {name: memory.cat_file(f"/b/c/{name}") for name in _names(memory, "/b/c")}
    _another_machine(tmp_path, monkeypatch)
    assert _collect("memory://b/c", "--gin.collect.dedup=exact_text") == 2
    assert "was made with dedup = 'equations'" in capsys.readouterr().err
    assert _collect("memory://b/c") == 0
    assert {name: memory.cat_file(f"/b/c/{name}") for name in _names(memory, "/b/c")} == before


def test_work_before_an_error_is_uploaded_and_resumes_on_another_machine(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyError), mirrored("memory://b/run") as folder:
        (Path(folder) / "parts").mkdir(parents=True)
        (Path(folder) / "parts" / "0.jsonl").write_text("{}\n")
        (Path(folder) / ".lock").touch()
        raise KeyError
    assert _names(memory, "/b/run") == {"parts/0.jsonl"}
    _another_machine(tmp_path, monkeypatch)
    with mirrored("memory://b/run") as folder:
        assert [p.name for p in Path(folder).rglob("*.jsonl")] == ["0.jsonl"]
        (Path(folder) / "all.jsonl").write_text("{}\n")
        (Path(folder) / "parts" / "0.jsonl").unlink()
        (Path(folder) / "COMPLETE").write_text("{}")
    assert _names(memory, "/b/run") == {"all.jsonl", "COMPLETE"}


def test_hidden_files_of_others_stay_at_the_store(memory: Any) -> None:
    hidden = {"/b/run/.gitattributes": b"1", "/b/run/sub/.notes/x.txt": b"2"}
    for path, content in hidden.items():
        memory.pipe_file(path, content)
    for number in range(2):
        with mirrored("memory://b/run") as folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / "a.txt").write_text(str(number))
        assert {path: memory.cat_file(path) for path in hidden} == hidden
        assert memory.cat_file("/b/run/a.txt") == b"%d" % number


def test_the_marker_is_uploaded_after_all_files_and_removals(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def recorded(name: str) -> Callable[..., Any]:
        original_call = getattr(memory, name)

        def record(*args: Any) -> Any:
            calls.append(f"{name} {args[-1].rpartition('/')[2]}")
            return original_call(*args)

        return record

    with mirrored("memory://b/run") as folder:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "part").write_text("1")
    for name in ("put_file", "rm_file"):
        monkeypatch.setattr(memory, name, recorded(name))
    with mirrored("memory://b/run") as folder:
        (Path(folder) / "COMPLETE").write_text("{}")
        (Path(folder) / "part").unlink()
        (Path(folder) / "all").write_text("1")
    assert calls == ["put_file all", "rm_file part", "put_file COMPLETE"]


def test_files_are_uploaded_during_the_work(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SECONDS_BETWEEN_UPLOADS", 0.01)
    with mirrored("memory://b/run") as folder:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "metrics.jsonl").write_text("1")
        for _ in range(1000):
            uploaded = memory.exists("/b/run/metrics.jsonl")
            if uploaded and memory.cat_file("/b/run/metrics.jsonl"):  # else still empty
                break
            time.sleep(0.01)
        assert memory.cat_file("/b/run/metrics.jsonl") == b"1"


def test_an_input_is_downloaded_once_and_again_when_it_changes(memory: Any) -> None:
    path = Path(fetched("memory://b/problems.jsonl"))
    assert path.name == "problems.jsonl"  # from which the ids of problems are made
    fetched_at = path.stat().st_mtime_ns
    assert Path(fetched("memory://b/problems.jsonl")).stat().st_mtime_ns == fetched_at
    memory.pipe_file("/b/problems.jsonl", b"{}\n")
    assert Path(fetched("memory://b/problems.jsonl")).read_text() == "{}\n"


def test_the_checkpoints_of_a_training_are_not_downloaded_with_the_model(memory: Any) -> None:
    for name in ("config.json", "checkpoints/100/params"):
        memory.pipe_file(f"/b/model/{name}", b"{}")
    assert [p.name for p in Path(fetched("memory://b/model")).rglob("*")] == ["config.json"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("memory://b/none.jsonl", "memory://b/none.jsonl: no such file or folder"),
        ("nowhere://b/x", "Protocol not known: nowhere"),
    ],
)
def test_a_url_where_nothing_is_is_a_user_error(memory: Any, spec: str, message: str) -> None:
    del memory
    with pytest.raises(UserError, match=message):
        fetched(spec)


def test_a_checkpoint_is_downloaded_with_its_models_description(memory: Any) -> None:
    for name in ("model/config.json", "100/params", "200/params"):
        memory.pipe_file(f"/b/sft/checkpoints/{name}", b"{}")
    step = Path(fetched("memory://b/sft/checkpoints/100"))
    assert (step.parent.name, step.name) == ("checkpoints", "100")
    found = [str(p.relative_to(step.parent)) for p in step.parent.rglob("*") if p.is_file()]
    assert sorted(found) == ["100/params", "model/config.json"]


def test_a_path_in_a_local_copy_has_a_url(memory: Any, tmp_path: Path) -> None:
    del memory
    with mirrored("memory://b/run/") as folder:
        assert original(folder) == "memory://b/run"
        assert original(f"{folder}/stages/sft/../rft") == "memory://b/run/stages/rft"
    assert original(fetched("memory://b/problems.jsonl")) == "memory://b/problems.jsonl"
    assert original(tmp_path) is None
    assert original("memory") is None


def test_checkpoints_at_gs_are_left_to_orbax_which_gets_the_whole_url(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fsspec's memory standing in for Google's store."""
    monkeypatch.setenv("EPATH_USE_TF", "")  # put back afterwards
    monkeypatch.delenv("EPATH_USE_TF")
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda spec: (memory, spec.removeprefix("gs:/")))
    opened: list[Any] = []
    monkeypatch.setattr(train_state, "_open", lambda folder, _keep: opened.append(folder))
    for name in ("config.json", "checkpoints/model/config.json", "checkpoints/100/params/d"):
        memory.pipe_file(f"/b/sft/{name}", b"{}")
    with mirrored("gs://b/sft") as folder:
        found = {str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file()}
        assert found == {"config.json", "checkpoints/model/config.json"}
        train_state.TrainStateCheckpoints(f"{folder}/checkpoints")
    assert [str(path) for path in opened] == ["gs://b/sft/checkpoints"]
    assert os.environ["EPATH_USE_TF"] == "false"
    assert "checkpoints/100/params/d" in _names(memory, "/b/sft")


def _exchange(*folders: str) -> None:
    """Several processes wait for each other."""
    for step in (send_output, refresh_output):
        for folder in folders:
            step(Path(folder))


def test_what_one_process_writes_is_in_every_copy(memory: Any) -> None:
    with mirrored("memory://b/run") as first, mirrored("memory://b/run") as second:
        assert first != second
        for number, folder in enumerate(map(Path, (first, second))):
            folder.mkdir(exist_ok=True)
            (folder / f"part-{number}").write_text(str(number))
        _exchange(first, second)
        (Path(first) / "log").write_text("not uploaded yet")
        assert {p.name for p in Path(first).iterdir()} == {"part-0", "part-1", "log"}
        assert {p.name for p in Path(second).iterdir()} == {"part-0", "part-1"}
        (Path(first) / "part-1").unlink()
        _exchange(first, second)
        assert {p.name for p in Path(second).iterdir()} == {"part-0", "log"}
    assert _names(memory, "/b/run") == {"part-0", "log"}


def test_several_processes_train_where_orbax_can_write(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del memory
    monkeypatch.setattr(train_state.jax, "process_count", lambda: 2)
    with (
        mirrored("memory://b/run") as folder,
        pytest.raises(UserError, match="memory://b/run/checkpoints: several processes train into"),
    ):
        train_state.TrainStateCheckpoints(f"{folder}/checkpoints")


def test_a_report_is_recreated_on_another_machine(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _collect("memory://b/c") == 0
    words = ["report", "memory://b/c", "--output", "memory://b/report"]
    assert cli.main(words) == 0
    made_with = json.loads(memory.cat_file("/b/report/settings.json"))
    assert made_with["inputs"] == ["memory://b/c"]
    memory.rm_file("/b/report/index.html")
    _another_machine(tmp_path, monkeypatch)
    assert cli.main(words) == 0
    assert b"<html" in memory.cat_file("/b/report/index.html")


def test_the_command_line_takes_file_urls(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", mirror.SCRATCH: str(tmp_path / "scratch")}
    file = f"file://{tmp_path}/there/p.jsonl"
    words = ["generate-wordproblems", "--split", "dev", "--size", "3", "--output", file]
    done = subprocess.run(
        [sys.executable, "-m", "rft_jax.cli", *words],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / "p.jsonl").read_text().count("\n") == 3
