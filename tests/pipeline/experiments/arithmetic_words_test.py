"""Arithmetic and word problems: bases, forms of calculations and sets of problems of the plan."""

from __future__ import annotations

from itertools import product

import pytest

from rft_jax.errors import UserError
from rft_jax.pipeline.stages import OutputOf
from tests.pipeline.plans import commands, training_of

ARMS = [
    f"{stage}_{text}_{form}{ending}"
    for text, form, stage, ending in product(
        ("with", "without"), ("direct", "steps"), ("base", "sft", "rft"), ("", "_large")
    )
]


@pytest.fixture(scope="module")
def words_plan(plan_of):
    """The plan of a seed, with four embedded problems of each set."""
    flags = ["run.limit=4", "run.seeds=(0,)", "run.train_problems='wordproblems:train'"]
    return plan_of("arithmetic_words", *flags, "run.test_problems='wordproblems:dev'")


def test_every_base_is_measured_before_and_after_both_trainings_on_both_sets(words_plan):
    assert [row.arm for row in words_plan.measured] == ARMS
    assert commands(words_plan) == {
        "derive": 4 + 1, "train": 4 * 3, "sample": 4, "collect": 4, "evaluate": 24,
    }  # fmt: skip
    errors, equations = words_plan.plots
    assert errors.series == ("accuracy", "plan_errors", "arithmetic_errors", "no_answer_errors")
    assert equations.series == ("wrong_equation",)
    assert all("wrong_equation" in row.facts for row in words_plan.measured)


def test_bases_differ_in_their_text_and_its_form_alone(words_plan):
    bases = {
        arm: training_of(words_plan, arm)
        for arm in ARMS
        if arm.startswith("base") and not arm.endswith("_large")
    }
    texts = {arm: base.arguments["--data"].stage.arguments for arm, base in bases.items()}
    assert {arm: (one["--kind"].value, one["--form"].value) for arm, one in texts.items()} == {
        "base_with_direct": ("words_and_arithmetic", "direct"),
        "base_with_steps": ("words_and_arithmetic", "steps"),
        "base_without_direct": ("words", "direct"),
        "base_without_steps": ("words", "steps"),
    }
    assert {one["--count"].value for one in texts.values()} == {"6000000"}
    assert len({str(base.settings) for base in bases.values()}) == 1
    assert {base.arguments["--model"].value for base in bases.values()} == {"init:wordproblems"}


def test_solutions_have_the_form_of_the_base_and_chains_are_checked_exactly(words_plan):
    for text, form in product(("with", "without"), ("direct", "steps")):
        sft, rft = (training_of(words_plan, f"{stage}_{text}_{form}") for stage in ("sft", "rft"))
        base = training_of(words_plan, f"base_{text}_{form}")
        collected = rft.arguments["--data"].stage
        assert {sft.arguments["--model"], rft.arguments["--model"]} == {OutputOf(base)}
        assert sft.arguments["--data"] == collected.arguments["--problems"]
        is_derived = isinstance(sft.arguments["--data"], OutputOf)
        assert is_derived == (form == "steps")
        assert collected.settings["collect"].equations == "exact"
        (samples,) = collected.waits_for[-1:]
        assert samples.settings["sample"].num_samples == 8


def test_the_comparisons_change_one_thing(words_plan):
    assert len(words_plan.comparisons) == 2 * 2 * 4
    for a, b in words_plan.comparisons:
        differing = [
            pair for pair in zip(a.split("_"), b.split("_"), strict=True) if len({*pair}) > 1
        ]
        assert differing in ([("with", "without")], [("steps", "direct")])


def test_the_bases_alone_can_be_selected(plan_of):
    flags = ["run.limit=4", "run.seeds=(0,)", "run.train_problems='wordproblems:train'"]
    bases = [arm for arm in ARMS if arm.startswith("base") and not arm.endswith("_large")]
    flags += ["run.test_problems='wordproblems:dev'", f"run.arms={tuple(bases)}"]
    plan = plan_of("arithmetic_words", *flags)
    assert commands(plan) == {"derive": 4, "train": 4, "evaluate": 4}


def test_other_problems_are_refused_before_any_work(plan_of):
    with pytest.raises(UserError, match="is not in wordproblems:"):
        plan_of("arithmetic_words")


@pytest.mark.parametrize("name", ["tokens", "k"])
def test_a_size_of_nothing_is_refused(plan_of, name):
    with pytest.raises(UserError, match=rf"arithmetic_words\.{name} = 0: at least 1 is needed"):
        plan_of("arithmetic_words", f"arithmetic_words.{name}=0")
