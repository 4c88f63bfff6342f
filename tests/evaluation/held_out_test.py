"""Accuracy of weights in memory: that of `rft evaluate`, on the same problems."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from rft_jax.checkpoints.load import load_model
from rft_jax.checkpoints.names import model_folder
from rft_jax.data.preprocess import training_examples
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh
from rft_jax.errors import UserError
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.held_out import HeldOutAccuracy, spread
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.files.outputs import RUN, SETTINGS
from rft_jax.records import Problem, to_row
from rft_jax.training.token_arrays import tokenize
from rft_jax.wordproblems.generator import generate_problems
from tests.sampling.tiny import GEOMETRY

GREEDY = EvaluateSettings(max_new_tokens=60, max_prompt_length=100)


def _problems(path: Path, problems: list[Problem]) -> str:
    write_rows(path, map(to_row, problems))
    return str(path)


def test_problems_are_spread_evenly() -> None:
    problems = [Problem(id=str(n), question=f"{n}?", answer="#### 1") for n in range(10)]
    assert [one.id for one in spread(problems, 4)] == ["0", "2", "5", "7"]
    assert spread(problems, 20) == problems


def test_accuracy_is_that_of_rft_evaluate_and_follows_the_weights(tmp_path: Path) -> None:
    folder = model_folder("wordproblems:model")
    every = generate_problems("test", 24)
    chosen = _problems(tmp_path / "chosen.jsonl", spread(every, 12))
    metrics = evaluate(chosen, str(tmp_path / "evaluated"), GREEDY, model=folder)
    expected = metrics["accuracy"]["value"]
    assert 0 < expected < 1

    mesh = make_mesh(MeshSettings(), jax.devices()[:1])
    model = load_model(folder, mesh)
    write_json(tmp_path / SETTINGS, {})
    settings = EvaluateSettings(**{**vars(GREEDY), "num_samples": 4, "temperature": 0.7})
    measure = HeldOutAccuracy(settings).prepare(
        model, _problems(tmp_path / "every.jsonl", every), 12, mesh, tmp_path
    )
    assert measure(model.params) == pytest.approx(expected)
    assert measure(jax.tree.map(jnp.zeros_like, model.params)) == 0.0
    assert measure(model.params) == pytest.approx(expected)


def test_a_mesh_that_cannot_share_the_groups_of_the_first_start_is_refused(tmp_path: Path) -> None:
    path = _problems(tmp_path / "problems.jsonl", generate_problems("test", 2))
    write_json(tmp_path / SETTINGS, {})
    write_json(tmp_path / RUN, {"geometry": asdict(replace(GEOMETRY, slots=6, group=2))})
    mesh = make_mesh(MeshSettings(), jax.devices()[:2])
    model = load_model(model_folder("wordproblems:model"), mesh)
    with pytest.raises(UserError, match=r"begun with 3 groups of slots, which 2 shards"):
        HeldOutAccuracy(GREEDY).prepare(model, path, 2, mesh, tmp_path)


def test_a_problem_whose_solution_is_a_program_is_asked_for_one_as_in_training(
    tmp_path: Path,
) -> None:
    text = Problem("t", "How many?", "It is 5.\n#### 5")
    program = Problem("p", "How many?", "print(5)", form="program")
    path = _problems(tmp_path / "both.jsonl", [text, program])
    write_json(tmp_path / SETTINGS, {})
    mesh = make_mesh(MeshSettings(), jax.devices()[:1])
    model = load_model(model_folder("wordproblems:mixed"), mesh)
    measure = HeldOutAccuracy(GREEDY).prepare(model, path, 2, mesh, tmp_path)

    pairs = training_examples(path)
    trained = tokenize(pairs, model.tokenizer, model.template, 60, "drop")
    prompts = [
        trained.tokens[start : start + length].tolist()
        for start, length in zip(trained.offsets, trained.prompt_lengths, strict=False)
    ]
    assert [list(one.prompt) for one in measure.requests] == prompts
    assert prompts[0] != prompts[1]
    assert list(measure.forms) == ["text", "program"]


def test_an_answer_that_cannot_be_read_is_refused_before_the_first_step(tmp_path: Path) -> None:
    mesh = make_mesh(MeshSettings(), jax.devices()[:1])
    model = load_model(model_folder("wordproblems:model"), mesh)
    path = _problems(
        tmp_path / "p.jsonl", [Problem(id="a", question="Why?", answer="Because.\n####")]
    )
    with pytest.raises(UserError, match="'a'"):
        HeldOutAccuracy(GREEDY).prepare(model, path, 1, mesh, tmp_path)


def test_programs_that_fall_back_on_texts_are_refused() -> None:
    with pytest.raises(UserError, match="answers = 'hybrid': not during training"):
        HeldOutAccuracy(EvaluateSettings(answers="hybrid"))
