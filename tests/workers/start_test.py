from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import rft_jax
from rft_jax.workers.start import python_command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the standard library's names in it."""
    for module in ("random", "queue", "string", "importlib", "pathlib", "rft_jax", "jax"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('a file of the user')")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_command_of_this_package_runs_beside_files_named_like_the_standard_library(
    folder: Path,
) -> None:
    done = subprocess.run(
        [*python_command("rft_jax.cli:main"), "--version"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert rft_jax.__version__ in done.stdout


def test_the_result_is_the_exit_code_and_the_words_are_its_arguments(folder: Path) -> None:
    words = [*python_command("rft_jax.cli:main"), "frobnicate"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 2
    assert "frobnicate" in done.stderr


def test_the_package_is_the_callers_own_and_its_parent_comes_after_the_standard_library(
    tmp_path: Path,
) -> None:
    words = [*python_command("tests.workers.factories:show_path")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    package, *path = done.stdout.splitlines()
    assert package == rft_jax.__file__
    assert path[-1] == str(Path(rft_jax.__file__).parents[1])
    assert str(tmp_path) not in path and "" not in path
