"""Rows and comparisons of the results, from finished stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.gin_settings import load_config
from rft_jax.pipeline.graph import StageGraph
from rft_jax.pipeline.measures import LossAt, Measured
from rft_jax.pipeline.outcome import results
from rft_jax.pipeline.outcome.results import make_results, results_text
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Given, OutputOf, Stage
from rft_jax.report.runs import read_run
from tests.pipeline.outcome.factories import collection, evaluation, measured, training


@pytest.fixture
def plan() -> Plan:
    config = load_config({"run": RunSettings})
    settings = RunSettings(notes="Read before use.")
    return Plan(settings, config, Given("model"), [], [], StageGraph({}))


def _path(name: str, origin: str, *equations: str) -> dict[str, object]:
    models = ["m"] if origin == "sampled" else []
    row = {"id": name, "query": f"{name}?", "response": "r", "origin": origin, "models": models}
    return row | {"equations": list(equations)}


def test_a_model_trained_on_collected_paths_has_their_counts(tmp_path: Path, plan: Plan) -> None:
    rows = [
        _path("a", "human", "1+1=2"),
        _path("a", "sampled", "2-0=2"),
        _path("a", "sampled", "1+1=2"),
        _path("b", "human", "3+1=4"),
    ]
    model = training(tmp_path, "rft", collection(tmp_path, rows), examples=4, dropped=1)
    greedy = evaluation(tmp_path, "rft", 0, [True, True, False, False], model)
    plan.measured.append(Measured("rft", 0, "RFT", greedy, {"samples": 12}))
    (row,) = make_results(tmp_path, plan)["rows"]
    assert row["train_rows"] == 3
    assert row["new_paths_per_problem"] == 0.5  # one of a's samples is a copy of its reference
    assert row["distinct_paths_per_problem"] == 1.0  # two of a's samples, none of b's
    assert row["paths_per_problem"] == 1.5  # one more of b's, and a's reference is among them
    assert (row["model"], row["label"], row["samples"]) == ("rft", "RFT", 12)
    assert row["accuracy"]["value"] == 0.5
    assert row["maj@k"] is None


def test_other_training_data_has_no_paths(tmp_path: Path, plan: Plan) -> None:
    sft = training(tmp_path, "sft", Given("problems.jsonl"), examples=7)
    checkpoint = OutputOf(Stage("train", "w64", 0, {}), "checkpoints/20")
    for arm, model in (("sft", sft), ("icl", checkpoint), ("rho", Given("model"))):
        greedy = evaluation(tmp_path, arm, 0, [True], model)
        plan.measured.append(Measured(arm, 0, arm, greedy))
    rows = {row["model"]: row for row in make_results(tmp_path, plan)["rows"]}
    assert {arm: row["train_rows"] for arm, row in rows.items()} == {"sft": 7, "icl": 0, "rho": 0}
    assert {row["distinct_paths_per_problem"] for row in rows.values()} == {None}


def test_votes_and_losses_are_columns(tmp_path: Path, plan: Plan) -> None:
    pretraining = Stage("train", "w64", 0, {})
    losses = [{"step": i, "loss": float(i)} for i in range(1, 41)]
    write_rows(tmp_path / pretraining.folder / "metrics.jsonl", losses)
    vote = Stage("evaluate", "sft", 0, {}, label="vote")
    share = {"value": 0.75, "ci95": [0.5, 1.0], "n": 4}
    metrics = {"n": 4, "k": 8, "maj@k": share, "pass@k": share}
    write_json(tmp_path / vote.folder / "metrics.json", metrics)
    facts = {"pretraining_loss": LossAt(pretraining, 20)}
    plan.measured.append(measured(tmp_path, "sft", 0, [True], facts=facts, vote=vote))
    (row,) = make_results(tmp_path, plan)["rows"]
    assert row["pretraining_loss"] == 18.5  # the mean of steps 17 to 20, a tenth of 40 steps
    assert (row["k"], row["maj@k"], row["pass@k"]) == (8, share, share)


def test_rows_of_a_condition_stand_together_by_seed(tmp_path: Path, plan: Plan) -> None:
    for seed in (4, 3):
        for arm in ("sft", "rft"):
            plan.measured.append(measured(tmp_path, arm, seed, [True]))
    rows = make_results(tmp_path, plan)["rows"]
    assert [(row["model"], row["seed"]) for row in rows] == [
        *(("sft", 3), ("sft", 4)),
        *(("rft", 3), ("rft", 4)),
    ]


def test_comparisons_pair_the_seeds_and_a_single_seed_with_each(tmp_path: Path, plan: Plan) -> None:
    plan.measured += [
        measured(tmp_path, "rho", 0, [False, False, False, True]),
        measured(tmp_path, "sft", 0, [True, True, False, True]),
        measured(tmp_path, "sft", 1, [True, False, False, False]),
    ]
    plan.compare("sft", "rho")
    (comparison,) = make_results(tmp_path, plan)["comparisons"]
    assert (comparison["a"], comparison["b"]) == ("sft", "rho")
    assert comparison["difference"] == 0.25  # a half and 0 above rho
    assert len(comparison["by_seed"]) == 2
    assert comparison["trainings"] == {"a": 2, "b": 1}
    assert comparison["method"]["trainings"] == 2
    assert comparison["p_holm"] == comparison["method"]["p_value"]  # the only one of the page


def test_a_condition_has_its_mean_and_with_several_trainings_the_methods_intervals(
    tmp_path: Path, plan: Plan
) -> None:
    plan.measured += [
        measured(tmp_path, "rho", 0, [False, False, False, True]),
        measured(tmp_path, "sft", 0, [True, True, False, True]),
        measured(tmp_path, "sft", 1, [True, False, False, False]),
    ]
    rho, sft = make_results(tmp_path, plan)["conditions"]
    assert (rho["model"], rho["label"], rho["trainings"]) == ("rho", "RHO", 1)
    assert (rho["value"], rho["method"]) == (0.25, None)
    assert (sft["value"], sft["n"], sft["trainings"]) == (0.5, 4, 2)
    low, high = sft["method"]["ci95"]
    assert low < 0.5 < high
    # By hand: standard error 0.25; t with one degree of freedom is 12.7, beyond 0 and 1.
    assert sft["method"]["ci95_t"] == [0.0, 1.0]
    assert "p_value" not in sft["method"]


@pytest.mark.parametrize(("name", "before"), [("test", 12), ("test2", 18), ("dev", 0)])
def test_results_name_their_split_and_how_often_it_was_used(
    tmp_path: Path, plan: Plan, name: str, before: int
) -> None:
    settings = RunSettings(test_problems=f"wordproblems:{name}")
    plan = Plan(settings, plan.config, Given("model"), [], [], StageGraph({}))
    plan.measured.append(measured(tmp_path, "sft", 0, [True]))
    problems = make_results(tmp_path, plan)["problems"]
    assert (problems["test"], problems["published_experiments"]) == (f"wordproblems:{name}", before)
    assert ("is not unseen" in _text(tmp_path, plan)) == bool(before)


def _text(root: Path, plan: Plan) -> str:
    write_json(root / "results.json", make_results(root, plan))
    return results_text(read_run(str(root)))


def test_the_text_has_tables_the_headline_and_the_notes(tmp_path: Path, plan: Plan) -> None:
    for arm, correct in (("sft", [False, False]), ("rft", [True, False])):
        plan.measured.append(measured(tmp_path, arm, 0, correct))
    plan.compare("rft", "sft")
    text = _text(tmp_path, plan)
    assert "RFT – SFT" in text
    assert "Of the 2 problems of wordproblems:test, RFT solves 50.0 % and SFT 0.0 %" in text
    assert "One training each" in text and "method:" not in text
    assert text.endswith("\n\nRead before use.")
    *_, titles, first, second = text.split("\n\n")[0].splitlines()
    assert len(titles) == len(first) == len(second)


def test_the_tables_of_the_quickstart_fit_80_columns(tmp_path: Path, plan: Plan) -> None:
    counts = {"new_paths_per_problem": 1.7, "distinct_paths_per_problem": 2.03}
    for arm in ("rft", "sft_steps"):
        plan.measured.append(measured(tmp_path, arm, 0, [True, False] * 1000))
    plan.compare("rft", "sft_steps")
    results = make_results(tmp_path, plan)
    for row in results["rows"]:
        row |= {"train_rows": 3028, **counts}
    arms = {"rft": "RFT", "sft_steps": "SFT, step-matched to RFT"}
    write_json(tmp_path / "run.json", {"stages": {}, "arms": arms})
    write_json(tmp_path / "results.json", results)
    lines = results_text(read_run(str(tmp_path))).splitlines()
    tables = [line for line in lines if "  " in line]
    assert sum("step-matched" in line for line in tables) == 2
    assert max(map(len, tables)) <= 80
    assert " ".join(line.split()[-1] for line in tables[:4]) == "With of the reference"


@pytest.mark.parametrize(("file", "samples"), [("", 24), ("checkpoints/2", 16)])
def test_the_rows_of_a_policy_are_its_samples_so_far(tmp_path, file, samples):
    policy = Stage("policy", "grpo", 0, {})
    rows = [{"step": step, "samples": 8.0} for step in (1, 2, 3)]
    write_rows(tmp_path / policy.folder / "metrics.jsonl", rows)
    assert results._training_data(tmp_path, OutputOf(policy, file))["train_rows"] == samples
