"""A prompt asks for the form of response that is then graded and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from rft_jax.checkpoints.load import load_model
from rft_jax.checkpoints.names import model_folder
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh
from rft_jax.errors import UserError
from rft_jax.evaluation.held_out import HeldOutAccuracy, spread
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_object, write_json, write_rows
from rft_jax.files.outputs import RUN
from rft_jax.models.llama import Params
from rft_jax.policy.rewards import Judge
from rft_jax.policy.rollouts import Rollouts
from rft_jax.policy.settings import PolicySettings
from rft_jax.policy.shared_settings import RolloutSettings
from rft_jax.prompts import PROGRAM_CUE
from rft_jax.records import Problem, to_row
from rft_jax.wordproblems.generator import generate_problems

QUESTION = "Amy has 3 apples."
SETTINGS = RolloutSettings(max_new_tokens=4, max_prompt_length=40, slots=4, group=2)


Made = Callable[..., tuple[Rollouts, Params]]


@pytest.fixture
def made(files: Path, tmp_path: Path) -> Made:
    def make(form: str, template: str, answers: str, devices: int = 1) -> tuple[Rollouts, Params]:
        write_json(tmp_path / "settings.json", {})
        mesh = make_mesh(MeshSettings(), jax.devices()[:devices])
        model = load_model(str(files / "model"), mesh)
        model = replace(model, template=model.template_named(template))
        problem = Problem("p", QUESTION, "print(3)" if form == "program" else "#### 3", form)
        settings = SETTINGS.complete(PolicySettings(samples_per_problem=2))
        graded_as = Judge(["verdict"], answers).form
        return Rollouts(model, [problem], settings, mesh, tmp_path, graded_as), model.params

    return make


def test_a_mesh_that_cannot_share_the_groups_of_the_first_start_is_refused(
    made: Made, tmp_path: Path
) -> None:
    made("text", "plain", "first")
    record = read_object(tmp_path / RUN)
    record["geometry"] |= {"slots": 6, "group": 2}
    write_json(tmp_path / RUN, record)
    with pytest.raises(UserError, match=r"begun with 3 groups of slots, which 2 shards"):
        made("text", "plain", "first", devices=2)


@pytest.mark.parametrize(
    ("form", "template", "answers", "cue", "graded_as"),
    [
        ("text", "plain", "first", "", "text"),
        ("text", "plain+program", "first", PROGRAM_CUE, "program"),
        ("program", "plain", "first", PROGRAM_CUE, "program"),
        ("program", "plain+program", "first", PROGRAM_CUE, "program"),
        ("text", "plain", "program", "", "program"),
    ],
)
def test_template_row_and_answer_format_decide_together_on_prompt_and_record(
    made: Made, form: str, template: str, answers: str, cue: str, graded_as: str
) -> None:
    rollouts, params = made(form, template, answers)
    assert rollouts.first_prompt == f"{QUESTION}{cue}\n"
    sampled = rollouts.sample(params, [0], 1, 0, "m")
    assert {one.sample.form for one in sampled} == {graded_as}
    assert rollouts.accuracy([0], EvaluateSettings(answers=answers)).forms == [graded_as]


def test_held_out_accuracy_is_that_of_rft_train_on_the_same_problems(tmp_path: Path) -> None:
    every = generate_problems("test", 24)
    mesh = make_mesh(MeshSettings(), jax.devices()[:1])
    model = load_model(model_folder("wordproblems:model"), mesh)
    length = {"max_new_tokens": 60, "max_prompt_length": 100}
    sampling = RolloutSettings(**length).complete(PolicySettings())
    for name in ("policy", "train"):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "settings.json", {})
    write_rows(tmp_path / "chosen.jsonl", map(to_row, spread(every, 12)))
    rollouts = Rollouts(model, every, sampling, mesh, tmp_path / "policy", lambda form: form)
    measure = rollouts.accuracy(range(0, 24, 2), EvaluateSettings())
    in_training = HeldOutAccuracy(EvaluateSettings(**length)).prepare(
        model, str(tmp_path / "chosen.jsonl"), 12, mesh, tmp_path / "train"
    )
    assert 0 < measure(model.params) == in_training(model.params) < 1
    assert measure(jax.tree.map(jnp.zeros_like, model.params)) == 0.0
