"""A test run has its own temporary folder, and removes those that killed runs left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.run_folders import new_run_folder


def test_folders_of_processes_that_ended_are_removed_and_no_others(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended.wait()
    own_name, others = f"run-{os.getpid()}", {f"run-{os.getppid()}", "run-notes", "other-1"}
    for name in (own_name, f"run-{ended.pid}", *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    own = new_run_folder(tmp_path, "run-")
    assert own == tmp_path / own_name
    assert not list(own.iterdir())
    assert {folder.name for folder in tmp_path.iterdir()} == {own_name, *others}
