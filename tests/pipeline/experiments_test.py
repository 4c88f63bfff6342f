"""Each experiment plans its stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rft_jax.checkpoints import hub
from rft_jax.derive.write import OF_SAMPLES
from rft_jax.errors import UserError
from rft_jax.pipeline import run as pipeline
from rft_jax.pipeline.stages import Many, OutputOf, StepsOf
from tests.pipeline.plans import SMALL_STEPS, commands, training_of


def test_supervised_scaling_has_epoch_matched_and_step_matched_trainings_per_part(plan_of):
    plan = plan_of("supervised_scaling", "run.seeds=(0,)", "supervised_scaling.parts=(1, 2, 4)")
    assert commands(plan) == {"train": 5, "evaluate": 5}
    whole = training_of(plan, "sft")
    steps = training_of(plan, "steps_4").arguments["--gin.train.num_steps"]
    assert steps == StepsOf(whole)
    assert "--gin.train.num_steps" not in training_of(plan, "epochs_4").arguments
    sizes = {name: len(problems) for name, problems in plan.files.items()}
    data = {arm: training_of(plan, arm).arguments["--data"].value for arm in ("sft", "epochs_4")}
    assert sizes[data["sft"]] == 4 and sizes[data["epochs_4"]] == 1


@pytest.mark.parametrize(
    ("limit", "train_limit", "sizes"), [(0, 2, (2, 4)), (3, 2, (2, 3)), (1, 2, (1, 1))]
)
def test_a_limit_of_training_problems_is_within_the_runs(plan_of, limit, train_limit, sizes):
    plan = plan_of("rft_k", f"run.limit={limit}", f"run.train_limit={train_limit}")
    assert (len(plan.train_list), len(plan.test_list)) == sizes


def test_parts_of_the_problems_are_nested_and_drawn_by_seed(plan_of, tmp_path):
    rows = [{"id": str(i), "question": f"{i}?", "answer": "1+1=2\n#### 2"} for i in range(64)]
    (tmp_path / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = plan_of("supervised_scaling", f"run.train_problems={tmp_path / 'many.jsonl'}")
    drawn = {count: {p.id for p in plan.files[plan.part(count, 0).value]} for count in (4, 16, 64)}
    assert [len(ids) for ids in drawn.values()] == [4, 16, 64]
    assert drawn[4] < drawn[16] < drawn[64]
    assert plan.part(16, 0) == plan.part(16, 0) != plan.part(16, 1)


def test_rft_k_samples_once_and_takes_the_first_k(plan_of):
    plan = plan_of("rft_k", "rft_k.ks=(1, 8)", "rft_k.ks_without_dedup=(8,)")
    plan_counts = commands(plan)
    assert plan_counts == {"train": 4, "sample": 1, "collect": 3, "evaluate": 4}
    (sampling,) = [stage for stage in plan.stages if stage.command == "sample"]
    kept = {}
    for arm in ("rft_k1", "rft_k8", "no_dedup_k8"):
        collected = training_of(plan, arm).arguments["--data"].stage
        assert collected.waits_for == (sampling,)
        kept[arm] = collected.settings["collect"]
    assert [one.first_samples for one in kept.values()] == [1, 8, 8]
    assert [one.dedup for one in kept.values()] == ["equations", "equations", "none"]


def test_more_samples_than_are_drawn_are_refused(plan_of):
    with pytest.raises(UserError, match=r"k = 100, and sample\.num_samples = 50"):
        plan_of("rft_k", "sample.num_samples=50")


def test_rft_union_merges_its_members_and_samples_each_once(plan_of):
    plan = plan_of("rft_union", "rft_union.members=(0, 1)", "rft_union.sizes=(1, 2)")
    assert commands(plan)["sample"] == 2
    both = training_of(plan, "rft_u2").arguments["--data"].stage
    equal = training_of(plan, "rft_u2_equal").arguments["--data"].stage
    assert [stage.title for stage in both.waits_for] == ["sft-0 sample", "sft-1 sample"]
    assert equal.waits_for == both.waits_for
    first = [stage.settings["collect"].first_samples for stage in (both, equal)]
    assert first == [24, 12]
    drawn = [stage.settings["sample"].num_samples for stage in both.waits_for]
    assert drawn == [100, 24]  # seed 0's serve other experiments too


def test_problems_of_a_kind_have_settings_in_its_scope(plan_of):
    flags = ["self_consistency.shots=2", "few_shot/evaluate.max_prompt_length=99"]
    rows = {one.arm: one for one in plan_of("self_consistency", *flags).measured}
    asked = [rows["icl"].greedy, rows["icl"].vote, rows["sft"].greedy, rows["sft"].vote]
    assert [stage.settings["evaluate"].max_prompt_length for stage in asked] == [99, 99, 512, 512]
    assert [stage.settings["evaluate"].num_samples for stage in asked] == [1, 32, 1, 32]


def test_more_shots_than_training_problems_are_refused_before_any_work(plan_of):
    with pytest.raises(UserError, match="8 examples in a prompt, of 4 training problems"):
        plan_of("self_consistency", "self_consistency.shots=8")


def test_small_models_of_other_widths_are_members_of_the_embedded_union(plan_of):
    plan = plan_of("rft_union", "run.model=''")
    members = training_of(plan, "rft_u5").arguments["--data"].stage.waits_for
    trained = [sample.arguments["--model"].stage for sample in members]
    assert [stage.arm for stage in trained] == ["sft"] * 4 + ["sft_w64"]
    pretrained = [stage.arguments["--model"].stage for stage in trained[4:]]
    assert [stage.settings["llama"].hidden_size for stage in pretrained] == [64]
    # They have read no prompt of their own template, which is none.
    assert {stage.settings["train"].template for stage in pretrained} == {"none"}
    assert {stage.settings["train"].template for stage in trained[4:]} == {"plain"}


AT_SCALE = {
    "policy_training": SMALL_STEPS,
    "distillation": ("distillation.teacher='.'", "distillation.steps=(1,)", *SMALL_STEPS[1:]),
    "relatives": ("relatives.k=1", *SMALL_STEPS[1:]),
    "what_carries_the_gain": ("what_carries_the_gain.kinds=('random',)",),
    "pretraining_loss": ("pretraining_loss.models=['.']", "pretraining_loss.losses=(1.8,)"),
}


EMBEDDED_ONLY = ("quickstart", "programs", "calculator", "arithmetic_words")


@pytest.mark.parametrize("name", [n for n in pipeline.EXPERIMENTS if n not in EMBEDDED_ONLY])
def test_every_experiment_can_be_planned_at_the_scale_of_gsm8k(plan_of, name):
    plan = plan_of(name, *AT_SCALE.get(name, ()), more_files=("experiments/gsm8k.gin",))
    trainings = [stage for stage in plan.stages if stage.command == "train"]
    assert {stage.settings["train"].max_length for stage in trainings} == {512}


@pytest.mark.parametrize("name", [n for n in pipeline.EXPERIMENTS if n not in EMBEDDED_ONLY])
def test_every_experiment_can_be_planned_with_several_seeds(plan_of, name):
    plan = plan_of(name, *AT_SCALE.get(name, ()), "run.seeds=(0, 1, 2)")
    assert {one.seed for one in plan.measured} == {0, 1, 2}


def test_few_shot_prompts_of_gsm8k_have_room_and_end_where_their_examples_end(plan_of):
    flags = ["self_consistency.shots=2"]
    plan = plan_of("self_consistency", *flags, more_files=("experiments/gsm8k.gin",))
    rows = {one.arm: one for one in plan.measured}
    for stage in (rows["icl"].greedy, rows["icl"].vote):
        settings = stage.settings["evaluate"]
        assert (settings.template, settings.stop) == ("plain", ("\n\n",))
        assert settings.max_prompt_length == 2048
    assert rows["sft"].greedy.settings["evaluate"].template == "alpaca"


def test_a_union_beside_another_model_has_no_small_members(plan_of):
    plan = plan_of("rft_union", "rft_union.widths=(64,)")
    assert not [stage for stage in plan.stages if "llama" in stage.settings]
    sizes = {one.facts["members"] for one in plan.measured}
    assert sizes == {0, 1, 2, 4}


def test_experiments_share_a_small_model(plan_of):
    found = [
        [s.digest for s in plan_of(name, "run.model=''").stages if "llama" in s.settings]
        for name in ("rft_union", "pretraining_loss")
    ]
    assert found[0] and set(found[0]) < set(found[1])


def test_a_larger_model_can_be_a_member_of_a_union(plan_of, tmp_path):
    other = tmp_path / "13b"
    other.mkdir()
    (other / "config.json").write_text("{'other': 1}")
    flags = ["rft_union.members=(0,)", f"rft_union.models=['{other}']", "rft_union.sizes=(1, 2)"]
    plan = plan_of("rft_union", *flags)
    trained = training_of(plan, "rft_u2")
    members = trained.arguments["--data"].stage.waits_for
    models = [sample.arguments["--model"].stage.arguments["--model"].value for sample in members]
    assert models == [plan.model.value, str(other)]
    assert trained.arguments["--model"] == plan.model


CONTROLS_OF = {
    "what_carries_the_gain": "what_carries_the_gain.kinds",
    "quickstart_seeds": "quickstart.controls",
}


@pytest.mark.parametrize("name, setting", CONTROLS_OF.items(), ids=list(CONTROLS_OF))
def test_controls_have_as_many_rows_as_rft(plan_of, name, setting):
    kinds = (*OF_SAMPLES, "human")  # oracle is the same, for embedded problems alone
    arms = ("rft", *kinds)
    plan = plan_of(name, "run.seeds=(0,)", f"run.arms={arms}", f"{setting}={kinds}")
    assert {("rft", kind) for kind in kinds} <= set(plan.comparisons)
    rft = training_of(plan, "rft").arguments["--data"].stage
    for kind in kinds:
        derived = training_of(plan, kind).arguments["--data"].stage
        assert derived.command == "derive"
        assert derived.arguments["--kind"].value == kind
        assert derived.arguments["--collected"] == OutputOf(rft)
        assert ("--samples" in derived.arguments) == (kind in OF_SAMPLES)


@pytest.mark.parametrize("name, setting", CONTROLS_OF.items(), ids=list(CONTROLS_OF))
def test_an_unknown_control_is_named_with_those_that_there_are(plan_of, name, setting):
    flags = ["run.arms=('rft',)", f"{setting}=('unverfied',)"]
    with pytest.raises(UserError, match=r"control 'unverfied'; there are oracle, .*unverified"):
        plan_of(name, *flags)


def test_what_carries_the_gain_has_the_tuned_sft_beside_the_usual_one(plan_of):
    flags = [
        "run.seeds=(0,)",
        "what_carries_the_gain.kinds=()",
        "what_carries_the_gain.sft_epochs=5",
    ]
    plan = plan_of("what_carries_the_gain", *flags, "what_carries_the_gain.sft_learning_rate=0.5")
    tuned, usual = training_of(plan, "sft_tuned"), training_of(plan, "sft")
    assert tuned.arguments == usual.arguments
    settings = tuned.settings["train"]
    assert (settings.num_epochs, settings.learning_rate) == (5, 0.5)
    assert ("rft", "sft_tuned") in plan.comparisons


def test_sft_tuning_trains_every_pair_of_epochs_and_learning_rate(plan_of):
    flags = ["sft_tuning.epochs=(1, 2)", "sft_tuning.learning_rates=(0.1, 0.2)"]
    plan = plan_of("sft_tuning", "run.seeds=(0,)", *flags)
    trained = [stage.settings["train"] for stage in plan.stages if stage.command == "train"]
    pairs = [(settings.num_epochs, settings.learning_rate) for settings in trained]
    assert sorted(pairs) == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]


def test_self_consistency_votes_with_the_models_that_answer_greedily(plan_of):
    plan = plan_of("self_consistency")
    for one in plan.measured:
        assert one.vote is not None
        assert one.vote.arguments["--model"] == one.greedy.arguments["--model"]
        assert one.vote.settings["evaluate"].curve == (1, 2, 4, 8, 16, 32)


def test_path_diversity_counts_the_correct_paths_among_the_votes(plan_of):
    plan = plan_of("path_diversity", "path_diversity.ks=(1,)")
    assert [one.arm for one in plan.measured] == ["sft", "rft_k1", "rft_union"]
    for one in plan.measured:
        assert one.tests is not None and one.vote is not None
        assert one.tests.arguments["--samples"] == OutputOf(one.vote, "samples")
        assert one.tests.arguments["--problems"] == plan.test_problems


def test_temperature_samples_each_sft_at_each_temperature(plan_of):
    plan = plan_of("temperature")
    drawn = {
        (stage.arm, stage.settings["sample"].temperature)
        for stage in plan.stages
        if stage.command == "sample"
    }
    sampled = [("sft", 0.7), ("sft", 1.0), ("overfit", 0.7), ("overfit", 1.0)]
    assert drawn == {(f"{name}_t{heat}", heat) for name, heat in sampled}
    assert training_of(plan, "overfit").settings["train"].num_epochs == 12
    assert training_of(plan, "rft_overfit_t1.0").settings["train"].num_epochs == 3


def test_iterate_adds_the_last_rounds_samples_and_trains_the_pretrained_model(plan_of):
    plan = plan_of("iterate", "iterate.rounds=3", "iterate.k=4")
    third = training_of(plan, "round3")
    assert third.arguments["--model"] == plan.model
    titles = [stage.title for stage in third.arguments["--data"].stage.waits_for]
    assert titles == ["sft-0 sample", "round1-0 sample", "round2-0 sample"]
    drawn = {
        s.title: s.settings["sample"].num_samples for s in plan.stages if s.command == "sample"
    }
    assert drawn["round1-0 sample"] == drawn["round2-0 sample"] == 4  # no more than is used
    assert "round3-0 sample" not in {stage.title for stage in plan.stages}
    once = training_of(plan, "once_k12").arguments["--data"].stage
    assert once.settings["collect"].first_samples == 12


def test_relatives_differ_by_what_they_sample_and_keep(plan_of):
    plan = plan_of("relatives", "run.seeds=(0,)", "relatives.rounds=3", "relatives.k=2")

    def data_of(arm: str):
        stage = training_of(plan, arm).arguments["--data"].stage
        return [one.title for one in stage.waits_for], stage.settings["collect"]

    drawn, kept = data_of("rest_em")
    assert drawn == ["rest_em3-0 sample"]
    assert (kept.dedup, kept.max_paths, kept.first_samples) == ("none", 10, 2)
    drawn, kept = data_of("rounds")
    assert drawn == ["sft-0 sample", "rounds2-0 sample", "rounds3-0 sample"]
    assert (kept.dedup, kept.max_paths, kept.first_samples) == ("equations", 0, 2)
    drawn, kept = data_of("star")
    assert drawn == ["star3-0 sample"]
    greedy = {
        (stage.settings["sample"].temperature, stage.settings["sample"].num_samples)
        for stage in plan.stages
        if stage.command == "sample" and stage.arm.startswith("star")
    }
    assert greedy == {(0.0, 1)}
    assert data_of("rft")[1].first_samples == 6
    per_problem = {one.arm: one.facts["samples_per_problem"] for one in plan.measured}
    assert per_problem["rft"] == per_problem["rounds"] == per_problem["rest_em"] == 6
    assert per_problem["star"] == 3
    presets = ["raft", "reinforce_rej", "grpo"]
    assert [row.arm for row in plan.measured][-3:] == presets
    policies = [training_of(plan, preset).settings["policy"] for preset in presets]
    assert [one.baseline for one in policies] == ["none", "signed", "mean"]


def test_query_augmentation_asks_for_samples_and_trains_with_and_without_the_problems(plan_of):
    plan = plan_of("query_augmentation")
    rows = training_of(plan, "asked_alone").arguments["--data"]
    both = training_of(plan, "sft_asked").arguments["--data"]
    assert isinstance(both, Many) and both.values == (plan.train_problems, rows)
    assert rows.stage.arguments["--kind"].value == "queried"
    chains, asked = rows.stage.waits_for
    assert chains.arguments["--kind"].value == "chains"
    asking = asked.arguments["--model"].stage
    assert asking.arguments["--data"].stage.arguments["--kind"].value == "turned_round"
    assert asked.settings["sample"].num_samples == 1


def test_self_revising_revises_the_greedy_answers_of_sft(plan_of):
    plan = plan_of("self_revising", "self_revising.ks=(2,)")
    measured = {one.arm: one for one in plan.measured}
    assert list(measured) == ["revised_k2", "farthest_k2", "sft"]
    revised = measured["revised_k2"].greedy.arguments["--problems"]
    assert revised.stage.arguments["--samples"] == OutputOf(measured["sft"].greedy, "samples")
    learned = training_of(plan, "farthest_k2").arguments["--data"].stage
    assert learned.arguments["--samples"].stage.settings["sample"].num_samples == 2
    assert learned.arguments["--kind"].value == "farthest_revisions"
    assert learned.arguments["--count"].value == "2"


def test_pretraining_loss_catches_small_models_on_the_way(plan_of):
    flags = ["pretraining_loss.widths=(32, 64)", "pretraining_loss.steps=(10, 20)"]
    with pytest.raises(UserError, match=r"pretraining_loss\.models is empty"):
        plan_of("pretraining_loss", *flags)
    plan = plan_of("pretraining_loss", "run.model=''", *flags)
    pretraining = [stage for stage in plan.stages if "llama" in stage.settings]
    assert [stage.settings["llama"].hidden_size for stage in pretraining] == [32, 64]
    assert [stage.settings["train"].num_steps for stage in pretraining] == [20, 20]
    measured = {one.arm: one for one in plan.measured}
    assert len(measured) == 3 * 4
    shots = measured["icl_w32_10"].greedy
    assert shots.arguments["--model"] == OutputOf(pretraining[0], "checkpoints/10")
    assert shots.arguments["--problems"].stage.arguments["--examples"] == plan.train_problems
    rft = training_of(plan, "rft_w64_20")
    assert rft.arguments["--model"] == OutputOf(pretraining[1], "checkpoints/20")


def test_pretraining_loss_takes_given_models_with_their_losses(plan_of, tmp_path):
    models = [tmp_path / "a", tmp_path / "b"]
    for folder in models:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    names = f"pretraining_loss.models={[str(folder) for folder in models]}"
    plan = plan_of("pretraining_loss", names, "pretraining_loss.losses=(1.8, 1.7)")
    assert {one.facts["pretraining_loss"] for one in plan.measured} == {1.8, 1.7}
    assert not [stage for stage in plan.stages if "llama" in stage.settings]


def test_another_experiments_settings_are_a_mistake(experiment, tmp_path):
    config = experiment("iterate", "rft_k.ks=(1, 2)")
    with pytest.raises(UserError, match=r"rft_k\.ks is bound, and run\.experiment is 'iterate'"):
        pipeline.make_plan(config, tmp_path / "run")


def test_an_unknown_experiment_is_a_mistake(experiment, tmp_path):
    with pytest.raises(UserError, match=r"run\.experiment is 'rtf_k'; there are quickstart"):
        pipeline.make_plan(experiment("iterate", "run.experiment=rtf_k"), tmp_path / "run")


def test_every_experiment_has_a_gin_file_that_says_what_it_is():
    folder = Path(__file__).parents[2] / "configs" / "experiments"
    for name in pipeline.EXPERIMENTS:
        if name != "quickstart":
            text = (folder / f"{name}.gin").read_text()
            assert text.startswith("# ")
            assert f"run.experiment = '{name}'" in text


@pytest.mark.parametrize("setting", ["rft_union.models", "pretraining_loss.models"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/nowhere/13b", "^/nowhere/13b: no such folder; {} names one"),
        ("nowhere/13b", "^{}: nowhere/13b: not on the Hub$"),
    ],
)
def test_a_missing_model_is_refused_by_the_setting_that_names_it(
    plan_of, monkeypatch: pytest.MonkeyPatch, setting: str, name: str, message: str
) -> None:
    def missing(name: str) -> str:
        raise UserError(f"{name}: not on the Hub")

    monkeypatch.setattr(hub, "download", missing)
    flags = [f"{setting}=['{name}']"]
    if setting.startswith("pretraining"):
        flags.append("pretraining_loss.losses=(1.8,)")
    with pytest.raises(UserError, match=message.format(setting)):
        plan_of(setting.partition(".")[0], *flags)
