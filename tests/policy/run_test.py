"""A run leaves a model, its samples and verdicts; interrupted anywhere, the same ones."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from rft_jax.checkpoints.load import load_model
from rft_jax.checkpoints.names import MIXED, MODELS
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.policy.rollouts import step_seed
from rft_jax.policy.steps import PolicySteps
from rft_jax.records import Problem, read_ledger, read_samples, sample_files
from tests.docs_pages import ROOT
from tests.policy.conftest import DISTILLED, ROLLOUT, SETTINGS, UPDATE, content, reward, run
from tests.tiny_model import write_tiny_model


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(path)]


def test_the_output_is_a_model_folder_that_has_been_trained(files: Path, finished: Path) -> None:
    assert load_model(finished).template.name == "plain"
    before, after = (load_file(f / "model.safetensors") for f in (files / "model", finished))
    assert max(float(np.abs(before[name] - after[name]).max()) for name in before) > 1e-3


def test_checkpoints_of_a_finished_run_are_models_without_optimizer_state(finished: Path) -> None:
    steps = [path for path in (finished / "checkpoints").iterdir() if path.name.isdigit()]
    assert steps and all({p.name for p in step.iterdir()} >= {"params"} for step in steps)
    assert not list((finished / "checkpoints").glob("*/rest"))
    assert load_model(steps[-1]).config.num_layers == load_model(finished).config.num_layers


def test_every_sample_has_a_ledger_row_with_verdict_reward_and_seed(finished: Path) -> None:
    samples = [s for file in sample_files(finished / "samples") for _, s in read_samples(file)]
    ledger = rows(finished / "ledger.jsonl")
    assert [(s.id, s.sample, s.seed) for s in samples] == [
        (row["id"], row["sample"], row["seed"]) for row in ledger
    ]
    assert len({(s.id, s.sample) for s in samples}) == len(samples) == 4 * 4 * 4
    assert {row["seed"] for row in ledger} == {step_seed(0, step) for step in range(4)}
    assert [row["step"] for row in ledger] == [1] * 16 + [2] * 16 + [3] * 16 + [4] * 16
    lengths = [len(one.response) for one in samples]
    assert all(0 <= row["end"] <= n for row, n in zip(ledger, lengths, strict=True))
    by_reward = {row["reward"] for row in ledger}
    assert {0.25, 0.75} & by_reward  # fractions survive
    assert len(list(read_ledger(finished))) == len(ledger)
    assert not (finished / "segments").exists()


def test_a_row_of_metrics_is_that_of_the_steps_samples(finished: Path) -> None:
    metrics, ledger = rows(finished / "metrics.jsonl"), rows(finished / "ledger.jsonl")
    assert [row["step"] for row in metrics] == [1, 2, 3, 4]
    for row in metrics:
        of_step = [one for one in ledger if one["step"] == row["step"]]
        assert row["reward"] == pytest.approx(np.mean([one["reward"] for one in of_step]))
        groups: dict[str, set[float]] = {}
        for one in of_step:
            groups.setdefault(one["id"], set()).add(one["reward"])
        equal = [len(found) == 1 for found in groups.values()]
        assert row["zero_variance"] == pytest.approx(np.mean(equal))
        assert row["samples"] == len(of_step) == 16
        assert row["entropy"] > 0
        assert row["clip_share"] == 0
    assert ["held_out_accuracy" in row for row in metrics] == [True, False, True, False]
    assert "final_held_out_accuracy" in metrics[-1]
    assert metrics[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert abs(metrics[2]["kl"]) > 1e-4


def test_the_page_names_every_metric(finished: Path) -> None:
    page = (ROOT / "docs" / "policy.md").read_text("utf-8")
    names = {name for row in rows(finished / "metrics.jsonl") for name in row}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_sampler_and_trainer_agree_about_log_probabilities(finished: Path) -> None:
    assert all(row["logprob_difference"] <= 1e-5 for row in rows(finished / "metrics.jsonl"))


def test_held_out_problems_are_never_sampled(finished: Path) -> None:
    sampled = {row["id"] for row in rows(finished / "ledger.jsonl")}
    assert len(sampled) <= 10


@pytest.mark.parametrize("steps", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_is_compiled_after_the_first_step(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    compiled: list[str] = []
    at_step: list[int] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _seconds, **_: compiled.append(name) if "backend_compile" in name else None
    )
    advance = PolicySteps.advance

    def counting(self: PolicySteps, *arguments: Any) -> Any:
        at_step.append(len(compiled))
        return advance(self, *arguments)

    monkeypatch.setattr(PolicySteps, "advance", counting)
    settings = replace(SETTINGS, num_steps=steps, learning_rate=1e-3)
    run(files, tmp_path / "policy", settings, replace(UPDATE, save_every_steps=100))
    assert len(at_step) == steps
    assert at_step[1] > at_step[0]
    assert len(set(at_step[1:])) == 1


class Killed(Exception):
    """In the place of a signal."""


ADVANCE = PolicySteps.advance


def dying(self: PolicySteps, state: Any, step: int, rate: float) -> Any:
    """A step after which a run ends before its checkpoint: its files are written."""
    result = ADVANCE(self, state, step, rate)
    if step == 2:
        raise Killed
    return result


def test_a_stopped_run_resumes_to_the_same_bits(
    files: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(PolicySteps, "advance", dying)
        run(files, tmp_path / "policy")
    assert len(list((tmp_path / "policy" / "samples").iterdir())) == 3
    run(files, tmp_path / "policy")
    assert content(tmp_path / "policy") == content(finished)


def test_a_finished_folder_is_not_touched_and_another_setting_is_refused(
    files: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(finished)
    run(files, finished)
    assert "finished already" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"policy.learning_rate = 0.01, now it is 0.02"):
        run(files, finished, replace(SETTINGS, learning_rate=0.02))
    with pytest.raises(UserError, match=r"sample.max_new_tokens = 8, now it is 9"):
        run(files, finished, rollout=replace(ROLLOUT, max_new_tokens=9))
    assert content(finished) == before


def test_more_steps_than_a_folder_has_are_refused_with_the_command_that_trains_further(
    files: Path, finished: Path
) -> None:
    before = content(finished)
    longer = replace(SETTINGS, num_steps=6)
    fix = rf"then train further from it: --model {finished} and another --output and policy.seed"
    with pytest.raises(UserError, match=rf"policy.num_steps = 4, now it is 6; .*{fix}"):
        run(files, finished, longer)
    assert content(finished) == before


@pytest.mark.slow
def test_training_further_from_a_finished_run_takes_other_samples(
    files: Path, finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").symlink_to(finished)
    (tmp_path / "problems.jsonl").symlink_to(files / "problems.jsonl")
    further = run(tmp_path, tmp_path / "policy", replace(SETTINGS, num_steps=2, seed=1))
    seeds = [{row["seed"] for row in rows(f / "ledger.jsonl")} for f in (finished, further)]
    assert not seeds[0] & seeds[1]
    metrics = rows(further / "metrics.jsonl")
    assert metrics[0]["kl"] == pytest.approx(0, abs=1e-6)  # from where this training starts


def test_rows_too_short_for_prompt_and_response_are_refused_with_both_numbers(
    files: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"train.max_length is 8; the longest prompt has \d+ tok"):
        run(files, tmp_path / "policy", update=replace(UPDATE, max_length=8))


@pytest.fixture(scope="module")
def rewarded() -> list[str]:
    """The problems of all responses that a user's reward has seen."""
    return []


@pytest.fixture(scope="module")
def of_expressions(files: Path, tmp_path_factory: pytest.TempPathFactory, rewarded: list) -> Path:
    """A step on expressions, some of which are held out."""
    folder = tmp_path_factory.mktemp("expressions")
    (folder / "model").symlink_to(files / "model")
    expressions = [{"id": f"p{i}", "question": f"{i}+1=", "answer": f"{i + 1}"} for i in range(9)]
    write_rows(folder / "problems.jsonl", expressions)

    def counted(problem: Problem, response: str) -> float:
        rewarded.append(problem.id)
        return reward(problem, response)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.policy.conftest.reward", counted)
        return run(folder, folder / "policy", replace(SETTINGS, num_steps=1))


def test_expressions_are_graded_by_their_last_form(of_expressions: Path) -> None:
    verdicts = {row["verdict"] for row in rows(of_expressions / "ledger.jsonl")}
    assert verdicts & {"wrong_answer", "correct"}


def test_a_users_reward_sees_the_samples_and_no_response_that_is_only_measured(
    of_expressions: Path, rewarded: list[str]
) -> None:
    assert "held_out_accuracy" in rows(of_expressions / "metrics.jsonl")[0]
    assert sorted(rewarded) == sorted(row["id"] for row in rows(of_expressions / "ledger.jsonl"))


@pytest.mark.slow
def test_every_variant_trains(files: Path, tmp_path: Path) -> None:
    """Adapters, a divergence from another model, replaced groups and several updates a step."""
    two = replace(SETTINGS, num_steps=2, seed=3)
    lora = replace(UPDATE, lora_rank=2)
    adapted = run(files, tmp_path / "lora", two, lora)
    before, after = (load_file(f / "model.safetensors") for f in (files / "model", adapted))
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed and all("proj" in name for name in changed)
    dapo = replace(two, preset="dapo", resample_rounds=2, updates_per_step=2, epsilon_high=0.28)
    metrics = rows(run(files, tmp_path / "dapo", dapo) / "metrics.jsonl")
    assert all(row["dropped"] <= 2 * 4 for row in metrics)
    far = replace(two, kl="loss", kl_coefficient=0.1)
    reference = str(tmp_path / "lora")
    metrics = rows(run(files, tmp_path / "kl", far, reference_model=reference) / "metrics.jsonl")
    assert all(row["kl"] != 0 for row in metrics)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A wider model with the same tokens."""
    return str(write_tiny_model(tmp_path_factory.mktemp("teacher") / "model", hidden_size=24))


@pytest.mark.slow
def test_a_policy_learns_from_a_teacher_and_resumes_to_the_same_bits(
    files: Path, teacher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(files, tmp_path / "whole" / "policy", DISTILLED, teacher=teacher)
    metrics = rows(whole / "metrics.jsonl")
    assert metrics[-1]["teacher_kl"] < 0.9 * metrics[0]["teacher_kl"]
    assert "clip_share" not in metrics[0]
    assert {"reward", "accuracy", "entropy", "kl"} <= metrics[0].keys()
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(PolicySteps, "advance", dying)
        run(files, tmp_path / "policy", DISTILLED, teacher=teacher)
    run(files, tmp_path / "policy", DISTILLED, teacher=teacher)
    assert content(tmp_path / "policy") == content(whole)
    with pytest.raises(UserError, match=r"teacher = 'model \w+', now it is 'model \w+'"):
        run(files, whole, DISTILLED, teacher=str(files / "model"))


def test_a_teacher_and_the_preset_for_it_need_each_other(
    files: Path, teacher: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"policy\.\w+ = .*: has no effect with a teacher"):
        run(files, tmp_path / "policy", teacher=teacher)
    with pytest.raises(UserError, match=r"policy.preset = 'distillation': --teacher is needed"):
        run(files, tmp_path / "policy", DISTILLED)
    assert not (tmp_path / "policy").exists()


def test_a_teacher_with_other_tokens_is_refused(files: Path, tmp_path: Path) -> None:
    other = str(MODELS[MIXED])
    with pytest.raises(UserError, match=r"mixed: its tokenizer is another one .*; --teacher names"):
        run(files, tmp_path / "policy", DISTILLED, teacher=other)


def test_accuracy_is_measured_on_other_problems_which_are_never_sampled(
    files: Path, tmp_path: Path
) -> None:
    held_out = tmp_path / "held_out.jsonl"
    problem = {"id": "p0", "question": "How many apples?", "answer": "#### 1"}
    write_rows(held_out, [problem])
    two = replace(SETTINGS, num_steps=3)
    folder = run(files, tmp_path / "policy", two, held_out=str(held_out))
    assert "held_out_accuracy" in rows(folder / "metrics.jsonl")[0]
    assert len({row["id"] for row in rows(folder / "ledger.jsonl")}) == 12
    write_rows(held_out, [problem | {"question": "Amy has 3 apples."}])
    with pytest.raises(UserError, match=r"held_out.jsonl: 1 of its 1 questions are in .*'p0'"):
        run(files, tmp_path / "other", two, held_out=str(held_out))
    with pytest.raises(UserError, match=r"policy.held_out = 0: how many"):
        run(files, tmp_path / "other", replace(two, held_out=0), held_out=str(held_out))


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from tests.policy.conftest import run
run(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(
    files: Path, finished: Path, tmp_path: Path
) -> None:
    folder, chance = tmp_path / "policy", random.Random(0)
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", SCRIPT, str(files), str(folder), root]
    moments = ["settings.json", "samples/*-00000-*", "segments/*-00001*", "samples/*-00003-*"]
    kills = 0
    for moment in moments:
        with subprocess.Popen(command, cwd=root) as process:
            while process.poll() is None and not list(folder.glob(moment)):
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 0.5))
            process.kill()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 3
    subprocess.run(command, cwd=root, check=True)
    assert content(folder) == content(finished)
