"""`rft doctor` shows what is installed, what is missing and how to install it."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from rft_jax import installation
from rft_jax.commands import doctor


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Makes a package look as if it were not installed."""
    known = installation.version
    monkeypatch.setattr(installation, "version", lambda n: None if n == package else known(n))


def test_versions_devices_memory_and_disk_are_shown():
    text = doctor.examine()
    assert f"jax {metadata.version('jax')}" in text
    assert "cpu:0" in text
    assert "CPU cores for this process" in text
    assert "GiB are free" in text


def test_a_missing_extra_is_shown_with_its_use_and_how_to_install_it(monkeypatch):
    hide(monkeypatch, "seqio")
    line = next(line for line in doctor.examine().splitlines() if line.startswith("  data: "))
    # Others of the extra may be missing too, where it is not installed.
    assert re.search(r"no seqio(, [\w-]+)*: pip install '\.\[data\]'", line)
    assert "rft train --data TASK" in line


def test_caches_outside_of_outputs_are_shown_with_their_size(monkeypatch, tmp_path):
    for variable, size in (("JAX_COMPILATION_CACHE_DIR", 2), ("RFT_SCRATCH", 3)):
        (tmp_path / variable).mkdir()
        (tmp_path / variable / "file").write_bytes(bytes(size * 2**20))
        monkeypatch.setenv(variable, str(tmp_path / variable))
    text = doctor.examine()
    assert f"compiled programs: 2 MiB in {tmp_path}/JAX_COMPILATION_CACHE_DIR; to clear" in text
    assert f"copies of remote files: 3 MiB in {tmp_path}/RFT_SCRATCH; to clear" in text


def test_gsm8k_is_looked_for_where_the_variable_points(monkeypatch, tmp_path):
    (tmp_path / "train.jsonl").write_text("")
    monkeypatch.setenv("GSM8K_DIR", str(tmp_path))
    assert f"gsm8k:train|test: no test.jsonl in {tmp_path}" in doctor.examine()
    (tmp_path / "test.jsonl").write_text("")
    assert f"gsm8k:train|test: in {tmp_path}" in doctor.examine()


def test_a_missing_required_package_is_shown(monkeypatch):
    hide(monkeypatch, "orjson")
    assert "MISSING: orjson: pip install . in the clone" in doctor.examine()


def test_it_says_whether_programs_can_be_executed_in_a_sandbox(monkeypatch):
    monkeypatch.setattr(doctor, "sandbox_fault", lambda: "")
    assert "  programs = 'sandbox': works" in doctor.examine()
    monkeypatch.setattr(doctor, "sandbox_fault", lambda: "no namespaces")
    assert "  programs = 'sandbox': not here: no namespaces" in doctor.examine()
