"""Outputs at `gs://` from the command line, with a fake Google Cloud Storage."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rft_jax.files import mirror
from rft_jax.wordproblems.files import write_split
from tests.files.fake_gcs import Bucket, serve
from tests.together import finish, start

pytest.importorskip("gcsfs")
pytestmark = pytest.mark.slow

TRAIN = ("train", "--model", "wordproblems:model", "--data", "data.jsonl")
TRAIN += ("--gin.train.num_steps=20", "--gin.train.save_every_steps=2")
TRAIN += ("--gin.train.batch_size=4", "--gin.train.max_length=128")
SAMPLE = ("--problems", "data.jsonl", "--gin.sample.num_samples=2")
SAMPLE += ("--gin.sample.max_new_tokens=8", "--gin.sample.slots=4")
OUTPUT = "gs://bucket/runs/sft"
STEP = re.compile(r"runs/sft/checkpoints/\d+/")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket, and twenty problems in the folder where commands run."""
    monkeypatch.chdir(tmp_path)
    write_split("dev", tmp_path / "data.jsonl", 20, 0, None)
    with serve("bucket") as (bucket, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(
            "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
        )
        _on_machine("a", monkeypatch)
        yield bucket


def _on_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mirror.SCRATCH, str(Path.cwd() / "scratch" / name))


def _rft(*words: str, processes: int = 1, devices: int = 1) -> None:
    """Runs the command, which must succeed."""
    for code, text in finish(start(words, processes, devices)):
        assert code == 0, text


def _samples(folder: Path) -> bytes:
    return (folder / "samples-00000-of-00001.jsonl").read_bytes()


def _steps(bucket: Bucket) -> set[int]:
    """The complete checkpoints."""
    marker = re.compile(r"runs/sft/checkpoints/(\d+)/commit_success.txt")
    return {int(found[1]) for name in bucket.objects if (found := marker.fullmatch(name))}


def test_orbax_writes_checkpoints_there_and_another_machine_resumes_from_them(
    store: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (killed,) = start([*TRAIN, "--output", OUTPUT], 1, devices=1)
    while not _steps(store):
        assert killed.poll() is None
        time.sleep(0.05)
    killed.kill()
    finish([killed])
    assert "runs/sft/COMPLETE" not in store.objects
    _on_machine("b", monkeypatch)
    _rft(*TRAIN, "--output", OUTPUT)
    assert _steps(store) == {20}
    _rft(*TRAIN, "--output", "undisturbed")
    weights = store.objects["runs/sft/model.safetensors"]
    assert weights == (tmp_path / "undisturbed" / "model.safetensors").read_bytes()
    _rft("sample", *SAMPLE, "--model", f"{OUTPUT}/checkpoints/20", "--output", "sampled")
    _rft(
        "sample",
        *SAMPLE,
        "--model",
        "undisturbed/checkpoints/20",
        "--output",
        "expected",
    )
    assert _samples(tmp_path / "sampled") == _samples(tmp_path / "expected")
    written = [writer for name, writer in store.written if STEP.match(name)]
    assert any(writer.startswith("tensorstore") for writer in written)
    assert not list(tmp_path.glob("scratch/**/checkpoints/[0-9]*"))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("gs")]


def test_two_processes_without_a_common_disk_train_sample_and_evaluate(
    store: Bucket, tmp_path: Path
) -> None:
    _rft(*TRAIN, "--output", OUTPUT, processes=2)
    assert _steps(store) == {20}
    assert any("process_1" in name for name, _ in store.written)
    _rft(*TRAIN, "--output", "alone", devices=2)
    losses = [
        [json.loads(row)["loss"] for row in text.splitlines()]
        for text in (
            store.objects["runs/sft/metrics.jsonl"].decode(),
            (tmp_path / "alone" / "metrics.jsonl").read_text(),
        )
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    output = ("--output", "gs://bucket/runs/samples")
    _rft("sample", *SAMPLE, "--model", "alone", *output, processes=2)
    found = {name for name in store.objects if name.startswith("runs/samples/")}
    shards = [f"runs/samples/samples-0000{i}-of-00002.jsonl" for i in range(2)]
    kept = {"COMPLETE", "config.gin", "run.json", "settings.json", "timing.json"}
    assert found == {*shards, *(f"runs/samples/{name}" for name in kept)}
    _rft("sample", *SAMPLE, "--model", "alone", "--output", "sampled")
    assert b"".join(store.objects[name] for name in shards) == _samples(tmp_path / "sampled")
    words = ["evaluate", "--problems", "data.jsonl", "--model", "alone"]
    words += ["--gin.evaluate.max_new_tokens=8", "--gin.evaluate.slots=4"]
    for output in ("gs://bucket/runs/eval", "measured"):
        _rft(*words, "--output", output, processes=2 if "bucket" in output else 1)
    metrics = (tmp_path / "measured" / "metrics.json").read_bytes()
    assert store.objects["runs/eval/metrics.json"] == metrics


def test_the_stages_of_a_run_write_their_checkpoints_there_too(
    store: Bucket, tmp_path: Path
) -> None:
    words = ["run", "--output", "gs://bucket/run", "--gin.run.arms=['sft']", "--gin.run.limit=4"]
    words += ["--gin.train.num_steps=1", "--gin.train.batch_size=2"]
    _rft(*words, "--gin.sample.max_new_tokens=8", "--gin.evaluate.max_new_tokens=8")
    assert {"run/results.json", "run/report/index.html"} <= store.objects.keys()
    written = [writer for name, writer in store.written if re.search("/checkpoints/1/", name)]
    assert any(writer.startswith("tensorstore") for writer in written)
    assert not list(tmp_path.glob("scratch/**/checkpoints/[0-9]*"))
