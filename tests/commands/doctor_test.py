"""`rft doctor` says what is here, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
from importlib import metadata

from rft_jax.commands import doctor


def test_versions_devices_memory_and_disk_are_said():
    text = doctor.examine()
    assert f"jax {metadata.version('jax')}" in text
    assert "cpu:0" in text
    assert "CPU cores for this process" in text
    assert "GB are free" in text


def test_a_missing_extra_is_said_with_what_it_is_for_and_how_to_get_it(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "seqio" else find(name)
    )
    line = next(line for line in doctor.examine().splitlines() if line.startswith("  data: "))
    assert "no seqio: pip install 'rft-jax[data]'" in line
    assert "rft train --data TASK" in line


def test_what_is_kept_outside_of_outputs_is_said_with_its_size(monkeypatch, tmp_path):
    for variable, size in (("JAX_COMPILATION_CACHE_DIR", 2), ("RFT_SCRATCH", 3)):
        (tmp_path / variable).mkdir()
        (tmp_path / variable / "file").write_bytes(bytes(size * 1_000_000))
        monkeypatch.setenv(variable, str(tmp_path / variable))
    text = doctor.examine()
    assert f"compiled programs: 2 MB in {tmp_path}/JAX_COMPILATION_CACHE_DIR; to clear" in text
    assert f"copies of remote files: 3 MB in {tmp_path}/RFT_SCRATCH; to clear" in text


def test_gsm8k_is_looked_for_where_the_variable_points(monkeypatch, tmp_path):
    (tmp_path / "train.jsonl").write_text("")
    monkeypatch.setenv("GSM8K_DIR", str(tmp_path))
    assert f"gsm8k:train|test: no test.jsonl in {tmp_path}" in doctor.examine()
    (tmp_path / "test.jsonl").write_text("")
    assert f"gsm8k:train|test: in {tmp_path}" in doctor.examine()


def test_a_missing_core_package_is_said(monkeypatch):
    monkeypatch.setattr(doctor, "_CORE", ("jax", "no-such-package"))
    assert "MISSING: no-such-package: pip install rft-jax" in doctor.examine()
