"""An input's identity follows its content, not its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.files import identity
from rft_jax.files.identity import input_identity


def test_a_file_keeps_its_identity_when_moved_and_not_when_changed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for folder in (tmp_path, tmp_path / "a"):
        (folder / "data.jsonl").write_text("{}\n")
    before = input_identity(tmp_path / "data.jsonl")
    assert before == input_identity(tmp_path / "a" / "data.jsonl")
    (tmp_path / "data.jsonl").write_text("{ }\n")
    assert before != input_identity(tmp_path / "data.jsonl")


def test_a_model_folder_is_its_files_without_checkpoints_and_timings(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = input_identity(tmp_path)
    (tmp_path / "timing.json").write_text("{}")
    (tmp_path / ".lock").write_text("")
    (tmp_path / "checkpoints").mkdir()
    assert input_identity(tmp_path) == before
    (tmp_path / "model.safetensors").write_text("weights")
    assert input_identity(tmp_path) != before


def test_large_files_are_known_by_size_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "_WHOLE_BYTES", 10)
    monkeypatch.setattr(identity, "_END_BYTES", 4)
    seen = set()
    for content in ("head....tail", "HEAD....tail", "head....TAIL", "head.....tail"):
        (tmp_path / "weights").write_text(content)
        seen.add(input_identity(tmp_path / "weights"))
    assert len(seen) == 4


def test_a_name_is_its_own_identity() -> None:
    assert input_identity("gsm8k:train") == "gsm8k:train"
