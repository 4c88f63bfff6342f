"""Output folders: one set of settings, one process, finished by a marker."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.files.outputs import LOCK, RUN, _lock, check_settings, open_output

HOLD = """
import sys, time
from rft_jax.files.outputs import RUN, open_output
with open_output(sys.argv[1], {"a": 1}):
    print("held", flush=True)
    time.sleep(60)
"""


def listing(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_folder_opens_again_with_the_same_settings_and_is_complete_once_committed(
    tmp_path: Path,
) -> None:
    with open_output(tmp_path / "out", {"a": (1, 2)}) as folder:
        assert not folder.is_complete
        folder.commit()
    with open_output(tmp_path / "out", {"a": [1, 2]}) as folder:
        assert folder.is_complete


def test_other_settings_are_refused_with_name_and_both_values_and_no_file_changes(
    tmp_path: Path,
) -> None:
    with open_output(tmp_path, {"k": 4, "seed": 0}) as folder:
        (folder.path / "work").write_text("done")
    before = listing(tmp_path)
    with (
        pytest.raises(UserError, match="was made with k = 4, now it is 8"),
        open_output(tmp_path, {"k": 8, "seed": 0}),
    ):
        pass
    assert listing(tmp_path) == before


def test_settings_other_than_an_object_are_named(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("[1]")
    with pytest.raises(UserError, match=r"settings\.json: a JSON object is needed, found list"):
        check_settings(tmp_path, {"a": 1})


def test_a_folder_of_other_files_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"'thesis\.tex'"), open_output(tmp_path, {}):
        pass
    with pytest.raises(UserError, match="is a file"), open_output(tmp_path / "thesis.tex", {}):
        pass
    assert listing(tmp_path) == {"thesis.tex": b"years of work"}


def test_an_error_before_any_work_leaves_the_folder_usable_with_other_settings(
    tmp_path: Path,
) -> None:
    with pytest.raises(UserError, match="too long"), open_output(tmp_path, {"length": 512}):
        raise UserError("too long")
    with open_output(tmp_path, {"length": 144}) as folder:
        (folder.path / "work").write_text("begun")
    with pytest.raises(UserError, match="too short"), open_output(tmp_path, {"length": 144}):
        raise UserError("too short")
    with pytest.raises(UserError, match="was made with"), open_output(tmp_path, {"length": 512}):
        pass


def test_an_error_before_any_work_leaves_no_folder_that_was_not_there(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    output = tmp_path / "runs" / "new" / "out"
    with pytest.raises(UserError, match="too long"), open_output(output, {"length": 512}, "a = 1"):
        raise UserError("too long")
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_record_of_settings_alone_keeps_no_folder_from_other_settings(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="too few"), open_output(tmp_path, {"step": 32}, "a = 1"):
        (tmp_path / RUN).write_text("{}")
        raise UserError("too few")
    with open_output(tmp_path, {"step": 4}) as folder:
        assert not (folder.path / RUN).exists()


def test_folders_above_stay_where_another_command_uses_them(tmp_path: Path) -> None:
    output = tmp_path / "new" / "out"
    with pytest.raises(UserError, match="too long"), open_output(output, {"length": 512}):
        (tmp_path / "new" / "other").mkdir()
        raise UserError("too long")
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "other"]


def test_a_folder_in_use_is_refused_until_its_process_is_killed(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="in use"), open_output(tmp_path, {"a": 1}):
            pass
        holder.kill()
    with open_output(tmp_path, {"a": 1}) as folder:
        assert not folder.is_complete


def test_the_lock_of_a_removed_folder_is_not_that_of_a_new_one(tmp_path: Path) -> None:
    """One waits for a command that is refused; a third begins before the one that waits."""
    with open(tmp_path / LOCK, "a+") as waiting:
        (tmp_path / LOCK).unlink()
        with open_output(tmp_path, {"a": 1}), pytest.raises(UserError, match="in use"):
            _lock(waiting, tmp_path)


def test_a_disk_that_does_not_lock_files_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As NFS, Lustre and FUSE mounts without locks."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with open_output(tmp_path / "out", {"a": 1}) as folder:
        folder.commit()
    said = capsys.readouterr().out
    assert f"{tmp_path / 'out'}: this disk does not lock files (No locks available)" in said
    assert said.count("\n") == 1


def test_a_finished_folder_holds_no_temporary_files_of_killed_processes(tmp_path: Path) -> None:
    with open_output(tmp_path, {"a": 1}) as folder:
        (tmp_path / "parts").mkdir()
        for name in (".ledger.jsonl.0123abcd.tmp", "parts/.part-000001.jsonl.17.tmp"):
            (tmp_path / name).touch()
        folder.commit()
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [
        ".lock", "COMPLETE", "settings.json",
    ]  # fmt: skip


def test_an_input_that_version_0_1_0_read_in_part_is_not_taken_for_the_same(tmp_path: Path) -> None:
    with open_output(tmp_path, {"model": f"m {'0' * 16}"}) as folder:
        folder.commit()
    now = f"m {'0' * 64}"
    with pytest.raises(UserError, match="made with model"), open_output(tmp_path, {"model": now}):
        pass
