"""Files that are replaced whole, and what killed processes leave of them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rft_jax.files.atomic import remove_leftovers, replacing

_WRITER = """
import sys, time
from pathlib import Path
from rft_jax.files.atomic import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def _writer(path: Path) -> subprocess.Popen[bytes]:
    """A process in the middle of writing a file."""
    child = subprocess.Popen([sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"writing\n"
    return child


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path):
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_cannot_be_created_is_named_and_not_its_temporary(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)  # longer with the end of a temporary name than a name may be
    with pytest.raises(OSError, match="File name too long") as error, replacing(path):
        pass
    assert error.value.filename == str(path)


def test_the_next_write_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    path = tmp_path / "[ledger].jsonl"
    with _writer(path) as child:
        child.send_signal(signal.SIGKILL)
    (tmp_path / f".{path.name}.4711.tmp").write_text("left by an earlier version")
    assert len(os.listdir(tmp_path)) == 2
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == [path.name]


def test_the_temporary_file_of_a_living_process_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with _writer(path) as child:
        with replacing(path) as temporary:
            temporary.write_text("mine")
        remove_leftovers(tmp_path.iterdir())
        assert len(os.listdir(tmp_path)) == 2
        child.kill()


def test_other_hidden_files_are_not_leftovers(tmp_path: Path) -> None:
    names = [".lock", ".file.draft.tmp", "file.1234.tmp", ".sorted-runs"]
    for name in names:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path.iterdir())
    assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_without_locks_files_are_written_and_leftovers_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".file.12345678.tmp").touch()
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("whole")
    assert sorted(os.listdir(tmp_path)) == [".file.12345678.tmp", "file"]


def test_a_file_taken_for_a_leftover_before_it_is_locked_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    removed = []

    def remove_first(file: Any, how: int) -> None:
        if not removed:
            removed.append(file.name)
            Path(file.name).unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("whole")
    assert removed and (tmp_path / "file").read_text() == "whole"
