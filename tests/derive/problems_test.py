"""Few-shot prompts, questions asked for answers, and answers to be revised, as rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from rft_jax.derive.inputs import Inputs
from rft_jax.derive.write import _READ, PROBLEMS, write_derived
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.prompts import get_template
from rft_jax.records import Problem, Sample, read_problems, to_row

TRAIN = [Problem(f"t{i}", f"Train {i}?", f"Path {i}\n#### {i}") for i in range(6)]
TEST = [Problem(f"e{i}", f"Test {i}?", f"#### {i}") for i in range(2)]


def _problems(folder: FilePath, name: str, problems: list[Problem]) -> str:
    write_rows(folder / f"{name}.jsonl", map(to_row, problems))
    return str(folder / f"{name}.jsonl")


def _samples(
    folder: FilePath, name: str, drawn: list[tuple[str, int, str]], model: str = "m"
) -> tuple[str, ...]:
    rows = [Sample(id_, i, model, 0, response, None, "stop", None) for id_, i, response in drawn]
    write_rows(folder / name / "samples-00000-of-00001.jsonl", map(to_row, rows))
    return (str(folder / name),)


def _derive(kind: str, output: FilePath, inputs: Inputs) -> list[Problem]:
    write_derived(kind, inputs, str(output))
    return read_problems(output / "problems.jsonl")


def test_the_same_examples_stand_before_every_question_and_the_seed_says_which(tmp_path):
    test, train = _problems(tmp_path, "test", TEST), _problems(tmp_path, "train", TRAIN)
    made = [
        _derive("few_shot", tmp_path / str(s), Inputs(test, examples=train, count=2, seed=s))
        for s in (0, 1)
    ]
    for rows in made:
        assert [(row.id, row.answer) for row in rows] == [(p.id, p.answer) for p in TEST]
        fronts = [row.question.removesuffix(p.question) for row, p in zip(rows, TEST, strict=True)]
        assert fronts[0] == fronts[1]
        assert fronts[0].count("\n\n") == 2 and fronts[0].endswith("\n\n")
        shown = [p for p in TRAIN if f"{p.question}\n{p.answer}\n\n" in fronts[0]]
        assert len(shown) == 2
    assert made[0][0].question != made[1][0].question


def test_more_examples_than_there_are_is_a_mistake(tmp_path):
    test, train = _problems(tmp_path, "test", TEST), _problems(tmp_path, "train", TRAIN)
    with pytest.raises(UserError, match="--count 7: 1 to 6 examples"):
        _derive("few_shot", tmp_path / "out", Inputs(test, examples=train, count=7))
    with pytest.raises(UserError, match="needs --examples"):
        _derive("few_shot", tmp_path / "out", Inputs(test, count=1))


def test_turned_round_asks_for_the_question(tmp_path):
    rows = _derive("turned_round", tmp_path / "out", Inputs(_problems(tmp_path, "p", TRAIN[:1])))
    assert rows == [Problem("t0", "Path 0\n#### 0", "Train 0?")]


def test_a_question_is_found_for_each_sample_that_has_an_answer(tmp_path):
    train = _problems(tmp_path, "train", TRAIN[:2])
    drawn = [("t0", 0, "x #### 9"), ("t0", 1, "later"), ("t1", 0, "no answer")]
    inputs = Inputs(train, samples=_samples(tmp_path, "s", drawn), count=1)
    rows = _derive("chains", tmp_path / "chains", inputs)
    assert rows == [Problem("t0#0", "x #### 9", "Train 0?")]
    asked = _samples(tmp_path, "asked", [("t0#0", 0, "What gives 9?")])
    chains = str(tmp_path / "chains" / "problems.jsonl")
    rows = _derive("queried", tmp_path / "queried", Inputs(chains, samples=asked))
    assert rows == [Problem("t0#0#0", "What gives 9?", "x #### 9")]


def test_a_revision_has_question_and_sample_and_wants_the_reference(tmp_path):
    train = _problems(tmp_path, "train", TRAIN[:1])
    drawn = [("t0", i, text) for i, text in enumerate(("Path 0", "Pat", "quite another thing"))]
    samples = _samples(tmp_path, "s", drawn)
    one = _derive("revisions", tmp_path / "1", Inputs(train, samples=samples, count=1))
    assert one == [Problem("t0", "Train 0?\nPath 0", TRAIN[0].answer)]
    two = _derive("revisions", tmp_path / "2", Inputs(train, samples=samples, count=2))
    assert [row.id for row in two] == ["t0#0", "t0#1"]
    far = _derive("farthest_revisions", tmp_path / "3", Inputs(train, samples=samples, count=3))
    assert far == [Problem("t0", "Train 0?\nquite another thing", TRAIN[0].answer)]


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_kind_that_keeps_the_answer_keeps_its_form(tmp_path, kind):
    program = Problem("t0", "Train 0?", "print(0)", "program")
    given = {
        "problems": _problems(tmp_path, "train", [program]),
        "samples": _samples(tmp_path, "s", [("t0", 0, "print(2)\n#### 2")]),
        "examples": _problems(tmp_path, "examples", [replace(program, id="e")]),
        "count": 1,
    }
    read = {name: value for name, value in given.items() if name in _READ[kind]}
    (row,) = _derive(kind, tmp_path / "out", Inputs(**read))
    assert row.form == ("program" if row.answer == program.answer else "text")


def test_examples_that_are_programs_have_the_cue_and_so_has_the_question_behind_them(tmp_path):
    programs = [replace(one, answer="print(3)", form="program") for one in TRAIN[:1]]
    asked, shown = _problems(tmp_path, "test", TEST[:1]), _problems(tmp_path, "train", programs)
    (row,) = _derive("few_shot", tmp_path / "out", Inputs(asked, examples=shown, count=1))
    cue = "Let's write a program."
    assert row.question == f"Train 0? {cue}\nprint(3)\n\nTest 0? {cue}"
    assert get_template("plain+program").render(row.question) == f"{row.question}\n"


@pytest.mark.parametrize(
    ("kind", "count", "ids"),
    [
        ("revisions", 1, ["t0#m#0", "t0#n#0"]),
        ("revisions", 2, ["t0#m#0", "t0#m#1", "t0#n#0", "t0#n#1"]),
        ("chains", 1, ["t0#m#0", "t0#n#0"]),
        ("queried", 0, ["t0#m#0", "t0#m#1", "t0#n#0", "t0#n#1"]),
        ("farthest_revisions", 2, ["t0"]),
    ],
)
def test_rows_of_samples_of_two_models_have_ids_of_their_own(tmp_path, kind, count, ids):
    train = _problems(tmp_path, "train", TRAIN[:1])
    drawn = [("t0", i, f"{i} #### 0") for i in range(2)]
    samples = [*_samples(tmp_path, "m", drawn), *_samples(tmp_path, "n", drawn, "n")]
    rows = _derive(kind, tmp_path / "out", Inputs(train, samples=tuple(samples), count=count))
    assert [row.id for row in rows] == ids
    twice = Inputs(train, samples=(samples[0], f"{samples[0]}/."), count=count)
    with pytest.raises(UserError, match=r"m/\.: named twice \(as .*m\); name it once"):
        _derive(kind, tmp_path / "twice", twice)


def test_two_folders_of_one_model_need_names_of_their_own(tmp_path):
    train = _problems(tmp_path, "train", TRAIN[:1])
    of = [_samples(tmp_path, name, [("t0", 0, "x #### 9")]) for name in ("a", "b")]
    with pytest.raises(UserError, match=r"two rows have the id 't0#0'.*rft sample --name"):
        _derive("chains", tmp_path / "out", Inputs(train, samples=(*of[0], *of[1]), count=1))


def test_inputs_without_rows_are_a_mistake(tmp_path):
    inputs = Inputs(_problems(tmp_path, "p", TRAIN[:1]), samples=_samples(tmp_path, "s", []))
    with pytest.raises(UserError, match="these inputs give no rows"):
        _derive("revisions", tmp_path / "out", inputs)
