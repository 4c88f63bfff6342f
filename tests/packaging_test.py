"""An installation has all code, and every data file that the code reads."""

from __future__ import annotations

import subprocess
import sys
import zipfile
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
    code = "from rft_jax.gin_files import find_gin_file; print(find_gin_file('runs/sft.gin'))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=built.parent, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()) == built / "configs" / "runs" / "sft.gin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel built from the source distribution, as an installer builds it."""
    folder = tmp_path_factory.mktemp("dist")
    words = ["setup.py", "--quiet", "egg_info", "--egg-base", str(folder)]
    words += ["sdist", "--dist-dir", str(folder)]
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
    (source,) = folder.glob("*.tar.gz")
    words = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    words += ["--wheel-dir", str(folder), str(source)]
    subprocess.run([sys.executable, "-m", *words], cwd=folder, check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.slow
def test_a_wheel_from_the_source_distribution_holds_everything(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {str(path) for path in _tracked("rft_jax")}
    gin = {f"rft_jax/{path}" for path in _tracked("configs")}
    assert code | gin <= names
    others = {name for name in names - code - gin if ".dist-info/" not in name}
    assert {name for name in others if not name.startswith("rft_jax/")} == set()


@pytest.mark.slow
def test_an_installed_wheel_has_the_command_and_finds_gin_files_by_name(wheel, tmp_path):
    words = ["pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "lib")]
    subprocess.run([sys.executable, "-m", *words, str(wheel)], check=True)
    flags = ["train", "--model", "wordproblems:model", "--data", "gsm8k:train", "--output", "o"]
    flags += ["--gin_file", "runs/sft.gin", "--dry_run"]
    printed = subprocess.run(
        [sys.executable, str(tmp_path / "lib" / "bin" / "rft"), *flags],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "lib")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert printed.returncode == 0, printed.stderr
    assert "train.batch_size = 48\n" in printed.stdout
