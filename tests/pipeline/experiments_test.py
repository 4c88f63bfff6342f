"""Each experiment plans its stages, shares common ones, and ends in plots."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.pipeline import run as pipeline
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Many, OutputOf, StepsOf
from rft_jax.report.report import ReportSettings, report


@pytest.fixture
def plan_of(experiment, tmp_path):
    """`plan_of(name, *flags, more_files=…)`: the plan of an installed experiment."""

    def make(name: str, *flags: str, more_files: tuple[str, ...] = ()) -> Plan:
        return pipeline.make_plan(experiment(name, *flags, more_files=more_files), tmp_path / "run")

    return make


def _commands(plan: Plan) -> Counter[str]:
    return Counter(stage.command for stage in plan.stages)


def _training_of(plan: Plan, arm: str):
    (one,) = [one for one in plan.measured if one.arm == arm]
    model = one.greedy.arguments["--model"]
    assert isinstance(model, OutputOf)
    return model.stage


def test_supervised_scaling_has_epoch_matched_and_step_matched_trainings_per_part(plan_of):
    plan = plan_of("supervised_scaling", "run.seeds=(0,)", "supervised_scaling.parts=(1, 2, 4)")
    assert _commands(plan) == {"train": 5, "evaluate": 5}
    whole = _training_of(plan, "sft")
    steps = _training_of(plan, "steps_4").arguments["--gin.train.num_steps"]
    assert steps == StepsOf(whole)
    assert "--gin.train.num_steps" not in _training_of(plan, "epochs_4").arguments
    sizes = {name: len(problems) for name, problems in plan.files.items()}
    data = {arm: _training_of(plan, arm).arguments["--data"].value for arm in ("sft", "epochs_4")}
    assert sizes[data["sft"]] == 4 and sizes[data["epochs_4"]] == 1


def test_parts_of_the_problems_are_nested_and_drawn_by_seed(plan_of, tmp_path):
    rows = [{"id": str(i), "question": f"{i}?", "answer": "#### 2"} for i in range(64)]
    (tmp_path / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = plan_of("supervised_scaling", f"run.train_problems={tmp_path / 'many.jsonl'}")
    drawn = {count: {p.id for p in plan.files[plan.part(count, 0).value]} for count in (4, 16, 64)}
    assert [len(ids) for ids in drawn.values()] == [4, 16, 64]
    assert drawn[4] < drawn[16] < drawn[64]
    assert plan.part(16, 0) == plan.part(16, 0) != plan.part(16, 1)


def test_rft_k_samples_once_and_takes_the_first_k(plan_of):
    plan = plan_of("rft_k", "rft_k.ks=(1, 8)", "rft_k.ks_without_dedup=(8,)")
    plan_counts = _commands(plan)
    assert plan_counts == {"train": 4, "sample": 1, "collect": 3, "evaluate": 4}
    (sampling,) = [stage for stage in plan.stages if stage.command == "sample"]
    kept = {}
    for arm in ("rft_k1", "rft_k8", "no_dedup_k8"):
        collected = _training_of(plan, arm).arguments["--data"].stage
        assert collected.waits_for == (sampling,)
        kept[arm] = collected.settings["collect"]
    assert [one.first_samples for one in kept.values()] == [1, 8, 8]
    assert [one.dedup for one in kept.values()] == ["equations", "equations", "none"]


def test_more_samples_than_are_drawn_are_refused(plan_of):
    with pytest.raises(UserError, match=r"k = 100, and sample\.num_samples = 50"):
        plan_of("rft_k", "sample.num_samples=50")


def test_rft_union_merges_its_members_and_samples_each_once(plan_of):
    plan = plan_of("rft_union", "rft_union.members=(0, 1)", "rft_union.sizes=(1, 2)")
    assert _commands(plan)["sample"] == 2
    both = _training_of(plan, "rft_u2").arguments["--data"].stage
    equal = _training_of(plan, "rft_u2_equal").arguments["--data"].stage
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
    members = _training_of(plan, "rft_u5").arguments["--data"].stage.waits_for
    trained = [sample.arguments["--model"].stage for sample in members]
    assert [stage.arm for stage in trained] == ["sft"] * 4 + ["sft_w64"]
    pretrained = [stage.arguments["--model"].stage for stage in trained[4:]]
    assert [stage.settings["llama"].hidden_size for stage in pretrained] == [64]
    # They have read no prompt of their own template, which is none.
    assert {stage.settings["train"].template for stage in pretrained} == {"none"}
    assert {stage.settings["train"].template for stage in trained[4:]} == {"plain"}


SMALL_STEPS = (
    "policy_training.steps=(1, 2)",
    "policy.problems_per_step=2",
    "policy.samples_per_problem=4",
)
AT_SCALE = {
    "policy_training": SMALL_STEPS,
    "what_carries_the_gain": ("what_carries_the_gain.kinds=('random',)",),
    "pretraining_loss": ("pretraining_loss.models=['.']", "pretraining_loss.losses=(1.8,)"),
}


EMBEDDED_ONLY = ("quickstart", "programs")


@pytest.mark.parametrize("name", [n for n in pipeline.EXPERIMENTS if n not in EMBEDDED_ONLY])
def test_every_experiment_can_be_planned_at_the_scale_of_gsm8k(plan_of, name):
    plan = plan_of(name, *AT_SCALE.get(name, ()), more_files=("experiments/gsm8k.gin",))
    trainings = [stage for stage in plan.stages if stage.command == "train"]
    assert {stage.settings["train"].max_length for stage in trainings} == {512}


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
    trained = _training_of(plan, "rft_u2")
    members = trained.arguments["--data"].stage.waits_for
    models = [sample.arguments["--model"].stage.arguments["--model"].value for sample in members]
    assert models == [plan.model.value, str(other)]
    assert trained.arguments["--model"] == plan.model


def test_the_controls_of_what_carries_the_gain_have_as_many_rows_as_rft(plan_of):
    kinds = ("most_likely", "random", "human")  # oracle is the same, for embedded problems alone
    flags = ["run.seeds=(0,)", f"what_carries_the_gain.kinds={kinds}"]
    plan = plan_of("what_carries_the_gain", *flags)
    rft = _training_of(plan, "rft").arguments["--data"].stage
    for kind in kinds:
        derived = _training_of(plan, kind).arguments["--data"].stage
        assert derived.command == "derive"
        assert derived.arguments["--kind"].value == kind
        assert derived.arguments["--collected"] == OutputOf(rft)
        assert ("--samples" in derived.arguments) == (kind in ("most_likely", "random"))


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
    assert _training_of(plan, "overfit").settings["train"].num_epochs == 12
    assert _training_of(plan, "rft_overfit_t1.0").settings["train"].num_epochs == 3


def test_iterate_adds_the_last_rounds_samples_and_trains_the_pretrained_model(plan_of):
    plan = plan_of("iterate", "iterate.rounds=3", "iterate.k=4")
    third = _training_of(plan, "round3")
    assert third.arguments["--model"] == plan.model
    titles = [stage.title for stage in third.arguments["--data"].stage.waits_for]
    assert titles == ["sft-0 sample", "round1-0 sample", "round2-0 sample"]
    drawn = {
        s.title: s.settings["sample"].num_samples for s in plan.stages if s.command == "sample"
    }
    assert drawn["round1-0 sample"] == drawn["round2-0 sample"] == 4  # no more than is used
    assert "round3-0 sample" not in {stage.title for stage in plan.stages}
    once = _training_of(plan, "once_k12").arguments["--data"].stage
    assert once.settings["collect"].first_samples == 12


def test_policies_are_measured_beside_rft_with_as_many_samples(plan_of):
    plan = plan_of("policy_training", *SMALL_STEPS, "run.seeds=(0,)")
    samples: dict[int, set[str]] = {}
    for one in plan.measured:
        samples.setdefault(one.facts["samples"], set()).add(one.arm)
    starts = ("grpo", "dr_grpo", "raft", "grpo_replaced")
    assert samples == {
        0: {"sft"},
        8: {"rft_1", "rounds_1", *(f"{arm}_1" for arm in starts)},
        16: {"rft_2", "rounds_2", *(f"{arm}_2" for arm in starts), "rft_grpo_1"},
        24: {"rft_grpo_2"},
    }
    policies = {stage.arm: stage for stage in plan.stages if stage.command == "policy"}
    assert policies.keys() == {*starts, "rft_grpo"}
    assert policies["grpo_replaced"].settings["policy"].resample_rounds == 3
    assert policies["dr_grpo"].settings["policy"].aggregation == "constant"
    assert policies["grpo"].arguments["--model"].stage.arm == "sft"
    assert policies["rft_grpo"].arguments["--model"].stage.arm == "rft_1"
    ends = {one.arm for one in plan.measured if one.vote is not None}
    assert ends == {"sft", "rounds_2", "rft_grpo_2", *(f"{arm}_2" for arm in starts)}


def test_steps_of_policy_training_must_rise(plan_of):
    with pytest.raises(UserError, match=r"policy_training.steps is \(2, 1\); rising numbers"):
        plan_of("policy_training", "policy_training.steps=(2, 1)")


def test_query_augmentation_asks_for_samples_and_trains_with_and_without_the_problems(plan_of):
    plan = plan_of("query_augmentation")
    rows = _training_of(plan, "asked_alone").arguments["--data"]
    both = _training_of(plan, "sft_asked").arguments["--data"]
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
    learned = _training_of(plan, "farthest_k2").arguments["--data"].stage
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
    rft = _training_of(plan, "rft_w64_20")
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


@pytest.mark.usefixtures("fake")
def test_experiments_in_one_output_share_their_stages(experiment, tmp_path):
    first = experiment("rft_k", "rft_k.ks=(1, 12)", "rft_k.ks_without_dedup=()")
    pipeline.run(str(tmp_path / "run"), first)
    trace = tmp_path / "trace"
    trace.write_text("")
    second = experiment("iterate", "iterate.rounds=1")
    pipeline.run(str(tmp_path / "run"), second)
    assert trace.read_text() == ""  # SFT, its samples and RFT with k = 12 were all there
    for name in ("rft_k", "iterate"):
        described = json.loads((tmp_path / "run" / name / "run.json").read_text())
        for stage in described["stages"].values():
            assert (tmp_path / "run" / name / stage["folder"] / "COMPLETE").exists()
        costs = json.loads((tmp_path / "run" / name / "costs.json").read_text())
        assert all(stage["seconds"] > 0 for stage in costs["stages"])  # whoever ran it


SMALL = {
    "supervised_scaling": ("run.seeds=(0, 1)", "supervised_scaling.parts=(1, 2, 4)"),
    "rft_k": ("rft_k.ks=(1, 3, 6)", "rft_k.ks_without_dedup=(1,)"),
    "rft_union": ("rft_union.sizes=(1, 5)", "run.model=''"),
    "self_consistency": (),
    "path_diversity": (),
    "temperature": (),
    "iterate": (),
    "policy_training": (*SMALL_STEPS, "run.seeds=(0,)"),
    "query_augmentation": (),
    "self_revising": (),
    "pretraining_loss": (
        "run.model=''",
        "pretraining_loss.steps=(10, 20, 30)",
        "pretraining_loss.widths=(32,)",
    ),
}


FAST = ("rft_k", "path_diversity")


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    "name",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in SMALL],
)
def test_an_experiment_ends_in_plots_and_a_page(experiment, tmp_path, name):
    pipeline.run(str(tmp_path / "run"), experiment(name, *SMALL[name]))
    home = tmp_path / "run" / name
    results = json.loads((home / "results.json").read_text())
    assert results["experiment"] == name
    for plot in results.get("figures", []):
        assert all(line["points"] for line in plot["series"]), plot["name"]
    report([str(home)], str(tmp_path / "report"), ReportSettings())
    page = (tmp_path / "report" / "index.html").read_text()
    table = (tmp_path / "report" / "table.md").read_text()
    for plot in results.get("figures", []):
        assert f"<h3>{plot['title']}</h3>" in page
        assert f"### {plot['title']}" in table


@pytest.mark.usefixtures("fake")
def test_problems_without_samples_are_in_no_histogram(experiment, tmp_path):
    pipeline.run(str(tmp_path / "run"), experiment("path_diversity"))
    home = tmp_path / "run" / "path_diversity"
    (plot,) = json.loads((home / "results.json").read_text())["figures"]
    # Of four problems three have been asked: one has no correct path, two have one.
    expected = [{"x": 0, "value": 1}, {"x": 1, "value": 2}]
    assert all(line["points"] == expected for line in plot["series"])


@pytest.mark.usefixtures("fake")
def test_a_fit_goes_through_every_training(experiment, tmp_path):
    flags = ("run.seeds=(0, 1)", "supervised_scaling.parts=(1, 2, 4)")
    pipeline.run(str(tmp_path / "run"), experiment("supervised_scaling", *flags))
    home = tmp_path / "run" / "supervised_scaling"
    (plot,) = json.loads((home / "results.json").read_text())["figures"]
    epochs = plot["series"][0]
    assert [point["x"] for point in epochs["points"]] == [1, 2, 4]
    # sft solves one of four questions, every other condition two: (1/2, 1/2, 1/4), twice.
    assert [point["value"] for point in epochs["points"]] == [0.5, 0.5, 0.25]
    assert epochs["fit"]["n"] == 6
    assert epochs["fit"]["slope"] == pytest.approx(-0.125)


def test_another_experiments_settings_are_a_mistake(experiment, tmp_path):
    config = experiment("iterate", "rft_k.ks=(1, 2)")
    with pytest.raises(UserError, match=r"rft_k has settings bound, and run\.experiment is 'it"):
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
def test_a_missing_model_is_refused_by_the_setting_that_names_it(plan_of, setting: str) -> None:
    flags = [f"{setting}=['nowhere/13b']"]
    if setting.startswith("pretraining"):
        flags.append("pretraining_loss.losses=(1.8,)")
    with pytest.raises(UserError, match=rf"nowhere/13b: no such folder; {setting} names one"):
        plan_of(setting.partition(".")[0], *flags)


@pytest.fixture
def programs_plan(plan_of):
    """The plan of the experiment on programs, with four embedded problems of each set."""
    flags = ["run.limit=4", "run.seeds=(0,)", "run.train_problems='wordproblems:train'"]
    return plan_of("programs", *flags, "run.test_problems='wordproblems:dev'")


def test_programs_has_each_condition_on_each_set_of_problems(programs_plan):
    rows = {one.arm: one for one in programs_plan.measured}
    conditions = ["sft_text", "sft_programs", "rft_text", "rft_programs"]
    conditions += ["both_text", "both_programs", "hybrid"]
    assert [*rows] == [c + ending for c in conditions for ending in ("", "_large", "_names")]
    assert _commands(programs_plan) == {
        "train": 5, "sample": 2, "collect": 2, "evaluate": 7 * 3 + 3 * 3,
    }  # fmt: skip
    assert {arm for arm, one in rows.items() if one.vote and "_names" not in arm} == {
        "rft_text", "rft_text_large", "rft_programs", "rft_programs_large", "hybrid",
        "hybrid_large",
    }  # fmt: skip


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
    trained = _training_of(programs_plan, "hybrid").arguments["--data"]
    assert isinstance(trained, Many)
    assert _training_of(programs_plan, "both_text") is _training_of(programs_plan, "hybrid")


def test_programs_of_other_problems_are_refused(plan_of):
    with pytest.raises(UserError, match="is not in wordproblems:"):
        plan_of("programs")
