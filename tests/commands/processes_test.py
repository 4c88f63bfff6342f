"""`rft sample`, `rft evaluate` and held-out accuracy: two processes leave what one leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.records import to_row
from rft_jax.wordproblems.generator import generate_problems
from tests.tiny_model import write_tiny_model
from tests.together import finish, start

DRAWS = ["--gin.sample.num_samples=3", "--gin.sample.max_new_tokens=12", "--gin.sample.slots=8"]
DRAWS += ["--gin.sample.group=2", "--gin.sample.max_prompt_length=96"]
GREEDY = ["--gin.evaluate.max_new_tokens=12", "--gin.evaluate.max_prompt_length=96"]
GREEDY += ["--gin.evaluate.slots=8", "--gin.evaluate.group=2"]

WATCHED = ["--gin.train.num_steps=2", "--gin.train.batch_size=2", "--gin.train.learning_rate=1e-4"]
WATCHED += ["--gin.train.eval_every_steps=1", "--gin.train.eval_problems=12"]
WATCHED += [
    "--gin.train.max_length=144",
    "--gin.train.dtype=float32",
    *GREEDY[1:],
    "--gin.evaluate.max_new_tokens=60",
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("inputs")
    write_tiny_model(folder / "model")
    write_rows(folder / "problems.jsonl", map(to_row, generate_problems("dev", 21)))
    return ["--model", str(folder / "model"), "--problems", str(folder / "problems.jsonl")]


@pytest.mark.slow
def test_two_processes_draw_the_samples_of_one(inputs: list[str], tmp_path: Path) -> None:
    for count in (1, 2):
        words = ["sample", *inputs, "--output", str(tmp_path / str(count)), *DRAWS]
        ended = finish(start(words, count))
        assert [code for code, _ in ended] == [0] * count, ended
    assert "sample process 0: 30/30 samples" in ended[0][1]
    assert "sample process 1: 33/33 samples" in ended[1][1]
    shards = sorted((tmp_path / "2").glob("samples-*-of-00002.jsonl"))
    one = (tmp_path / "1" / "samples-00000-of-00001.jsonl").read_bytes()
    assert b"".join(shard.read_bytes() for shard in shards) == one
    assert one.count(b"\n") == 63


@pytest.mark.slow
def test_two_processes_evaluate_as_one_and_process_0_prints_the_metrics(
    inputs: list[str], tmp_path: Path
) -> None:
    metrics = []
    for count in (1, 2):
        output = tmp_path / str(count)
        ended = finish(start(["evaluate", *inputs, "--output", str(output), *GREEDY], count))
        assert [code for code, _ in ended] == [0] * count, ended
        metrics.append(json.loads((output / "metrics.json").read_text()))
    assert metrics[0] == metrics[1]
    assert "21 problems, k = 1" in ended[0][1]
    assert "problems, k" not in ended[1][1]


@pytest.mark.slow
def test_a_mistake_ends_all_processes_with_its_code(inputs: list[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    words = ["evaluate", *inputs, "--output", str(tmp_path), *GREEDY]
    first, second = finish(start(words, 2))
    assert (first[0], second[0]) == (2, 2), (first, second)
    assert "contains 'notes.txt' but no settings.json" in first[1]
    assert "opening the output: failed in process 0, whose message says why" in second[1]


@pytest.mark.slow
def test_samples_begun_by_two_processes_are_finished_by_one(
    inputs: list[str], tmp_path: Path
) -> None:
    """The folder then holds one file and each sample once."""
    output = tmp_path / "out"
    words = ["sample", *inputs, "--output", str(output), *DRAWS]
    assert [code for code, _ in finish(start(words, 2))] == [0, 0]
    (output / "COMPLETE").unlink()  # as if killed right before the end
    assert finish(start(words, 1))[0][0] == 0
    (file,) = output.glob("samples-*.jsonl")
    assert file.read_bytes().count(b"\n") == 63


@pytest.mark.slow
def test_two_processes_measure_the_accuracy_of_a_training_as_one(tmp_path: Path) -> None:
    problems = generate_problems("test", 36)
    for name, chosen in (("data", problems[24:]), ("held_out", problems[:24])):
        write_rows(tmp_path / f"{name}.jsonl", map(to_row, chosen))
    words = ["train", "--model", "wordproblems:model", "--data", str(tmp_path / "data.jsonl")]
    words += [f"--gin.train.eval_data={tmp_path / 'held_out.jsonl'}", *WATCHED]
    measured = []
    for count in (1, 2):
        folder = tmp_path / str(count)
        ended = finish(start([*words, "--output", str(folder)], count, devices=2 // count))
        assert [code for code, _ in ended] == [0] * count, ended
        measured.append([row for _, row in read_rows(folder / "metrics.jsonl")])
    alone, together = measured
    assert len(alone) == len(together) == 2
    for one, other in zip(alone, together, strict=True):
        assert 0 < one["eval_accuracy"] == other["eval_accuracy"] < 1
        assert one["eval_loss"] == pytest.approx(other["eval_loss"], rel=1e-5)
