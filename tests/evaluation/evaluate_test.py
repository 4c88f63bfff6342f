from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.against import read_scores
from rft_jax.evaluation.compare import compare
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.intervals import mean_with_ci, wilson_interval
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_json, read_rows, write_json, write_rows
from rft_jax.verify.comparison import AnswerComparer

SETTINGS = EvaluateSettings(bootstrap_resamples=500)


def _problems(folder: Path, references: list[int]) -> str:
    rows = [
        {"id": f"q{i}", "question": f"{i}?", "answer": "<<1+1=2>>2 " * (1 + i % 2) + f"#### {n}"}
        for i, n in enumerate(references)
    ]
    write_rows(folder / "problems.jsonl", rows)
    return str(folder / "problems.jsonl")


def _samples(folder: Path, answers: list[list[Any]], model: str = "m", **more: Any) -> str:
    """A folder with each problem's answers in order; None is a response cut short."""
    rows = [
        {"id": f"q{i}", "sample": j, "model": model, "seed": 0}
        | (
            {"response": "and", "finish_reason": "length"}
            if a is None
            else {"response": f"so #### {a}", "finish_reason": "stop"}
        )
        for i, row in enumerate(answers)
        for j, a in enumerate(row)
    ]
    write_rows(folder / "samples-00000-of-00001.jsonl", rows)
    if more:
        write_json(folder / "settings.json", more)
        write_json(folder / "COMPLETE", {})
    return str(folder)


def test_one_answer_a_problem_gives_accuracy_with_wilsons_interval(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1, 2, 3, 4])
    samples = _samples(tmp_path / "s", [[1], [2], [9], [None]])
    metrics = evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)
    assert metrics == read_json(tmp_path / "out/metrics.json")
    assert metrics["accuracy"] == {"value": 0.5, "ci95": list(wilson_interval(2, 4)), "n": 4}
    assert (metrics["n"], metrics["k"], metrics["model"]) == (4, 1, "m")
    assert "mean@1" not in metrics
    assert (metrics["no_answer"], metrics["truncated"]) == (0.25, 0.25)


def test_one_sampled_answer_has_mean_1_and_not_accuracy_also_if_its_file_is_named(
    tmp_path: Path,
) -> None:
    problems = _problems(tmp_path, [1, 2])
    folder = _samples(tmp_path / "s", [[1], [1]], temperature=0.7)
    file = f"{folder}/samples-00000-of-00001.jsonl"
    metrics = evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=file)
    assert metrics["mean@1"]["value"] == 0.5
    assert "accuracy" not in metrics


def test_several_samples_give_mean_majority_and_pass(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1, 2])
    samples = _samples(tmp_path / "s", [[1, 1, 5], [7, 7, 2]], temperature=0.7)
    metrics = evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)
    assert metrics["mean@1"]["value"] == pytest.approx(0.5)
    assert metrics["mean@1"]["ci95"] == mean_with_ci([2 / 3, 1 / 3])["ci95"]
    assert metrics["maj@k"]["value"] == 0.5
    assert metrics["pass@k"]["value"] == 1.0
    assert metrics["k"] == 3
    assert "accuracy" not in metrics


def test_k_and_the_curve_average_over_subsets(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1])
    samples = _samples(tmp_path / "s", [[1, 5, 1, 6]], temperature=1.0)
    settings = EvaluateSettings(k=2, curve=(1, 4), bootstrap_resamples=50)
    metrics = evaluate(problems, str(tmp_path / "out"), settings, samples=samples)
    assert metrics["k"] == 2
    assert metrics["pass@k"]["value"] == pytest.approx(5 / 6)
    # Of six pairs: {1,1} wins, four of 1 and another share, {5,6} loses.
    assert metrics["maj@k"]["value"] == pytest.approx((1 + 4 / 2) / 6)
    assert [at["k"] for at in metrics["curve"]] == [1, 4]
    assert [at["maj@k"]["value"] for at in metrics["curve"]] == [0.5, 1.0]


def test_accuracy_is_split_by_steps_and_by_length(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1, 2, 3, 4])
    samples = _samples(tmp_path / "s", [[1], [9], [3], [4]])
    metrics = evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)
    assert [(row["steps"], row["value"], row["n"]) for row in metrics["by_steps"]] == [
        (1, 1.0, 2),
        (2, 0.5, 2),
    ]
    assert sum(row["n"] for row in metrics["by_words"]) == 4
    assert [(row["from"], row["to"]) for row in metrics["by_words"]] == [(1, 1), (2, 2)]


def test_sample_order_in_the_file_does_not_matter(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1, 2])
    samples = Path(_samples(tmp_path / "s", [[1, 5], [7, 2]]))
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=str(samples))
    rows = [row for _, row in read_rows(samples / "samples-00000-of-00001.jsonl")]
    write_rows(tmp_path / "t/samples-00000-of-00002.jsonl", rows[::-2])
    write_rows(tmp_path / "t/samples-00001-of-00002.jsonl.gz", rows[-2::-2])
    evaluate(problems, str(tmp_path / "b"), SETTINGS, samples=str(tmp_path / "t"))
    for name in ("metrics.json", "predictions.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def _undecided(folder: Path, monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> str:
    """An evaluation in which comparing `y` with a reference takes too long."""

    def equal(_: object, reference: str, answer: str) -> bool:
        if answer == "y":
            raise TimeoutError
        return reference == answer

    monkeypatch.setattr(AnswerComparer, "equal", equal)
    problems = [{"id": f"q{i}", "question": "?", "answer": r"\boxed{x}"} for i in range(3)]
    write_rows(folder / "problems.jsonl", problems)
    rows = [
        {"id": f"q{i}", "sample": j, "model": "m", "response": rf"\boxed{{{answer}}}"}
        for i, row in enumerate(answers)
        for j, answer in enumerate(row)
    ]
    write_rows(folder / "samples.jsonl", rows)
    settings = EvaluateSettings(answers="boxed", bootstrap_resamples=50)
    output = str(folder / "out")
    samples = str(folder / "samples.jsonl")
    evaluate(str(folder / "problems.jsonl"), output, settings, samples=samples)
    return output


def test_undecided_samples_are_counted_apart_and_are_in_no_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = _undecided(tmp_path, monkeypatch, [["x", "y"], ["z", "z"], ["y", "y"]])
    metrics = read_json(Path(output) / "metrics.json")
    assert metrics["undecided"] == {"samples": 3, "problems": 1}
    assert metrics["timeout"] == 0.5
    assert metrics["n"] == 3
    for name in ("mean@1", "maj@k", "pass@k"):
        assert (metrics[name]["value"], metrics[name]["n"]) == (0.5, 2)
    assert sum(row["n"] for row in metrics["by_words"]) == 2
    assert (
        "3 samples undecided, 1 problem without any other: not counted" in capsys.readouterr().out
    )


def test_a_comparison_leaves_out_what_either_evaluation_could_not_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _undecided(tmp_path / "a", monkeypatch, [["x"], ["z"], ["y"]])
    second = _undecided(tmp_path / "b", monkeypatch, [["z"], ["z"], ["x"]])
    result = compare({0: read_scores(Path(first))}, {0: read_scores(Path(second))})
    assert (result["n"], result["undecided"], result["difference"]) == (2, 1, 0.5)
    third = _undecided(tmp_path / "c", monkeypatch, [["y"], ["y"], ["y"]])
    with pytest.raises(UserError, match="no question is decided in all runs"):
        compare({0: read_scores(Path(first))}, {0: read_scores(Path(third))})


def test_a_second_evaluation_is_compared_question_by_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = _problems(tmp_path, [1, 2, 3, 4])
    first, second = (
        _samples(tmp_path / n, a)
        for n, a in (("s", [[1], [9], [9], [9]]), ("t", [[9], [2], [3], [4]]))
    )
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=first)
    evaluate(problems, str(tmp_path / "b"), SETTINGS, samples=second, against=str(tmp_path / "a"))
    comparison = read_json(tmp_path / "b/comparison.json")
    assert comparison["difference"] == 0.5
    assert (comparison["only_a"], comparison["only_b"]) == (3, 1)
    assert comparison["p_value"] == pytest.approx(2 * 5 / 16)
    assert comparison["test"] == "mcnemar_exact"
    assert "maj@k" not in comparison
    assert "+50.0 percentage points" in capsys.readouterr().out


def test_majorities_are_compared_where_both_voted(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1, 2])
    evaluate(
        problems,
        str(tmp_path / "a"),
        SETTINGS,
        samples=_samples(tmp_path / "s", [[1, 9, 8], [2, 2, 3]], temperature=1.0),
    )
    evaluate(
        problems,
        str(tmp_path / "b"),
        SETTINGS,
        against=str(tmp_path / "a"),
        samples=_samples(tmp_path / "t", [[1, 1, 8], [2, 2, 3]], temperature=1.0),
    )
    majority = read_json(tmp_path / "b/comparison.json")["maj@k"]
    assert majority["difference"] == pytest.approx((1 - 1 / 3) / 2)


def test_a_finished_evaluation_is_not_done_again_but_can_be_compared(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1])
    samples = _samples(tmp_path / "s", [[1]])
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=samples)
    before = (tmp_path / "a/predictions.jsonl").stat().st_mtime_ns
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=samples, against=str(tmp_path / "a"))
    assert (tmp_path / "a/predictions.jsonl").stat().st_mtime_ns == before
    assert read_json(tmp_path / "a/comparison.json")["p_value"] == 1.0


def test_samples_that_changed_are_seen_and_samples_that_moved_are_the_same(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1])
    samples = Path(_samples(tmp_path / "s", [[1]]))
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=str(samples))
    (tmp_path / "deeper").mkdir()
    moved = samples.rename(tmp_path / "deeper/s")
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=str(moved))
    _samples(moved, [[2]])
    with pytest.raises(UserError, match="was made with samples"):
        evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=str(moved))


def test_an_output_made_with_other_settings_is_left_alone(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1])
    samples = _samples(tmp_path / "s", [[1]])
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=samples)
    before = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    with pytest.raises(UserError, match="votes"):
        evaluate(
            problems,
            str(tmp_path / "a"),
            EvaluateSettings(bootstrap_resamples=500, votes="paper"),
            samples=samples,
        )
    assert before == {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda rows: rows[:1], "1 of 2 problems have no sample, the first is 'q1'"),
        (lambda rows: [*rows, {**rows[0], "sample": 5, "model": "n"}], "'n' among those of 'm'"),
        (lambda rows: [*rows, rows[0]], "sample 0 of 'q0' is in an earlier line already"),
    ],
)
def test_samples_that_do_not_fit_are_refused(tmp_path: Path, break_it: Any, says: str) -> None:
    problems = _problems(tmp_path, [1, 2])
    samples = Path(_samples(tmp_path / "s", [[1], [2]]))
    file = samples / "samples-00000-of-00001.jsonl"
    write_rows(file, break_it([row for _, row in read_rows(file)]))
    with pytest.raises(UserError) as error:
        evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=str(samples))
    assert says in str(error.value)
    assert str(samples) in str(error.value)


def test_samples_named_twice_are_refused_and_do_not_vote_twice(tmp_path: Path) -> None:
    problems, samples = _problems(tmp_path, [1]), _samples(tmp_path / "s", [[1]])
    given = [samples, f"{tmp_path}/elsewhere/../s"]
    with pytest.raises(
        UserError, match=r"/elsewhere/\.\./s: named twice \(as .*/s\); name it once"
    ):
        evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=given)


def test_an_unfinished_sampling_is_refused(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1])
    samples = _samples(tmp_path / "s", [[1]], temperature=0.0)
    (tmp_path / "s/COMPLETE").unlink()
    with pytest.raises(UserError, match="not finished"):
        evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)


def test_more_votes_than_samples_are_refused(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1, 2])
    samples = _samples(tmp_path / "s", [[1, 1], [2]])
    settings = EvaluateSettings(k=2)
    with pytest.raises(UserError, match=r"asks for k = 2, but problem 'q1' has 1 sample;"):
        evaluate(problems, str(tmp_path / "out"), settings, samples=samples)


def test_a_curve_beyond_the_samples_leaves_a_folder_that_can_be_used(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1, 2])
    samples = _samples(tmp_path / "s", [[1, 1], [2, 2]], temperature=1.0)
    with pytest.raises(UserError, match="asks for k = 9, but problem 'q0' has 2 samples"):
        evaluate(problems, str(tmp_path / "out"), EvaluateSettings(curve=(1, 9)), samples=samples)
    lower = EvaluateSettings(curve=(1, 2), bootstrap_resamples=50)
    assert evaluate(problems, str(tmp_path / "out"), lower, samples=samples)["k"] == 2


def test_a_k_above_the_number_of_samples_is_refused_before_sampling(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1])
    settings = EvaluateSettings(num_samples=4, temperature=1.0, curve=(1, 5))
    with pytest.raises(UserError, match=r"evaluate\.num_samples = 4: .* k = 5"):
        evaluate(problems, str(tmp_path / "out"), settings, model="models/none")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["num_samples", "max_new_tokens", "seed"])
def test_settings_of_sampling_are_refused_beside_samples(tmp_path: Path, name: str) -> None:
    problems = _problems(tmp_path, [1])
    samples = _samples(tmp_path / "s", [[1, 1, 1]])
    settings = EvaluateSettings(**{name: 2})
    with pytest.raises(UserError, match=rf"evaluate\.{name} = 2: it is about sampling"):
        evaluate(problems, str(tmp_path / "out"), settings, samples=samples)


@pytest.mark.parametrize(
    ("other", "says"),
    [("missing", "no metrics.json there"), ("fewer", "question 'q1' is in one run")],
)
def test_what_could_not_be_compared_is_refused_before_any_work(
    tmp_path: Path, other: str, says: str
) -> None:
    first = _problems(tmp_path, [1])
    samples = _samples(tmp_path / "s", [[1], [2]])
    evaluate(first, str(tmp_path / "fewer"), SETTINGS, samples=samples)
    problems = _problems(tmp_path, [1, 2])
    with pytest.raises(UserError, match=says):
        evaluate(
            problems,
            str(tmp_path / "out"),
            SETTINGS,
            samples=samples,
            against=str(tmp_path / other),
        )
    assert not (tmp_path / "out").exists()


def test_either_a_model_or_samples_are_needed(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1])
    with pytest.raises(UserError, match="--model or --samples"):
        evaluate(problems, str(tmp_path / "out"), SETTINGS)
    with pytest.raises(UserError, match="--model or --samples"):
        evaluate(problems, str(tmp_path / "out"), SETTINGS, model="m", samples="s")


def test_the_model_is_sampled_with_these_settings_and_then_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rft_jax.sampling import run

    received = {}

    def sample(
        model: str, problems: str, output: str, name: Any, settings: Any, mesh: Any, forcing: Any
    ) -> None:
        assert forcing is None
        received.update(model=model, problems=problems, name=name, settings=settings, mesh=mesh)
        _samples(Path(output), [[1], [3]], temperature=0.0)

    monkeypatch.setattr(run, "sample", sample)
    problems = _problems(tmp_path, [1, 2, 3])
    settings = EvaluateSettings(limit=2, seed=4, top_k=5, template="plain")
    metrics = evaluate(problems, str(tmp_path / "out"), settings, model="models/a", mesh="a mesh")
    assert metrics["accuracy"]["value"] == 0.5
    assert (received["model"], received["problems"], received["mesh"]) == (
        "models/a",
        problems,
        "a mesh",
    )
    sampling = received["settings"]
    assert (sampling.num_samples, sampling.temperature, sampling.limit, sampling.seed) == (
        1,
        0.0,
        2,
        4,
    )
    assert (sampling.top_k, sampling.template, sampling.over_long) == (5, "plain", "cut")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"votes": "loud"}, "evaluate.votes = 'loud'"),
        ({"answers": "middle"}, "evaluate.answers = 'middle'"),
        ({"top_p": 0.0}, "evaluate.top_p"),
        ({"k": -1}, "evaluate.k = -1"),
        ({"curve": (0,)}, "evaluate.curve"),
        ({"bootstrap_resamples": 0}, "evaluate.bootstrap_resamples"),
        ({"bootstrap_seed": -1}, "evaluate.bootstrap_seed = -1"),
        ({"slots": 5, "group": 2}, "evaluate.slots = 5: a multiple of evaluate.group = 2"),
    ],
)
def test_settings_are_checked_by_name(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as error:
        EvaluateSettings(**wrong)
    assert says in str(error.value)


def test_predictions_are_json_with_an_id_each(tmp_path: Path) -> None:
    problems = _problems(tmp_path, [1, 2])
    samples = _samples(tmp_path / "s", [[1], [2]])
    evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)
    lines = (tmp_path / "out/predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["q0", "q1"]
