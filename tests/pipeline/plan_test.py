"""The vocabulary of experiments: what each method adds to the graph and to the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rft_jax.commands.loop import RUN
from rft_jax.commands.policy import POLICY
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.gin_settings import load_config
from rft_jax.pipeline.graph import StageGraph
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Given, OutputOf, Stage
from rft_jax.records import Problem, to_row

TRAIN = [Problem(f"t{i}", f"{i}?", f"#### {i}") for i in range(8)]
TEST = [Problem("e", "1?", "#### 1")]


@pytest.fixture
def make_plan():
    def make(*flags: str) -> Plan:
        config = load_config(RUN.settings_classes(), flags=flags, scoped=True)
        model = Given("model", "digest")
        return Plan(config.get(RunSettings), config, model, TRAIN, TEST, StageGraph({}))

    return make


def _model_of(stage: Stage) -> Stage:
    argument = stage.arguments["--model"]
    assert isinstance(argument, OutputOf)
    return argument.stage


def test_sft_trains_on_the_problems_and_samples_its_model(make_plan) -> None:
    plan = make_plan("sample.num_samples=12")
    sft, samples = plan.sft(3)
    assert sft.arguments == {"--model": plan.model, "--data": plan.train_problems}
    assert (sft.title, samples.title) == ("sft-3 train", "sft-3 sample")
    assert _model_of(samples) is sft
    assert samples.arguments["--name"] == Given("sft-3")
    assert (sft.settings["train"].seed, samples.settings["sample"].seed) == (3, 3)
    assert samples.settings["sample"].num_samples == 12
    assert plan.sft(3) == (sft, samples)


def test_a_training_measures_accuracy_by_the_settings_of_its_evaluation(
    make_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    others = tmp_path / "others.jsonl"
    write_rows(others, map(to_row, TRAIN))
    held_out = (f"train.eval_data='{others}'", "evaluate.max_new_tokens=99", "evaluate.curve=(1,)")
    plain, _ = make_plan(*held_out).sft(3)
    measured, _ = make_plan(*held_out, "train.eval_problems=4", "evaluate.num_samples=8").sft(3)
    assert "evaluate" not in plain.settings
    words = measured.words(Path())
    assert [word for word in words if "evaluate" in word] == ["--gin.evaluate.max_new_tokens=99"]
    assert "--gin.train.eval_problems=4" in words and f"--gin.train.eval_data={others}" in words
    assert plain.digest != measured.digest


def test_sft_of_another_model_has_its_own_samples_and_settings(make_plan) -> None:
    plan = make_plan()
    other = Given("other", "digest of other")
    sft, samples = plan.sft(0, "sft_other", other, num_samples=5, num_epochs=9)
    assert sft.arguments["--model"] == other
    assert sft.settings["train"].num_epochs == 9
    assert samples.settings["sample"].num_samples == 5


def test_a_policy_starts_from_a_model_with_the_settings_that_mean_the_same_to_it(make_plan) -> None:
    plan = make_plan(
        "train.learning_rate=0.5",  # of SFT
        "train.scan_unroll=4",
        "policy/train.max_length=192",
        "sample.temperature=0.7",
        "sample.num_samples=12",
        "sample.max_new_tokens=96",
        "sample.over_long=cut",
        "policy.learning_rate=0.25",
        "policy/train.template=plain",
        "grpo/policy.held_out=0",
    )
    sft, _ = plan.sft(3)
    stage = plan.policy("grpo", 3, OutputOf(sft), (7,), preset="dapo")
    assert stage.arguments == {"--model": OutputOf(sft), "--problems": plan.train_problems}
    policy, train, sample = (stage.settings[name] for name in ("policy", "train", "sample"))
    assert (policy.learning_rate, policy.seed, policy.num_steps) == (0.25, 3, 7)
    assert (policy.preset, policy.epsilon_high, policy.held_out) == ("dapo", 0.28, 0)
    assert (train.max_length, train.scan_unroll, train.schedule) == (192, 4, "constant")
    assert train.template == "plain"
    assert (sample.temperature, sample.max_new_tokens, sample.over_long) == (1.0, 96, "cut")
    words = stage.words(Path())
    assert "--gin.policy.epsilon_high=0.28" in words
    assert not [word for word in words if "sample.temperature" in word or "num_samples" in word]
    config = load_config(POLICY.settings_classes(), [], _bindings(words))
    assert config.get(type(policy)) == policy
    assert config.get(type(train)) == train


def test_another_function_of_the_users_is_another_policy(
    make_plan: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def stage(reward: str, module: str = "") -> Stage:
        if module:
            (tmp_path / f"{module}.py").write_text("def f(problem, response):\n    return 1\n")
        plan = make_plan(f"policy.reward={reward}")
        return plan.policy("grpo", 0, plan.model, (7,))

    first = stage("f_of_one_run:f", "f_of_one_run")
    assert "--gin.policy.reward=f_of_one_run:f" in first.words(Path())
    assert first.digest == stage("f_of_one_run:f").digest
    (tmp_path / "f_of_one_run.py").write_text("def f(problem, response):\n    return 2\n")
    assert first.digest != stage("f_of_one_run:f").digest
    registered = stage("verdict_and_steps")
    assert registered.arguments.keys() == {"--model", "--problems"}
    assert "--gin.policy.reward=verdict_and_steps" in registered.words(Path())


def _bindings(words: list[str]) -> list[str]:
    return [word.removeprefix("--gin.") for word in words if word.startswith("--gin.")]


@pytest.mark.parametrize(("k", "first"), [(4, 4), (8, 0)])
def test_rft_trains_the_pretrained_model_on_the_paths_of_the_first_k(make_plan, k, first) -> None:
    plan = make_plan("sample.num_samples=8")
    _, samples = plan.sft(0)
    rft = plan.rft("rft", 0, samples, k, dedup="none")
    data = rft.arguments["--data"]
    assert isinstance(data, OutputOf) and data.file == "paths.jsonl"
    assert rft.arguments["--model"] == plan.model
    assert data.stage.waits_for == (samples,)
    settings = data.stage.settings["collect"]
    assert (settings.first_samples, settings.dedup) == (first, "none")
    assert plan.collect_first("rft", 0, samples, k, dedup="none") == data


def test_a_dedup_level_chosen_by_the_data_is_the_stage_of_that_level(
    make_plan: Callable[..., Plan],
) -> None:
    def digests(level: str, notes: int = 0) -> list[str]:
        plan = make_plan("sample.num_samples=8", f"collect.dedup='{level}'")
        samples = plan.sft(0)[1]
        found = [plan.collect_first(f"k{k}", 0, samples, k).stage.digest for k in (4, 8)]
        assert len(plan.notes) == notes
        return found

    assert digests("", notes=1) == digests("exact_text") != digests("equations")


def test_more_samples_than_there_are_are_refused(make_plan) -> None:
    plan = make_plan("sample.num_samples=8")
    with pytest.raises(UserError, match=r"k = 9, and sample\.num_samples = 8; raise it to k"):
        plan.rft("rft", 0, plan.sft(0)[1], 9)


@pytest.mark.parametrize(("drawn", "says"), [(8, 4), (2, "k = 4, and sft/sample.num_samples = 2")])
def test_k_is_of_what_its_own_sampling_draws(make_plan, drawn, says) -> None:
    plan = make_plan("sample.num_samples=4", f"sft/sample.num_samples={drawn}")
    samples = plan.sft(0)[1]
    if drawn < 4:
        with pytest.raises(UserError, match=says):
            plan.rft("rft", 0, samples, 4)
    else:
        collected = plan.collect_first("rft", 0, samples, 4).stage
        assert collected.settings["collect"].first_samples == says


def test_a_union_member_of_the_runs_own_seed_shares_its_samples(make_plan) -> None:
    plan = make_plan("sample.num_samples=100", "run.seeds=(0,)")
    own, other = (plan.sample_member("sft", seed, 24) for seed in (0, 1))
    assert own is plan.sft(0)[1]
    assert other.settings["sample"].num_samples == 24
    template = plan.sample_member("sft_w64", 0, 24, Given("w64", "of w64"), "plain")
    assert _model_of(template).settings["train"].template == "plain"


def test_parts_of_the_problems_are_nested_and_fixed_by_the_seed(make_plan) -> None:
    plan = make_plan()
    parts = {n: {p.id for p in plan.files[plan.part(n, 0).value]} for n in (2, 4, 8)}
    assert [len(ids) for ids in parts.values()] == [2, 4, 8]
    assert parts[2] < parts[4] < parts[8]
    assert plan.part(8, 0) == plan.train_problems
    assert plan.part(4, 0) == plan.part(4, 0) != plan.part(4, 1)


def test_settings_of_a_scope_are_those_of_its_condition_alone(make_plan) -> None:
    plan = make_plan("rft/train.num_epochs=7", "few_shot/evaluate.max_prompt_length=99")
    sft, samples = plan.sft(0)
    rft = plan.rft("rft", 0, samples, 1)
    assert (sft.settings["train"].num_epochs, rft.settings["train"].num_epochs) == (3, 7)
    prompts = plan.few_shot("icl", 0, 2)
    few_shot = plan.evaluate("icl", 0, plan.model, prompts).settings["evaluate"]
    plain = plan.evaluate("rho", 0, plan.model).settings["evaluate"]
    assert (few_shot.max_prompt_length, plain.max_prompt_length) == (99, 512)
    assert (few_shot.common_prefix, plain.common_prefix) == (True, False)
    with pytest.raises(UserError, match="9 examples in a prompt, of 8 training problems"):
        plan.few_shot("icl", 0, 9)


def test_only_stages_of_measured_conditions_are_needed(make_plan) -> None:
    plan = make_plan("run.arms=('sft',)", "run.vote_arms=('sft',)", "vote/evaluate.num_samples=4")
    sft, samples = plan.sft(0)
    plan.measure("sft", 0, sft, "SFT", facts={"samples": 0})
    plan.measure("rft", 0, plan.rft("rft", 0, samples, 1), "RFT")
    plan.compare("rft", "sft")
    assert len(plan.stages) == 7
    plan.select_arms()
    assert [stage.title for stage in plan.stages] == ["sft-0 train", "sft-0 evaluate", "sft-0 vote"]
    assert [(one.arm, one.label, one.series) for one in plan.measured] == [("sft", "SFT", ())]
    assert plan.comparisons == []


def test_unknown_conditions_are_refused(make_plan) -> None:
    for flags, message in (
        (["run.arms=('rtf',)"], "run.arms has 'rtf'; there are sft"),
        (["run.vote_arms=('rft',)"], "run.vote_arms has 'rft'; there are sft"),
    ):
        plan = make_plan(*flags)
        plan.measure("sft", 0, plan.sft(0)[0])
        with pytest.raises(UserError, match=message):
            plan.select_arms()


def test_votes_need_several_samples(make_plan) -> None:
    plan = make_plan()
    with pytest.raises(UserError, match=r"bind vote/evaluate\.num_samples"):
        plan.vote("sft", 0, plan.model)
