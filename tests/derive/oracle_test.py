"""The oracle control has as many paths as the model found, all right, all different."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.derive.inputs import Inputs, allocate
from rft_jax.derive.write import write_derived
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import Path, Problem, read_paths, to_row
from rft_jax.verify.equations import check_exact
from rft_jax.wordproblems.generator import equations, generate_problems

amounts = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(amounts)
def test_everybody_gets_at_least_what_it_wants_and_has_and_the_total_is_reached(pairs):
    wanted, available = [w for w, _ in pairs], [a for _, a in pairs]
    given_out = allocate(wanted, available)
    assert sum(given_out) == min(sum(wanted), sum(available))
    assert all(min(w, a) <= g <= a for w, a, g in zip(wanted, available, given_out, strict=True))


def test_what_one_lacks_goes_to_the_others_in_turns():
    assert allocate([5, 0, 0], [2, 9, 9]) == [2, 2, 1]


@pytest.fixture
def problems() -> list[Problem]:
    return generate_problems("train", 6)


def _kept(problems: list[Problem], counts: list[int]) -> list[Path]:
    kept = []
    for problem, count in zip(problems, counts, strict=True):
        same = (problem.id, problem.question, problem.answer)
        kept.append(Path(*same, "human", (), ()))
        kept += [Path(*same, "sampled", ("m",), (str(i),)) for i in range(count)]
    return kept


def _write(tmp_path, problems: list[Problem], counts: list[int], name: str = "out") -> list[Path]:
    write_rows(tmp_path / "problems.jsonl", map(to_row, problems))
    write_rows(tmp_path / "kept" / "paths.jsonl", map(to_row, _kept(problems, counts)))
    inputs = Inputs(str(tmp_path / "problems.jsonl"), str(tmp_path / "kept"), seed=3)
    write_derived("oracle", inputs, str(tmp_path / name))
    return [path for _, path in read_paths(tmp_path / name / "paths.jsonl")]


def test_each_problem_has_its_reference_solution_and_as_many_paths_as_kept(tmp_path, problems):
    counts = [0, 1, 2, 3, 2, 1]
    paths = _write(tmp_path, problems, counts)
    found = Counter(path.id for path in paths if path.origin == "sampled")
    assert [found[problem.id] for problem in problems] == counts
    references = [path.response for path in paths if path.origin == "human"]
    assert references == [problem.answer for problem in problems]
    assert [path.id for path in paths] == [
        problem.id
        for problem, count in zip(problems, counts, strict=True)
        for _ in range(count + 1)
    ]


def test_the_paths_of_a_problem_are_correct_and_have_distinct_equations(tmp_path, problems):
    answers = {problem.id: problem.answer.rpartition("#### ")[2] for problem in problems}
    seen = set()
    for path in _write(tmp_path, problems, [3] * 6):
        assert path.response.endswith(f"#### {answers[path.id]}")
        assert path.equations == equations(path.response)
        assert {check_exact(equation) for equation in path.equations} == {"correct"}
        assert (path.id, path.equations) not in seen
        seen.add((path.id, path.equations))


def test_the_same_seed_gives_the_same_paths(tmp_path, problems):
    first = _write(tmp_path, problems, [2] * 6, "first")
    assert _write(tmp_path, problems, [2] * 6, "second") == first


def test_a_problem_from_elsewhere_is_refused(tmp_path):
    mine = [Problem("mine", "What is 1 + 1?", "#### 2")]
    with pytest.raises(UserError, match=r"'mine' is not in wordproblems"):
        _write(tmp_path, mine, [1])
