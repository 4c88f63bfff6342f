"""An input's identity depends on all content that is read, and not on its path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rft_jax.files import digests, identity, mirror
from rft_jax.files.identity import (
    added_setting,
    input_identity,
    setting_known_as,
    setting_like,
    settings_identity,
)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _training(folder: Path) -> Path:
    """The checkpoints of a training with two steps."""
    _write(folder / "model/config.json", "{}")
    for step in ("100", "200"):
        _write(folder / step / "params/d/weights", f"weights of {step}")
        _write(folder / step / "rest/d/moments", f"moments of {step}")
        _write(folder / step / "_CHECKPOINT_METADATA", '{"commit_timestamp_nsecs": 1}')
    return folder


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files over 10 bytes count as large; digests are remembered in a folder of the test's own."""
    monkeypatch.setattr(digests, "SMALL_BYTES", 10)
    monkeypatch.setattr(identity, "SMALL_BYTES", 10)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_file_keeps_its_identity_when_moved_and_not_when_changed(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "a"):
        _write(folder / "data.jsonl", "{}\n")
    before = input_identity(tmp_path / "data.jsonl")
    assert before == input_identity(tmp_path / "a" / "data.jsonl")
    _write(tmp_path / "data.jsonl", "{ }\n")
    assert before != input_identity(tmp_path / "data.jsonl")


def test_small_inputs_have_the_identities_that_earlier_versions_gave_them(tmp_path: Path) -> None:
    _write(tmp_path / "model/config.json", "{}")
    _write(tmp_path / "model/model.safetensors", "weights")
    assert input_identity(tmp_path / "model") == "model ed84d73239a6d789"
    assert input_identity(tmp_path / "model/config.json") == "config.json 44136fa355b3678a"


def test_the_identity_of_a_model_folder_ignores_sub_folders_and_timings(tmp_path: Path) -> None:
    _write(tmp_path / "config.json", "{}")
    before = input_identity(tmp_path)
    for unread in ("timing.json", ".lock", "checkpoints/100/params/d", "model/config.json"):
        _write(tmp_path / unread, "{}")
    assert input_identity(tmp_path) == before
    _write(tmp_path / "model.safetensors", "weights")
    assert input_identity(tmp_path) != before


def test_weights_in_sub_folders_which_an_index_may_name_count(tmp_path: Path) -> None:
    seen = set()
    for content in ("a", "b"):
        _write(tmp_path / "m/config.json", "{}")
        _write(tmp_path / "m/weights/model-00001.safetensors", content)
        seen.add(input_identity(tmp_path / "m"))
    assert len(seen) == 2 and {len(one.split()[1]) for one in seen} == {64}


@pytest.mark.usefixtures("_small")
def test_every_byte_of_a_large_file_counts(tmp_path: Path) -> None:
    seen = set()
    for content in ("head....tail", "HEAD....tail", "head....TAIL", "head.!..tail"):
        _write(tmp_path / "m/weights", content)
        seen |= {input_identity(tmp_path / "m/weights"), input_identity(tmp_path / "m")}
    assert len(seen) == 8
    assert {len(one.split()[1]) for one in seen} == {64}


@pytest.mark.parametrize(
    "changed",
    ["model/config.json", "100/params/d/weights", "200/params/d/weights", "300/params/d/weights"],
)
def test_the_identity_of_checkpoints_is_of_parameters_and_model_description(
    tmp_path: Path, changed: str
) -> None:
    folder = _training(tmp_path / "checkpoints")
    before = input_identity(folder)
    _write(folder / "200/rest/d/moments", "others")
    _write(folder / "200/_CHECKPOINT_METADATA", '{"commit_timestamp_nsecs": 2}')
    assert input_identity(folder) == before == input_identity(f"{folder}/")
    _write(folder / changed, "another training")
    assert input_identity(folder) != before


def test_the_identity_of_a_step_is_of_its_parameters_and_model_description(tmp_path: Path) -> None:
    folder = _training(tmp_path / "checkpoints")
    before = input_identity(folder / "100")
    assert before.startswith("100 ") and before != input_identity(folder / "200")
    _write(folder / "200/params/d/weights", "another step's")
    assert input_identity(folder / "100") == before
    _write(folder / "model/config.json", '{"rope_theta": 1}')
    assert input_identity(folder / "100") != before


def test_checkpoints_that_orbax_reads_from_a_store_are_identified_by_the_stores_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(mirror.SCRATCH, str(tmp_path))
    folder = tmp_path / "0123" / "checkpoints"
    _write(folder / "model/config.json", "{}")

    def identities(keys: dict[str, Any]) -> tuple[str, str]:
        state = {"url": "gs://b/checkpoints", "files": {}, "left_at_store": keys}
        mirror.write_json(tmp_path / "0123" / ".mirror.json", state)
        return input_identity(folder), input_identity(folder / "100")

    first = identities({"100/params/d": "a", "200/params/d": "a", "100/rest/d": "a"})
    assert first == identities({"100/params/d": "a", "200/params/d": "a", "100/rest/d": "b"})
    other_step = identities({"100/params/d": "a", "200/params/d": "b"})
    assert first[0] != other_step[0] and first[1] == other_step[1]
    assert first[1] != identities({"100/params/d": "b", "200/params/d": "a"})[1]
    assert first[1].startswith("100 ")


def test_a_name_is_its_own_identity() -> None:
    assert input_identity("wordproblems:train") == "wordproblems:train"


@dataclass(frozen=True)
class _Settings:
    old: int = 1
    new: str = added_setting("first")


def test_an_added_setting_counts_only_where_it_is_not_the_default() -> None:
    assert settings_identity(_Settings()) == {"old": 1}
    assert settings_identity(_Settings(2, "last")) == {"old": 2, "new": "last"}


@dataclass(frozen=True)
class _Like:
    dtype: str = "float32"
    stored: str = setting_like("dtype")


def test_a_setting_that_means_another_ones_value_has_it() -> None:
    assert settings_identity(_Like()) == {"dtype": "float32", "stored": "float32"}
    assert settings_identity(_Like("bfloat16")) == {"dtype": "bfloat16", "stored": "bfloat16"}
    assert settings_identity(_Like("bfloat16", "float32"))["stored"] == "float32"


def test_a_value_with_another_meaning_than_before_has_another_identity() -> None:
    @dataclass(frozen=True)
    class Settings:
        template: str = setting_known_as({"": "", "a": "the new a"}.__getitem__)

    assert settings_identity(Settings()) == {"template": ""}
    assert settings_identity(Settings("a")) == {"template": "the new a"}
