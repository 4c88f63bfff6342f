"""Programs through `rft collect`: verdicts, paths, keys, statistics, reward tricks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.files.identity import settings_identity
from rft_jax.records import read_paths, read_samples
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings
from tests.rft.make import (
    Collected,
    run_collect,
    sample_row,
    write_lines,
    write_problems,
    write_samples,
)
from tests.sandboxed import needs_sandbox

TEXT = "<<48/2=24>> <<48+24=72>>\n#### 72"
PROGRAM = "april = 48\nmay = april / 2\nprint(april + may)"
OTHER_NAMES = "```python\na = 48  # clips\nb = a / 2\nprint(b + a)\n```"


def _collect(
    tmp_path: Path, programs: list[str], reference: str = TEXT, /, **settings
) -> Collected:
    samples = [write_samples(tmp_path / "s", {"p": programs})]
    return run_collect(tmp_path, {"p": reference}, samples, answers="program", **settings)


def _mixed(folder: Path, *forms: tuple[str, str]) -> str:
    (folder / "mixed").mkdir()
    rows = [sample_row("p", i, text, form=form) for i, (text, form) in enumerate(forms)]
    write_lines(folder / "mixed" / "samples-0.jsonl", rows)
    return str(folder / "mixed")


def test_paths_of_programs_have_their_form_and_what_they_executed(tmp_path: Path) -> None:
    result = _collect(tmp_path, [PROGRAM, "print(71)"])
    assert result.verdicts == ["correct", "wrong_answer"]
    human, sampled = result.paths
    assert "form" not in human
    assert (sampled["form"], sampled["equations"]) == ("program", ["48/2=24", "48+24=72"])
    assert [p.form for _, p in read_paths(tmp_path / "out" / "paths.jsonl")] == ["text", "program"]


def test_a_row_decides_by_its_form_unless_all_are_programs(tmp_path: Path) -> None:
    samples = _mixed(tmp_path, (PROGRAM, "program"), (TEXT, "text"), (PROGRAM, "text"))
    by_form = run_collect(tmp_path, {"p": TEXT}, [samples])
    assert by_form.verdicts == ["correct", "correct", "no_answer"]
    assert [row.get("form", "text") for row in by_form.paths] == ["text", "program"]
    collect(
        str(tmp_path / "problems.jsonl"),
        [samples],
        str(tmp_path / "all"),
        CollectSettings(answers="program", workers=1),
    )
    assert Collected(tmp_path / "all").verdicts == ["correct", "no_output", "correct"]


def test_an_unknown_form_is_refused_by_file_and_line(tmp_path: Path) -> None:
    samples = _mixed(tmp_path, (PROGRAM, "program"), (TEXT, "code"))
    with pytest.raises(UserError, match=r"samples-0\.jsonl:2: form is 'code'; there are text"):
        run_collect(tmp_path, {"p": TEXT}, [samples])


def test_the_answer_of_a_problem_may_be_what_its_program_prints(tmp_path: Path) -> None:
    problems = write_lines(
        tmp_path / "problems.jsonl",
        [{"id": "p", "question": "?", "answer": PROGRAM, "form": "program"}],
    )
    samples = [write_samples(tmp_path / "s", {"p": ["So\n#### 72", "#### 71"]})]
    collect(problems, samples, str(tmp_path / "out"), CollectSettings(workers=1))
    result = Collected(tmp_path / "out")
    assert result.verdicts == ["correct", "wrong_answer"]
    assert result.stats["references"]["correct"] == 1
    bad = [{"id": "q", "question": "?", "answer": "import sympy", "form": "program"}]
    problems = write_lines(tmp_path / "bad.jsonl", bad)
    with pytest.raises(UserError, match=r"problem 'q' has no answer.*unsupported: import sympy"):
        collect(problems, [], str(tmp_path / "no"), CollectSettings(workers=1))


@pytest.mark.parametrize(
    ("dedup", "kept"),
    [("exact_text", 3), ("equations", 3), ("canonical", 2), ("program", 2), ("trace", 2)],
)
def test_programs_are_duplicates_by_their_level(tmp_path: Path, dedup: str, kept: int) -> None:
    third = "print(48 + 24)"
    result = _collect(tmp_path, [PROGRAM, OTHER_NAMES, third], dedup=dedup, select="first")
    assert len(result.kept("p")) == kept
    assert result.stats["distinct@k"][dedup][-1]["value"] == kept


def test_a_program_and_a_text_are_duplicates_by_their_trace(tmp_path: Path) -> None:
    result = _collect(tmp_path, [PROGRAM, OTHER_NAMES], dedup="trace", count_human=True)
    assert result.kept("p") == []
    assert {row["key"] for row in result.ledger} == {"24+48|48/2"}
    whole = _collect(tmp_path / "2", [PROGRAM], "<<48+48/2=72>>\n#### 72", dedup="trace")
    assert whole.ledger[0]["key"] == "24+48|48/2"


def test_statistics_count_programs_by_what_happened(tmp_path: Path, capsys: Any) -> None:
    programs = [PROGRAM, "print(72.00000000000001)", "print(", "print(x)", "print(y)", "x = 72"]
    programs += ["import sympy\nprint(72)", "print(71)"]
    stats = _collect(tmp_path, programs).stats
    assert stats["programs"] == {
        "samples": 8,
        "correct": 2,
        "correct_exactly": 1,
        "errors": {"name": 2, "syntax": 1},
        "unsupported": {"import sympy": 1},
    }
    assert stats["verdicts"]["program_error"] == 3
    printed = capsys.readouterr().out
    assert "errors of programs: name 2, syntax 1\n" in printed
    assert "unsupported of programs: import sympy 1\n" in printed
    assert "trace" in stats["distinct@k"] and "program" not in stats["distinct@k"]


def test_a_program_is_not_a_copy_of_a_text_that_calculates_the_same(tmp_path: Path) -> None:
    paths = _collect(tmp_path, [PROGRAM], dedup="equations").stats["paths"]
    assert (paths["sampled"], paths["new"], paths["copies_of_reference"]) == (1, 1, 0)


def test_without_programs_statistics_are_as_before(tmp_path: Path) -> None:
    samples = [write_samples(tmp_path / "s", {"p": [TEXT]})]
    stats = run_collect(tmp_path, {"p": TEXT}, samples).stats
    assert "programs" not in stats
    assert set(stats["distinct@k"]) == {"exact_text", "equations", "canonical", "unordered"}


@pytest.mark.parametrize(
    ("program", "reference"),
    [
        ("print(18, 20)", "18"),
        ("print(20, 18)", "18"),
        ("print(1, 234)", "1234"),
        ("print('18 or 20')", "18"),
        ("print('A or B')", "A"),
        ("print([18, 20])", "18"),
        ("print({18: 20})", "18"),
        ("print(float('nan'))", "18"),
        ("print(float('inf'))", "18"),
        ("print(float('inf') - float('inf'))", "0"),
        ("print(True)", "1"),
        ("print(False)", "0"),
        ("print(None)", "0"),
        ("# the answer is 18", "18"),
        ("x = 20  # 18\nprint(x)", "18"),
        ("'''\n18\n'''\nprint(20)", "18"),
        ("print(18)\nprint(20)", "18"),
        ("print(18)\nraise ValueError(18)", "18"),
        ("print(17.9999)", "18"),
        ("print('#### 18\\n#### 20')", "18"),
        ("print('\\\\boxed{18} or \\\\boxed{20}')", "18"),
        ("print(*range(1000))", "18"),
        ("print(end='18 ')\nprint(20)", "18"),
    ],
)
def test_a_reward_trick_is_not_correct(tmp_path: Path, program: str, reference: str) -> None:
    result = _collect(tmp_path, [program, f"print({reference!r})"], f"#### {reference}")
    assert result.verdicts[0] != "correct" and result.verdicts[1] == "correct"


@pytest.mark.parametrize("program", ["print(-0.0)", "print(0)", "print(0.0)"])
def test_every_zero_is_zero(tmp_path: Path, program: str) -> None:
    assert _collect(tmp_path, [program], "#### 0").verdicts == ["correct"]


def test_programs_that_exhaust_a_resource_end_by_a_verdict_beside_a_good_one(
    tmp_path: Path,
) -> None:
    hostile = ["print(10**10**10)", "while True:\n    pass", "x = [0] * 10**9", "(" * 10**5]
    hostile += ["def f():\n    f()\nf()", "print('9' * 20_000)", "-" * 10**5 + "1", "9" * 10**6]
    result = _collect(tmp_path, [*hostile, PROGRAM])
    assert result.verdicts == ["program_error"] * 8 + ["correct"]
    assert {row["reason"]["kind"] for row in result.ledger[:7]} == {"limit"}


def test_nothing_of_a_program_is_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    texts = [
        f"import os\nos.system('touch {mark}')\nprint(72)",
        f"__import__('os').system('touch {mark}')\nprint(72)",
        f"open({str(mark)!r}, 'w')\nprint(72)",
        f"eval(\"open({str(mark)!r}, 'w')\")\nprint(72)",
    ]
    assert _collect(tmp_path, texts).verdicts == ["unsupported"] * 4
    assert not mark.exists()


def test_any_number_of_workers_gives_the_same_verdicts_on_programs(tmp_path: Path) -> None:
    programs = [PROGRAM, "print(", "x = 1", "while True:\n    pass", "print(72.0)", "import re"]
    samples = [write_samples(tmp_path / "s", {f"p{i}": programs for i in range(6)})]
    problems = write_problems(tmp_path / "problems.jsonl", {f"p{i}": TEXT for i in range(6)})
    for workers in (1, 2):
        settings = CollectSettings(answers="program", workers=workers)
        collect(problems, samples, str(tmp_path / str(workers)), settings)
    for name in ("paths.jsonl", "ledger.jsonl", "stats.json"):
        one, two = ((tmp_path / str(n) / name).read_bytes() for n in (1, 2))
        assert one == two


def test_a_sample_s_form_round_trips(tmp_path: Path) -> None:
    samples = _mixed(tmp_path, (PROGRAM, "program"))
    rows = read_samples(Path(samples) / "samples-0.jsonl")
    assert [sample.form for _, sample in rows] == ["program"]


def _without_words(ledger: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ledger rows without their reasons' words."""
    return [
        row | {"reason": row["reason"] and (row["reason"]["kind"], row["reason"]["line"])}
        for row in ledger
    ]


@needs_sandbox
def test_in_the_sandbox_verdicts_are_the_same_and_sympy_is_supported(tmp_path: Path) -> None:
    programs = [PROGRAM, OTHER_NAMES, "print(72.00000000000001)", "print(", "x = 1\nprint(y)"]
    programs += ["x = 72", "print(71)", "print(72)\nprint(1 / 0)"]
    evaluated = _collect(tmp_path / "evaluator", programs, dedup="program")
    result = _collect(tmp_path / "sandbox", programs, dedup="program", programs="sandbox")
    assert _without_words(result.ledger) == _without_words(evaluated.ledger)
    assert {row["origin"]: row["equations"] for row in result.paths}["sampled"] == []
    assert set(result.stats["distinct@k"]) == {"exact_text", "program"}
    classes = ["class A:\n    x = 72\nprint(A.x)"]
    assert _collect(tmp_path / "1", classes).verdicts == ["unsupported"]
    full = _collect(tmp_path / "2", classes, dedup="program", programs="sandbox")
    assert full.verdicts == ["correct"]


def test_levels_of_operations_are_refused_with_the_sandbox() -> None:
    with pytest.raises(UserError, match=r"collect\.dedup = 'equations'.*'program' or"):
        CollectSettings(programs="sandbox")
    with pytest.raises(UserError, match=r"collect\.keep_unannotated = False"):
        CollectSettings(programs="sandbox", dedup="program", keep_unannotated=False)
    with pytest.raises(UserError, match=r"collect\.programs = 'cpython'.*'evaluator', 'sandbox'"):
        CollectSettings(programs="cpython")


def test_the_default_is_not_in_the_identity_of_settings() -> None:
    assert "programs" not in settings_identity(CollectSettings())
    settings = CollectSettings(programs="sandbox", dedup="program")
    assert settings_identity(settings)["programs"] == "sandbox"
