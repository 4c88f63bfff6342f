"""A plan is refused for what one of its stages would refuse, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from tests.pipeline.plans import SMALL_STEPS

GOOD = {"question": "How many?", "answer": "1 + 1 = 2\n#### 2"}
BAD = {"question": "How many pens?", "answer": "1 + 1\nis two"}


@pytest.mark.parametrize("name", ["train", "test"])
def test_problems_that_no_stage_could_grade_by_are_named_before_the_first(
    plan_of, tmp_path: Path, name: str
) -> None:
    flags = []
    for split in ("train", "test"):
        file = tmp_path / f"{split}.jsonl"
        write_rows(file, [GOOD, BAD, BAD] if split == name else [GOOD])
        flags.append(f"run.{split}_problems={file}")
    with pytest.raises(UserError, match=rf"{name}\.jsonl: 2 mistakes") as error:
        plan_of("rft_k", *flags)
    assert "How many pens?" in str(error.value)
    assert not (tmp_path / "run").exists()
    if name == "train":  # SFT trains on the training problems, and nothing is graded by them
        assert plan_of("rft_k", *flags, "run.arms=('sft',)").stages


def test_references_are_read_as_the_stage_that_grades_by_them_reads_them(plan_of) -> None:
    flags = ("rft_k", "run.train_problems=arithmetic:train", "run.limit=40")
    with pytest.raises(UserError, match="arithmetic:train: 5 mistakes"):
        plan_of(*flags)  # as rft collect would say, after SFT and sampling
    assert plan_of(*flags, "collect.answers=arithmetic", "collect.equations=rounded").stages


def test_a_template_that_does_not_exist_is_refused_before_the_first_stage(plan_of) -> None:
    with pytest.raises(UserError, match=r"evaluate\.template: no template 'plian'; there are '"):
        plan_of("rft_k", "evaluate.template=plian")
    assert plan_of("rft_k", "evaluate.template=chat+program", "train.template='alpaca'").stages


def test_answers_that_no_budget_reads_are_refused_before_the_first_stage(plan_of) -> None:
    budget = ("sample.budget=uniform", "run.arms=('rft_k1',)")
    with pytest.raises(UserError, match=r"sample\.answers = 'boxd': one of 'first', 'last'"):
        plan_of("rft_k", *budget, "sample.answers=boxd")
    assert plan_of("rft_k", *budget, "sample.answers=boxed").stages


def test_a_reward_that_does_not_exist_is_refused_before_the_first_stage(plan_of) -> None:
    with pytest.raises(UserError, match=r"policy\.reward 'verdct': one of verdict, .* is needed"):
        plan_of("policy_training", *SMALL_STEPS, "policy.reward=verdct")


def test_measurements_without_their_data_are_refused_before_the_first_stage(plan_of) -> None:
    with pytest.raises(UserError, match=r"train\.eval_problems = 5: train\.eval_data is"):
        plan_of("rft_k", "train.eval_problems=5")


def test_test_problems_among_the_training_problems_are_noted(plan_of, tmp_path: Path) -> None:
    others = [{"question": f"How many of {i}?", "answer": f"It is.\n#### {i}"} for i in range(3)]
    same = {"question": "how many of  1 ?", "answer": "1\n#### 1", "id": "again"}
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    write_rows(train, others)
    write_rows(test, [GOOD, same])
    flags = (f"run.train_problems={train}", f"run.test_problems={test}")
    (note,) = plan_of("rft_k", *flags).notes
    assert note.startswith(
        f"1 of 2 test problems in {test} with the question of a training problem in {train}, the "
        "first of them 'again': "
    )
    write_rows(test, [GOOD])
    assert plan_of("rft_k", *flags).notes == []
