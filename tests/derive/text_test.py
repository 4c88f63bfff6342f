"""The pretraining text has as much in it as the package's, worked problems in pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.derive.inputs import Inputs
from rft_jax.derive.steps import expanded
from rft_jax.derive.text import FORMS
from rft_jax.derive.write import write_derived
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.verify.equations import check_exact, find_annotations
from rft_jax.wordproblems.pretraining import pretraining_rows
from rft_jax.wordproblems.vocabulary import count_tokens, split_tokens, vocabulary


def test_each_worked_problem_has_another_one_before_it(tmp_path):
    write_derived("one_shot_text", Inputs("", count=4000, seed=3), str(tmp_path / "out"))
    lines = (tmp_path / "out" / "problems.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    alone = list(pretraining_rows(3, 4000))
    worked = [row for row in alone if "####" in row["response"]]
    pairs = [row for row in rows if "####" in row["response"]]
    assert len(pairs) == len(worked) // 2 >= 5
    first, second = worked[:2]
    assert pairs[0] == {
        "query": f"{first['query']}{first['response']}\n\n{second['query']}",
        "response": second["response"],
    }
    assert [row for row in rows if "####" not in row["response"]] == [
        row for row in alone if "####" not in row["response"]
    ]


def test_lines_of_arithmetic_are_the_same_in_all_forms(tmp_path: Path) -> None:
    mix = ArithmeticSettings(whole=1.0)
    rows = {}
    for form in ("steps", "direct"):
        inputs = Inputs("", count=500, form=form, arithmetic=mix)
        write_derived("arithmetic", inputs, str(tmp_path / form))
        rows[form] = [row for _, row in read_rows(tmp_path / form / "problems.jsonl")]
    expressions = {form: [row["response"].split("=")[0] for row in rows[form]] for form in rows}
    count = len(rows["steps"])
    assert expressions["direct"][:count] == expressions["steps"] and len(rows["direct"]) > count
    with pytest.raises(UserError, match="--count 0: the number of tokens is needed"):
        write_derived("arithmetic", Inputs(""), str(tmp_path / "none"))
    with pytest.raises(UserError, match="was made with form = 'direct', now it is 'steps'"):
        write_derived("arithmetic", Inputs("", count=500, arithmetic=mix), str(tmp_path / "direct"))


def _words(tmp_path: Path, kind: str, form: str) -> list[dict]:
    output = tmp_path / f"{kind}-{form}"
    write_derived(kind, Inputs("", count=8000, form=form, seed=2), str(output))
    return [row for _, row in read_rows(output / "problems.jsonl")]


@pytest.mark.parametrize("form", ["direct", "steps"])
def test_arithmetic_takes_the_place_of_half_of_the_worked_problems(tmp_path: Path, form: str):
    shares = {}
    for kind in ("words", "words_and_arithmetic"):
        spent = dict.fromkeys(("arithmetic", "worked", "unsolved"), 0)
        for row in _words(tmp_path, kind, form):
            name = "worked" if "####" in row["response"] else "unsolved"
            name = "arithmetic" if row["query"].startswith("<<") else name
            spent[name] += count_tokens(row["query"], row["response"])
        assert 8000 <= sum(spent.values()) < 8200
        shares[kind] = {name: tokens / sum(spent.values()) for name, tokens in spent.items()}
    expected = {"arithmetic": 0.45, "worked": 0.45, "unsolved": 0.1}
    assert shares["words_and_arithmetic"] == pytest.approx(expected, abs=0.02)
    expected = {"arithmetic": 0.0, "worked": 0.9, "unsolved": 0.1}
    assert shares["words"] == pytest.approx(expected, abs=0.02)


def test_the_forms_of_words_differ_in_calculations_of_several_operations_alone(tmp_path: Path):
    chains = 0
    for is_equation in (True, False):
        direct, steps = (
            [
                row["query"] + row["response"]
                for row in _words(tmp_path, "words_and_arithmetic", form)
                if row["query"].startswith("<<") == is_equation and row["query"]
            ]
            for form in FORMS
        )
        for before, after in zip(direct, steps, strict=False):
            assert expanded(before) == after
            equations = find_annotations(after)
            assert {check_exact(one) for one in equations} == {"correct"}
            chains += any(one.count("=") > 1 for one in equations)
    assert chains > 20
    with pytest.raises(UserError, match="--form reversed: calculations in problems are direct or"):
        _words(tmp_path, "words", "reversed")


def test_words_are_in_the_embedded_vocabulary_and_fit_its_rows(tmp_path: Path):
    known = set(vocabulary())
    for row in _words(tmp_path, "words_and_arithmetic", "steps"):
        tokens = split_tokens(row["query"] + row["response"])
        assert known.issuperset(tokens)
        assert len(tokens) < 240
