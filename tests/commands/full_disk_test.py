"""A disk that fills up under a command: a clear message, no partial files, and it resumes later."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rft_jax.files.jsonl import read_rows
from rft_jax.wordproblems.files import write_split

TRAIN = ("train", "--model", "wordproblems:model", "--gin.train.num_steps=2")
TRAIN += ("--gin.train.batch_size=4", "--gin.train.max_length=128")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if _mount("size=4m", folder).returncode:
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def _mount(options: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    return subprocess.run(words, capture_output=True, check=False)


def _rft(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rft_jax.cli", *words],
        env=os.environ | {"XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_training_on_a_full_disk_says_so_and_resumes_once_there_is_room(
    disk: Path, tmp_path: Path
) -> None:
    data = str(tmp_path / "data.jsonl")
    write_split("dev", data, 20, 0, None)
    words = [*TRAIN, "--data", data, "--output"]
    ended = _rft(*words, str(disk / "out"))
    assert ended.returncode == 1
    message = "rft: the disk is full; free some space and run the same command again\n"
    assert ended.stderr.endswith(message)
    assert not (disk / "out" / "model.safetensors").exists()
    assert not (disk / "out" / "COMPLETE").exists()
    assert not [p for p in (disk / "out" / "checkpoints").iterdir() if p.name.isdecimal()]
    assert _mount("remount,size=64m", disk).returncode == 0
    for output in (disk / "out", tmp_path / "undisturbed"):
        assert _rft(*words, str(output)).returncode == 0
        assert len(list(read_rows(output / "metrics.jsonl"))) == 2
    weights = [path / "model.safetensors" for path in (disk / "out", tmp_path / "undisturbed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.slow
def test_a_file_that_does_not_fit_is_not_there(disk: Path) -> None:
    words = ["generate-wordproblems", "--split", "dev", "--size", "20000", "--output"]
    ended = _rft(*words, str(disk / "dev.jsonl"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("rft: the disk is full")
    assert list(disk.iterdir()) == []
