"""`run.json`: the first start's geometry is kept, prompts that are too long are listed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import write_json
from rft_jax.records import Problem
from rft_jax.sampling.prompt_tokens import EncodedPrompts
from rft_jax.sampling.run_record import report_over_long, settle_geometry
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shares import Share
from tests.sampling.tiny import GEOMETRY

PROBLEMS = [Problem(f"p{i}", "How many?", "1") for i in range(3)]


def test_a_resumed_run_keeps_the_geometry_of_its_first_start(tmp_path: Path) -> None:
    write_json(tmp_path / "settings.json", {"seed": 3})
    first = settle_geometry(tmp_path, GEOMETRY, Share(), 1)
    other = replace(GEOMETRY, slots=64, buckets=(8, 16))
    assert settle_geometry(tmp_path, other, Share(), 1) == first == GEOMETRY
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["settings"] == {"seed": 3}
    assert record["device"]["platform"] == "cpu"
    assert {"python", "jax", "numpy"} <= record["versions"].keys()


@pytest.mark.parametrize("text", ["[]", "{}", '{"geometry": 5}', '{"geometry": {"slots": 4}}', "{"])
def test_a_geometry_that_cannot_be_read_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json: (a JSON object|not JSON|its geometry can't)"):
        settle_geometry(tmp_path, GEOMETRY, Share(), 1)


def test_devices_that_cannot_share_the_groups_are_refused(tmp_path: Path) -> None:
    geometry = replace(GEOMETRY, slots=12, group=2)
    write_json(tmp_path / "run.json", {"geometry": asdict(geometry)})
    for shards in (1, 2, 3, 6):
        assert settle_geometry(tmp_path, GEOMETRY, Share(), shards) == geometry
    with pytest.raises(UserError, match=r"run\.json: the run was begun with 6 groups .* 4 shards"):
        settle_geometry(tmp_path, GEOMETRY, Share(), 4)


def test_only_the_leading_process_writes_the_record(tmp_path: Path) -> None:
    assert settle_geometry(tmp_path, GEOMETRY, Share(1, 2, True, 2), 1) == GEOMETRY
    assert not (tmp_path / "run.json").exists()


def test_prompts_that_are_too_long_are_listed_by_id(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_json(tmp_path / "run.json", {"geometry": asdict(GEOMETRY)})
    encoded = EncodedPrompts([[1], None, [2]], skipped=[1], cut=[2])
    report_over_long(tmp_path, PROBLEMS, encoded, GEOMETRY, SampleSettings())
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["over_long"] == {"skipped": ["p1"], "cut": ["p2"]}
    assert capsys.readouterr().out.count("1 of 3 prompts are longer than 17 tokens") == 2


def test_no_prompt_at_all_is_an_error_in_the_words_of_the_command(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"geometry": asdict(GEOMETRY)})
    encoded = EncodedPrompts([None] * 3, skipped=[0, 1, 2], cut=[])
    settings = EvaluateSettings().sampling()
    with pytest.raises(UserError, match=r"than 17 tokens; raise evaluate\.max_prompt_length"):
        report_over_long(tmp_path, PROBLEMS, encoded, GEOMETRY, settings)
