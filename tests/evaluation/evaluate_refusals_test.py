"""What `rft evaluate` refuses, and that it leaves folders as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_rows, write_rows
from tests.evaluation.inputs import SETTINGS, write_problems, write_samples


def test_an_output_made_with_other_settings_is_left_alone(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1])
    samples = write_samples(tmp_path / "s", [[1]])
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
    problems = write_problems(tmp_path, [1, 2])
    samples = Path(write_samples(tmp_path / "s", [[1], [2]]))
    file = samples / "samples-00000-of-00001.jsonl"
    write_rows(file, break_it([row for _, row in read_rows(file)]))
    with pytest.raises(UserError) as error:
        evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=str(samples))
    assert says in str(error.value)
    assert str(samples) in str(error.value)


def test_samples_named_twice_are_refused_and_do_not_vote_twice(tmp_path: Path) -> None:
    problems, samples = write_problems(tmp_path, [1]), write_samples(tmp_path / "s", [[1]])
    given = [samples, f"{tmp_path}/elsewhere/../s"]
    with pytest.raises(
        UserError, match=r"/elsewhere/\.\./s: named twice \(as .*/s\); name it once"
    ):
        evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=given)


def test_an_unfinished_sampling_is_refused(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1])
    samples = write_samples(tmp_path / "s", [[1]], temperature=0.0)
    (tmp_path / "s/COMPLETE").unlink()
    with pytest.raises(UserError, match="not finished"):
        evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)


def test_settings_beside_a_samples_file_that_are_not_an_object_are_named(tmp_path: Path) -> None:
    problems, folder = write_problems(tmp_path, [1]), tmp_path / "s"
    write_samples(folder, [[1]], temperature=0.0)
    (folder / "settings.json").write_text("[]")
    with pytest.raises(UserError, match=r"settings\.json: a JSON object is needed, found list"):
        evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=str(folder))


def test_more_votes_than_samples_are_refused(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1, 2])
    samples = write_samples(tmp_path / "s", [[1, 1], [2]])
    settings = EvaluateSettings(k=2)
    with pytest.raises(UserError, match=r"asks for k = 2, but problem 'q1' has 1 sample;"):
        evaluate(problems, str(tmp_path / "out"), settings, samples=samples)


def test_a_curve_beyond_the_samples_leaves_a_folder_that_can_be_used(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1, 2])
    samples = write_samples(tmp_path / "s", [[1, 1], [2, 2]], temperature=1.0)
    with pytest.raises(UserError, match="asks for k = 9, but problem 'q0' has 2 samples"):
        evaluate(problems, str(tmp_path / "out"), EvaluateSettings(curve=(1, 9)), samples=samples)
    lower = EvaluateSettings(curve=(1, 2), bootstrap_resamples=50)
    assert evaluate(problems, str(tmp_path / "out"), lower, samples=samples)["k"] == 2


def test_a_k_above_the_number_of_samples_is_refused_before_sampling(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1])
    settings = EvaluateSettings(num_samples=4, temperature=1.0, curve=(1, 5))
    with pytest.raises(UserError, match=r"evaluate\.num_samples = 4: .* k = 5"):
        evaluate(problems, str(tmp_path / "out"), settings, model="models/none")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["num_samples", "max_new_tokens", "seed"])
def test_settings_of_sampling_are_refused_beside_samples(tmp_path: Path, name: str) -> None:
    problems = write_problems(tmp_path, [1])
    samples = write_samples(tmp_path / "s", [[1, 1, 1]])
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
    first = write_problems(tmp_path, [1])
    samples = write_samples(tmp_path / "s", [[1], [2]])
    evaluate(first, str(tmp_path / "fewer"), SETTINGS, samples=samples)
    problems = write_problems(tmp_path, [1, 2])
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
    problems = write_problems(tmp_path, [1])
    with pytest.raises(UserError, match="--model or --samples"):
        evaluate(problems, str(tmp_path / "out"), SETTINGS)
    with pytest.raises(UserError, match="--model or --samples"):
        evaluate(problems, str(tmp_path / "out"), SETTINGS, model="m", samples="s")


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
