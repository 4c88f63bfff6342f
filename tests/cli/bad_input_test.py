"""Bad rows and damaged models end a command with exit code 2 and one line that names them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.cli.words import collect_words


def test_a_row_that_is_not_json_is_named_by_file_and_line(rft, problems, samples, tmp_path):
    problems.write_text(problems.read_text() + "{'id': 4}\n")
    code, lines = rft(*collect_words(problems, samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert f"{problems}:4: not JSON" in lines[0]
    assert "fix or remove the line" in lines[0]


def test_a_problem_without_an_answer_is_named_by_file_and_line(rft, problems, samples, tmp_path):
    problems.write_text(problems.read_text() + '{"id": "4", "question": "?"}\n')
    code, lines = rft(*collect_words(problems, samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert f"{problems}:4: no solution and no answer in the columns 'id', 'question'" in lines[0]


def test_a_reference_without_its_number_is_named(rft, problems, samples, tmp_path):
    problems.write_text('{"id": "1", "question": "?", "answer": "One.\\nTwo."}\n')
    code, lines = rft(*collect_words(problems, samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert "'1'" in lines[0]
    assert "####" in lines[0]


_TINY = ["--gin.train.num_steps=1", "--gin.train.batch_size=8", "--gin.train.max_length=32"]


def _train(model: Path, data: Path, out: Path) -> list[object]:
    return ["train", "--model", model, "--data", data, "--output", out, *_TINY]


def test_a_model_folder_without_a_tokenizer_is_refused(rft, tiny_model, problems, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model, ignore=shutil.ignore_patterns("tokenizer*"))
    code, lines = rft(*_train(model, problems, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert str(model) in lines[0]
    assert "tokenizer" in lines[0]


def test_weights_of_another_shape_than_the_config_are_refused(rft, tiny_model, problems, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    code, lines = rft(*_train(model, problems, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert str(model) in lines[0]
    assert "48" in lines[0]
    assert "32" in lines[0]
