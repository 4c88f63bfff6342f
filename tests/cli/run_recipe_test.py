"""Which recipe `rft run` takes without a gin file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rft_jax import cli
from tests.tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and problems of a user's."""
    folder = tmp_path_factory.mktemp("own")
    write_tiny_model(folder / "model")
    for name in ("train", "test"):
        row = {"question": f"{name}: 1 + 1?", "answer": "It is <<1+1=2>>2.\n#### 2"}
        (folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def _settings(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert cli.main(["run", "--output", "o", "--dry_run", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_embedded_problems_have_the_quickstarts_recipe_and_notes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in ((), ("--model", "wordproblems:model")):
        said = _settings(capsys, *words)
        assert "train.learning_rate = 0.001" in said
        assert any(line.startswith("run.notes = 'Embedded data") for line in said)


def test_a_model_or_problems_of_ones_own_have_a_recipe_by_their_size_and_no_notes(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"--gin.run.{name}_problems={own / name}.jsonl" for name in ("train", "test")]
    model = str(own / "model")
    for words in (("--model", model), (f"--gin.run.model={model}",), tuple(names)):
        said = _settings(capsys, *words)
        assert {"train.learning_rate = 0.0", "train.batch_size = 0"} <= {*said}
        assert not any(line.startswith("run.notes") for line in said)


def test_a_gin_file_is_taken_as_it_is(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--model", str(own / "model"), "--gin_file", "runs/quickstart.gin")
    assert "train.learning_rate = 0.001" in _settings(capsys, *words)
