"""The controls have as many rows as RFT kept, and only correct samples in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from rft_jax.derive.inputs import Inputs
from rft_jax.derive.write import OF_SAMPLES, write_derived
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.records import (
    LedgerRow,
    Path,
    Problem,
    Sample,
    ledger_line,
    read_paths,
    to_row,
)
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings

PROBLEMS = [Problem("p", "How many?", "<<1+1=2>>\n#### 2"), Problem("q", "And now?", "#### 3")]
# Problem, response, verdict, log-probability; `p` has two rows to fill, `q` one.
DRAWN = [
    ("p", "a", "correct", -5.0),
    ("p", "b", "correct", -1.0),
    ("p", "b", "correct", -1.0),
    ("p", "x", "wrong_answer", -0.1),
    ("p", "c", "correct", -3.0),
    ("q", "d", "correct", -9.0),
]


@pytest.fixture
def inputs(tmp_path: FilePath) -> Inputs:
    samples, ledger = [], []
    for i, (name, response, verdict, logprob) in enumerate(DRAWN):
        samples.append(Sample(name, i, "m", 0, response, None, "stop", logprob))
        ledger.append(LedgerRow(name, i, "m", verdict, None, None, response, False))
    kept = []
    for problem, count in zip(PROBLEMS, (2, 1), strict=True):
        same = (problem.id, problem.question)
        kept.append(Path(*same, problem.answer, "human", (), ()))
        kept += [Path(*same, "kept", "sampled", ("m",), ()) for _ in range(count)]
    write_rows(tmp_path / "problems.jsonl", map(to_row, PROBLEMS))
    write_rows(tmp_path / "s" / "samples-00000-of-00001.jsonl", map(to_row, samples))
    write_rows(tmp_path / "c" / "paths.jsonl", map(to_row, kept))
    (tmp_path / "c" / "ledger.jsonl").write_text("".join(ledger_line(*row[:-1]) for row in ledger))
    where = {name: str(tmp_path / at) for name, at in (("p", "problems.jsonl"), ("c", "c"))}
    return Inputs(where["p"], where["c"], (str(tmp_path / "s"),), seed=1)


def _responses(inputs: Inputs, kind: str, output: FilePath) -> dict[str, list[str]]:
    """Problem id -> responses, the reference solution first."""
    write_derived(kind, inputs, str(output))
    found: dict[str, list[str]] = {}
    for _, path in read_paths(output / "paths.jsonl"):
        found.setdefault(path.id, []).append(path.response)
    return found


def test_most_likely_takes_the_most_likely_distinct_correct_texts(inputs, tmp_path):
    found = _responses(inputs, "most_likely", tmp_path / "out")
    assert found == {"p": [PROBLEMS[0].answer, "b", "c"], "q": [PROBLEMS[1].answer, "d"]}


def test_most_likely_takes_a_text_of_two_models_for_the_more_likely_one_in_any_order(
    inputs, tmp_path
):
    of_n = {"a": -0.5, "b": -9.0, "c": -8.0}  # beside -5, -1 and -3 of m
    file, ledger = tmp_path / "n" / "samples.jsonl", FilePath(inputs.collected) / "ledger.jsonl"
    rows = [
        Sample("p", i, "n", 0, text, None, "stop", logprob)
        for i, (text, logprob) in enumerate(of_n.items())
    ]
    write_rows(file, map(to_row, rows))
    judged = [LedgerRow("p", one.sample, "n", "correct", None, None, "", False) for one in rows]
    with ledger.open("a") as lines:
        lines.writelines(ledger_line(*row[:-1]) for row in judged)
    for number, folders in enumerate([(*inputs.samples, str(file)), (str(file), *inputs.samples)]):
        found = _responses(replace(inputs, samples=folders), "most_likely", tmp_path / str(number))
        assert found["p"][1:] == ["a", "b"]


def test_random_takes_correct_samples_with_duplicates(inputs, tmp_path):
    seen = set()
    for seed in range(40):
        seeded = Inputs(inputs.problems, inputs.collected, inputs.samples, seed=seed)
        found = _responses(seeded, "random", tmp_path / str(seed))
        assert len(found["p"]) == 3 and len(found["q"]) == 2
        seen.add(tuple(sorted(found["p"][1:])))
    assert seen == {("a", "b"), ("a", "c"), ("b", "b"), ("b", "c")}


def _drawn_in(inputs: Inputs, kind: str, output: FilePath) -> dict[str, set[str]]:
    """Problem id -> all responses that any of 30 seeds chooses beside the reference solution."""
    seen: dict[str, set[str]] = {}
    for seed in range(30):
        found = _responses(replace(inputs, seed=seed), kind, output / str(seed))
        for name, (reference, *chosen) in found.items():
            assert reference == next(one.answer for one in PROBLEMS if one.id == name)
            seen.setdefault(name, set()).update(chosen)
        assert sum(map(len, found.values())) == 5  # two and one, beside two references
    return seen


def test_unverified_takes_any_sample(inputs, tmp_path):
    seen = _drawn_in(inputs, "unverified", tmp_path)
    assert seen == {"p": {"a", "b", "x", "c"}, "q": {"d"}}


def test_answer_checked_takes_incorrect_equations_too(inputs, tmp_path):
    _change(inputs, "p", 0, verdict="wrong_equation")
    assert _drawn_in(inputs, "answer_checked", tmp_path)["p"] == {"a", "b", "c"}
    assert _drawn_in(inputs, "random", tmp_path / "random")["p"] == {"b", "c"}


def test_majority_takes_the_samples_that_agree_whatever_the_reference(inputs, tmp_path):
    for sample, answer in enumerate(("7", "7.0", None, "7", "2")):
        _change(inputs, "p", sample, answer=answer, verdict="wrong_answer")
    _change(inputs, "q", 5, answer="3")
    assert _drawn_in(inputs, "majority", tmp_path) == {"p": {"a", "b", "x"}, "q": {"d"}}


def test_incorrect_takes_as_many_in_all_where_problems_have_too_few(inputs, tmp_path):
    for sample in (0, 1):
        _change(inputs, "p", sample, verdict="wrong_equation")
    assert _drawn_in(inputs, "incorrect", tmp_path) == {"p": {"a", "b", "x"}, "q": set()}


def test_incorrect_leaves_out_samples_that_nobody_decided_about(inputs, tmp_path):
    _change(inputs, "p", 0, verdict="wrong_equation")
    _change(inputs, "p", 1, verdict="timeout")
    for seed in range(10):
        found = _responses(replace(inputs, seed=seed), "incorrect", tmp_path / str(seed))
        assert {*found["p"][1:]} == {"a", "x"}


def test_a_control_with_too_few_samples_says_how_many_rows_it_lacks(inputs, tmp_path, capsys):
    _responses(inputs, "incorrect", tmp_path / "few")
    lines = capsys.readouterr().out
    assert lines == ("incorrect: 3 rows, 2 fewer than RFT has: there are no more such responses\n")
    _responses(inputs, "unverified", tmp_path / "enough")
    assert capsys.readouterr().out == "unverified: 5 rows\n"


def _change(inputs: Inputs, name: str, sample: int, **changed: str | None) -> None:
    file = FilePath(inputs.collected) / "ledger.jsonl"
    rows = [
        row | changed if (row["id"], row["sample"]) == (name, sample) else row
        for _, row in read_rows(file)
    ]
    write_rows(file, rows)


def test_human_repeats_the_reference_solution(inputs, tmp_path):
    found = _responses(replace(inputs, samples=()), "human", tmp_path / "out")
    assert found == {"p": [PROBLEMS[0].answer] * 3, "q": [PROBLEMS[1].answer] * 2}


@pytest.mark.parametrize("kind", ["random", "most_likely", "unverified", "human"])
def test_a_control_has_the_references_that_rft_has_and_none_that_is_only_an_answer(
    tmp_path, capsys, kind
):
    bare = Problem("bare", "3 + 5?", "8")
    write_rows(tmp_path / "p.jsonl", map(to_row, [PROBLEMS[0], bare]))
    texts = {"p": "<<2+0=2>>\n#### 2", "bare": "<<3+5=8>>\n#### 8"}
    rows = [
        Sample(name, i, "m", 0, " " * i + text, None, "stop", -1.0 - i)
        for name, text in texts.items()
        for i in range(2)
    ]
    write_rows(tmp_path / "s" / "samples.jsonl", map(to_row, rows))
    problems, samples, collected = (str(tmp_path / name) for name in ("p.jsonl", "s", "c"))
    collect(problems, [samples], collected, CollectSettings(dedup="none", workers=1))
    capsys.readouterr()
    given = Inputs(problems, collected, () if kind == "human" else (samples,))
    write_derived(kind, given, str(tmp_path / "out"))
    rft = [path for _, path in read_paths(tmp_path / "c" / "paths.jsonl")]
    control = [path for _, path in read_paths(tmp_path / "out" / "paths.jsonl")]
    assert len(control) == len(rft) == 5
    assert bare.answer not in {path.response for path in control}
    assert [p.response for p in control if p.origin == "human"] == [PROBLEMS[0].answer]
    assert capsys.readouterr().out == f"{kind}: 5 rows\n"


@pytest.mark.parametrize("kind", OF_SAMPLES)
def test_a_collected_problem_that_is_not_among_the_problems_is_named(inputs, tmp_path, kind):
    write_rows(tmp_path / "fewer.jsonl", map(to_row, PROBLEMS[:1]))
    fewer = replace(inputs, problems=str(tmp_path / "fewer.jsonl"))
    with pytest.raises(UserError, match=r"problem 'q', which is not in --problems .*fewer.jsonl"):
        write_derived(kind, fewer, str(tmp_path / "out"))
    file = FilePath(inputs.collected) / "paths.jsonl"
    write_rows(file, [row for _, row in read_rows(file) if row["id"] == "p"])
    with pytest.raises(UserError, match=r"problem 'q', which is not in --problems .*fewer.jsonl"):
        write_derived(kind, fewer, str(tmp_path / "out"))


def test_the_rows_say_their_equations(inputs, tmp_path):
    write_derived("human", replace(inputs, samples=()), str(tmp_path / "out"))
    first = next(path for _, path in read_paths(tmp_path / "out" / "paths.jsonl"))
    assert first.equations == ("1+1=2",)


def test_samples_without_logprob_have_no_order_of_likelihood(inputs, tmp_path):
    rows = [
        Sample(name, i, "m", 0, response, None, "stop", None)
        for i, (name, response, _, _) in enumerate(DRAWN)
    ]
    write_rows(tmp_path / "s" / "samples-00000-of-00001.jsonl", map(to_row, rows))
    with pytest.raises(UserError, match="sample 0 of 'p' has no logprob"):
        write_derived("most_likely", inputs, str(tmp_path / "out"))


def test_an_input_that_is_missing_is_named(inputs, tmp_path):
    with pytest.raises(UserError, match="needs --collected"):
        write_derived("human", Inputs(inputs.problems), str(tmp_path / "a"))
    with pytest.raises(UserError, match=r"s: no paths\.jsonl in it; --collected is a folder that"):
        elsewhere = replace(inputs, collected=inputs.samples[0])
        write_derived("oracle", replace(elsewhere, samples=()), str(tmp_path / "a"))
    with pytest.raises(UserError, match="needs --samples"):
        write_derived("random", Inputs(inputs.problems, inputs.collected), str(tmp_path / "b"))
    with pytest.raises(UserError, match="kind 'randon'; there are oracle"):
        write_derived("randon", inputs, str(tmp_path / "c"))
    with pytest.raises(UserError, match="needs --problems"):
        write_derived("random", replace(inputs, problems=""), str(tmp_path / "d"))


@pytest.mark.parametrize(
    ("kind", "changed", "flag"),
    [
        ("human", {}, "samples"),
        ("unverified", {"count": 100}, "count"),
        ("random", {"examples": "p.jsonl"}, "examples"),
        ("revisions", {}, "collected"),
        ("one_shot_text", {"collected": "", "samples": (), "count": 9}, "problems"),
        ("steps", {"collected": "", "samples": (), "form": "direct"}, "form"),
    ],
)
def test_an_input_that_a_kind_does_not_read_is_refused(inputs, tmp_path, kind, changed, flag):
    with pytest.raises(UserError, match=f"--{flag} has no effect with --kind {kind}; leave it"):
        write_derived(kind, replace(inputs, **changed), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_controls_of_programs_are_programs_with_what_they_execute(inputs, tmp_path):
    kept = FilePath(inputs.collected) / "paths.jsonl"
    paths = [path for _, path in read_paths(kept)]
    programs = [replace(p, form="program") if p.origin == "sampled" else p for p in paths]
    write_rows(kept, map(to_row, programs))
    samples = FilePath(inputs.samples[0]) / "samples-00000-of-00001.jsonl"
    rows = [row | {"response": "print(1 + 1)"} for _, row in read_rows(samples)]
    write_rows(samples, rows)
    write_derived("random", inputs, str(tmp_path / "out"))
    found = [path for _, path in read_paths(tmp_path / "out" / "paths.jsonl")]
    assert [(p.form, p.equations) for p in found if p.origin == "sampled"] == [
        ("program", ("1+1=2",))
    ] * 3
    assert {p.form for p in found if p.origin == "human"} == {"text"}
    write_rows(kept, map(to_row, [*programs[:2], *paths[2:]]))
    with pytest.raises(UserError, match="paths of both forms"):
        write_derived("random", inputs, str(tmp_path / "both"))


def test_a_sample_of_the_ledger_that_is_not_among_the_samples_is_named(inputs, tmp_path):
    file = tmp_path / "s" / "samples-00000-of-00001.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match=r"c: 1 samples of its ledger\.jsonl are not in --samples"):
        write_derived("random", inputs, str(tmp_path / "out"))
