"""A prompt asks for the form of response that is then graded and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import pytest

from rft_jax.checkpoints.load import load_model
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh
from rft_jax.files.jsonl import write_json
from rft_jax.models.llama import Params
from rft_jax.policy.rewards import Judge
from rft_jax.policy.rollouts import Rollouts
from rft_jax.policy.settings import PolicySettings, RolloutSettings
from rft_jax.prompts import PROGRAM_CUE
from rft_jax.records import Problem

QUESTION = "Amy has 3 apples."
SETTINGS = RolloutSettings(max_new_tokens=4, max_prompt_length=40, slots=4, group=2)


Made = Callable[[str, str, str], tuple[Rollouts, Params]]


@pytest.fixture
def made(files: Path, tmp_path: Path) -> Made:
    def make(form: str, template: str, answers: str) -> tuple[Rollouts, Params]:
        write_json(tmp_path / "settings.json", {})
        mesh = make_mesh(MeshSettings(), jax.devices()[:1])
        model = load_model(str(files / "model"), mesh)
        model = replace(model, template=model.template_named(template))
        problem = Problem("p", QUESTION, "print(3)" if form == "program" else "#### 3", form)
        settings = SETTINGS.complete(PolicySettings(samples_per_problem=2))
        graded_as = Judge(["verdict"], answers).form
        return Rollouts(model, [problem], settings, mesh, tmp_path, graded_as), model.params

    return make


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
    assert [sample.form for _, sample in rollouts.greedy(params, [0])] == [graded_as]
