"""Texts and programs: conditions, forms and sets of problems of the plan."""

from __future__ import annotations

import pytest

from rft_jax.errors import UserError
from rft_jax.pipeline.stages import Many
from tests.pipeline.plans import commands, training_of


@pytest.fixture(scope="module")
def programs_plan(plan_of):
    """The plan of the experiment on programs, with four embedded problems of each set."""
    flags = ["run.limit=4", "run.seeds=(0,)", "run.train_problems='wordproblems:train'"]
    return plan_of("programs", *flags, "run.test_problems='wordproblems:dev'")


def test_programs_has_each_condition_on_each_set_of_problems(programs_plan):
    rows = {one.arm: one for one in programs_plan.measured}
    conditions = ["sft_text", "sft_programs", "rft_text", "rft_programs"]
    conditions += ["both_text", "both_programs", "hybrid"]
    conditions += ["votes_both"]
    assert [*rows] == [c + ending for c in conditions for ending in ("", "_large", "_names")]
    assert commands(programs_plan) == {
        "train": 5, "sample": 2, "collect": 2, "evaluate": 7 * 3 + 4 * 3 + 3,
    }  # fmt: skip
    assert [arm for arm, one in rows.items() if one.vote and arm in conditions] == [
        "rft_text", "rft_programs", "both_text", "hybrid", "votes_both"
    ]  # fmt: skip


def test_texts_and_programs_of_one_model_vote_together(programs_plan):
    rows = {one.arm: one for one in programs_plan.measured}
    for ending in ("", "_large", "_names"):
        row = rows[f"votes_both{ending}"]
        assert row.is_votes_alone
        texts, programs = row.vote.arguments["--samples"].values
        assert texts.stage is rows[f"both_text{ending}"].vote
        assert programs.stage is rows[f"hybrid{ending}"].vote
        assert {texts.file, programs.file} == {"samples"}
        settings = row.vote.settings["evaluate"]
        assert (settings.k, settings.curve, settings.limit) == (8, (1, 2, 4, 8, 16), 500)
        settings.check_not_sampling()
    errors, *_ = programs_plan.plots
    assert errors.series == ("accuracy", "plan_errors", "arithmetic_errors", "no_answer_errors")
    (plot,) = [one for one in programs_plan.plots if one.name == "votes_names"]
    assert plot.series[-1] == rows["votes_both_names"].label
    assert len(plot.series) == 5


def test_programs_asks_and_reads_by_form(programs_plan):
    rows = {one.arm: one.greedy.settings["evaluate"] for one in programs_plan.measured}
    assert {(rows[a].answers, rows[a].template) for a in ("sft_text", "both_text_large")} == {
        ("first", "")
    }
    assert {(rows[a].answers, rows[a].template) for a in ("sft_programs", "both_programs")} == {
        ("program", "+program")
    }
    assert rows["hybrid"].answers == "hybrid"
    forms = {name: {p.form for p in problems} for name, problems in programs_plan.files.items()}
    assert [found for name, found in forms.items() if "train-p-" in name] == [{"program"}]
    trained = training_of(programs_plan, "hybrid").arguments["--data"]
    assert isinstance(trained, Many)
    assert training_of(programs_plan, "both_text") is training_of(programs_plan, "hybrid")


def test_programs_of_other_problems_are_refused(plan_of):
    with pytest.raises(UserError, match="is not in wordproblems:"):
        plan_of("programs")
