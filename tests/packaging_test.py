"""What an installation holds: all code, and every data file that the code reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    words = ["setup.py", "--quiet", "build", "--build-base", str(folder / "base")]
    words += ["--build-lib", str(folder / "lib")]
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
    return folder / "lib" / "rft_jax"


def _tracked(folder: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [Path(line) for line in listed.stdout.splitlines()]


def test_every_file_of_the_package_is_installed(built):
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout to compare with")
    missing = [p for p in _tracked("rft_jax") if not (built.parent / p).exists()]
    assert missing == []


def test_gin_files_are_installed_and_found_there(built):
    names = {str(p.relative_to(ROOT / "configs")) for p in (ROOT / "configs").rglob("*.gin")}
    assert {str(p.relative_to(built / "configs")) for p in built.rglob("*.gin")} == names
    code = "from rft_jax.gin_settings import find_gin_file; print(find_gin_file('runs/sft.gin'))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=built.parent, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()) == built / "configs" / "runs" / "sft.gin"
