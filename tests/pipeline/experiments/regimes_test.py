"""A grid of models, problems and k: what its cells share, and that samples are equally many."""

from __future__ import annotations

import pytest

from rft_jax.errors import UserError
from tests.pipeline.plans import commands, training_of

SMALL = ("regimes.problems=(2, 4)", "regimes.ks=(4, 12)")


def test_every_cell_has_sft_and_three_kinds_of_rft_for_each_k(plan_of):
    plan = plan_of("regimes", *SMALL, "run.model=''", "regimes.steps=(2000, 4000)")
    cells = {(one.facts["train_problems"], one.series[0].split(", ")[-1]) for one in plan.measured}
    assert cells == {(n, name) for n in (2, 4) for name in ("embedded", "steps4000", "steps2000")}
    assert len(plan.measured) == len({one.arm for one in plan.measured}) == 6 * 7
    assert len(plan.comparisons) == 6 * 2 * 3
    assert {a for pair in plan.comparisons for a in pair} == {one.arm for one in plan.measured}
    # Two SFT models in each cell and six trainings on paths; one pretraining for both weak models.
    counted = commands(plan)
    assert (counted["train"], counted["sample"]) == (6 * 8 + 1, 6 * 2)
    weak = [training_of(plan, f"sft_steps{step}").arguments["--model"] for step in (2000, 4000)]
    assert weak[0].stage == weak[1].stage


def test_a_union_has_as_many_samples_as_rft_from_two_models_on_the_same_problems(plan_of):
    plan = plan_of("regimes", *SMALL)
    collected = {
        kind: training_of(plan, f"{kind}_k4_n2").arguments["--data"].stage
        for kind in ("rft", "no_dedup", "union")
    }
    titles = {kind: [one.title for one in stage.waits_for] for kind, stage in collected.items()}
    alone = ["sft_n2-0 sample"]
    assert titles == {"rft": alone, "no_dedup": alone, "union": [*alone, "second_sft_n2-1 sample"]}
    settings = {kind: stage.settings["collect"] for kind, stage in collected.items()}
    first = {kind: one.first_samples for kind, one in settings.items()}
    assert first == {"rft": 4, "no_dedup": 4, "union": 2}
    dedup = [one.dedup for one in settings.values()]
    assert dedup == ["equations", "none", "equations"]
    problems = {stage.arguments["--problems"] for stage in collected.values()}
    sampled = {one.arguments["--problems"] for one in collected["union"].waits_for}
    trained = {one.arguments["--model"].stage for one in collected["union"].waits_for}
    assert problems == sampled == {one.arguments["--data"] for one in trained}
    assert len(plan.files[problems.pop().value]) == 2


def test_seeds_share_the_sft_models_of_all_problems_and_have_their_own_parts(plan_of):
    plan = plan_of("regimes", *SMALL, "run.seeds=(0, 1)")
    first, second = (
        [one for one in plan.measured if one.arm == "union_k4" and one.seed == seed]
        for seed in (0, 1)
    )
    members = [one[0].greedy.arguments["--model"].stage for one in (first, second)]
    titles = [
        sorted(made.title for made in one.arguments["--data"].stage.waits_for) for one in members
    ]
    assert titles == [["sft-0 sample", "sft-1 sample"], ["sft-1 sample", "sft-2 sample"]]


def test_the_run_s_model_on_all_problems_shares_the_stages_of_rft_k(plan_of):
    ours = plan_of("regimes", *SMALL)
    theirs = plan_of("rft_k", "rft_k.ks=(12,)", "rft_k.ks_without_dedup=(12,)")
    for arm, name in (("rft_k12", "rft_k12"), ("no_dedup_k12", "no_dedup_k12"), ("sft", "sft")):
        assert training_of(ours, arm).digest == training_of(theirs, name).digest


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("regimes.ks=(4, 3)", r"regimes.ks is \(4, 3\); even numbers"),
        ("regimes.ks=()", r"regimes.ks is \(\); even numbers"),
        ("regimes.problems=(0,)", r"regimes.problems is \(0,\); a number is at least 1"),
    ],
)
def test_settings_that_make_no_grid_are_refused(plan_of, flag, message):
    with pytest.raises(UserError, match=message):
        plan_of("regimes", flag)


def test_steps_that_the_pretraining_does_not_save_are_refused_before_it(plan_of):
    with pytest.raises(UserError, match=r"regimes\.steps has 3000; .* saved at 2000, 4000, 6000"):
        plan_of("regimes", *SMALL, "run.model=''", "regimes.steps=(3000, 4000)")
