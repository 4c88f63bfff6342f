from __future__ import annotations

import gzip
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rft_jax.cli import main
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.records import read_paths
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings
from tests.rft.fuzz import responses
from tests.rft.make import (
    read_lines,
    run_collect,
    sample_row,
    write_lines,
    write_problems,
    write_samples,
)

ROOT = Path(__file__).parents[2]
FILES = ("paths.jsonl", "ledger.jsonl", "stats.json")


def _contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


def _input(folder: Path, problems: int = 30, samples: int = 8) -> tuple[str, list[str]]:
    ids = [f"p/{index}" for index in range(problems)]
    folders = [
        write_samples(
            folder / name, {id_: responses(7 * n + i, samples) for n, id_ in enumerate(ids)}, name
        )
        for i, name in enumerate(("a", "b"))
    ]
    return write_problems(folder / "problems.jsonl", dict.fromkeys(ids, "#### 18")), folders


def test_reference_solutions_come_first_in_input_order(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "s", {"q": ["<<9+9=18>>\n#### 18"], "p": ["#### 18"]})
    result = run_collect(tmp_path, {"q": "#### 18", "p": "#### 18", "r": "#### 1"}, [samples])
    assert [(row["id"], row["origin"]) for row in result.paths] == [
        ("q", "human"), ("q", "sampled"), ("p", "human"), ("p", "sampled"), ("r", "human"),
    ]  # fmt: skip
    assert result.paths[1] == {
        "id": "q",
        "query": "What is q?",
        "response": "<<9+9=18>>\n#### 18",
        "origin": "sampled",
        "models": ["m"],
        "equations": ["9+9=18"],
    }
    assert [path.origin for _, path in read_paths(tmp_path / "out" / "paths.jsonl")] == [
        row["origin"] for row in result.paths
    ]


def test_the_ledger_has_a_row_for_each_sample(tmp_path: Path) -> None:
    texts = ["<<9+9=18>>a\n#### 18", "<<9 + 9 = 18>>a\n#### 18", "#### 17", ""]
    result = run_collect(tmp_path, {"p": "#### 18"}, [write_samples(tmp_path / "s", {"p": texts})])
    other = {"kind": "answer", "detail": "answers 17, the reference is 18", "line": None}
    fields = ("id", "sample", "model", "verdict", "reason", "answer", "key", "kept")
    assert [tuple(row) for row in result.ledger] == [fields] * 4
    assert [tuple(row.values()) for row in result.ledger] == [
        ("p", 0, "m", "correct", None, "18", "9+9=18", True),
        ("p", 1, "m", "correct", None, "18", "9+9=18", False),
        ("p", 2, "m", "wrong_answer", other, "17", "", False),
        ("p", 3, "m", "no_answer", None, None, "", False),
    ]


def test_references_are_graded_as_if_they_were_samples_and_failing_ones_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {
        "a": "#### 3:2",
        "b": "half\n#### 1 1/2",
        "c": "<<1+1=3>>\n#### 3",
        "d": r"It is \boxed{4}.",
    }
    result = run_collect(tmp_path, answers, [])
    assert [row["origin"] for row in result.paths] == ["human"] * 4
    assert result.ledger == []
    verdicts = {name: count for name, count in result.stats["references"].items() if count}
    assert verdicts == {"correct": 2, "wrong_equation": 1, "no_answer": 1}
    failing = result.stats["failing_references"]
    assert [(row["id"], row["reference"], row["verdict"]) for row in failing] == [
        ("c", "3", "wrong_equation"),
        ("d", "4", "no_answer"),
    ]
    assert "1+1=3" in failing[0]["detail"]
    printed = capsys.readouterr().out
    assert "2 of 4 reference solutions would not be accepted as samples" in printed
    assert "(correct 2, no_answer 1, wrong_equation 1); the first is c: 1+1=3" in printed


def test_a_path_names_all_models_that_found_it(tmp_path: Path) -> None:
    first, second = "<<9+9=18>> one\n#### 18", "<<9+9=18>> another way\n#### 18"
    folders = [
        write_samples(tmp_path / "a", {"p": [first, "#### 1"]}, "a"),
        write_samples(tmp_path / "b", {"p": ["#### 2", second]}, "b"),
        write_samples(tmp_path / "c", {"p": ["<<9+8=18>>\n#### 18"]}, "c"),
    ]
    result = run_collect(tmp_path, {"p": "#### 18"}, folders)
    assert [(row["response"], row["models"]) for row in result.paths[1:]] == [(first, ["a", "b"])]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, [0, 2, 3, 4]),
        ({"dedup": "none"}, [0, 1, 2, 3, 4]),
        ({"dedup": "exact_text"}, [0, 1, 2, 3, 4]),
        ({"dedup": "canonical"}, [0, 3, 4]),
        ({"dedup": "unordered"}, [0, 4]),
        ({"keep_unannotated": False}, [0, 2, 3]),
        ({"count_human": True}, [2, 3, 4]),
        ({"max_paths": 2}, [0, 2]),
        ({"max_paths": 2, "count_human": True}, [2, 3]),
        ({"max_paths": 9}, [0, 2, 3, 4]),
        ({"select": "shortest"}, [1, 2, 3, 4]),
        ({"select": "most_likely"}, [1, 2, 3, 4]),
    ],
)
def test_the_settings_decide_what_is_kept(tmp_path: Path, settings: dict, kept: list[int]) -> None:
    texts = [
        "long <<9+9=18>> <<4+5=9>>\n#### 18",
        "<<9+9=18>> <<4+5=9>>\n#### 18",
        "<<9+9=18>> <<5+4=9>>\n#### 18",
        "<<4+5=9>> <<9+9=18>>\n#### 18",
        "no equations\n#### 18",
    ]
    folder = tmp_path / "s"
    folder.mkdir()
    rows = [sample_row("p", i, text, logprob=float(i)) for i, text in enumerate(texts)]
    write_lines(folder / "samples-0.jsonl", rows)
    human = "human <<9+9=18>> <<4+5=9>>\n#### 18"
    settings = {"select": "first", **settings}
    result = run_collect(tmp_path, {"p": human}, [str(folder)], **settings)
    assert result.kept("p") == [texts[index] for index in kept]
    assert [row["sample"] for row in result.ledger if row["kept"]] == kept


def test_a_reference_solution_that_counts_lists_the_models_that_found_it(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "s", {"p": ["x <<9+9=18>>\n#### 18"]})
    result = run_collect(tmp_path, {"p": "<<9+9=18>>\n#### 18"}, [samples], count_human=True)
    assert [(row["origin"], row["models"]) for row in result.paths] == [("human", ["m"])]


def test_the_first_samples_alone_give_the_output_of_fewer_samples(tmp_path: Path) -> None:
    problems, (folder, _) = _input(tmp_path, samples=8)
    rows = {f"p/{index}": responses(7 * index, 8)[:3] for index in range(30)}
    fewer = write_samples(tmp_path / "fewer" / "a", rows, "a")
    collect(problems, [folder], str(tmp_path / "first"), CollectSettings(first_samples=3))
    collect(problems, [fewer], str(tmp_path / "all"), CollectSettings())
    assert _contents(tmp_path / "first") == _contents(tmp_path / "all")


def test_any_number_of_workers_writes_the_same_bytes(tmp_path: Path) -> None:
    problems, samples = _input(tmp_path)
    for workers in (1, 2, 3):
        collect(problems, samples, str(tmp_path / f"{workers}"), CollectSettings(workers=workers))
    assert _contents(tmp_path / "1") == _contents(tmp_path / "2") == _contents(tmp_path / "3")


def test_unsorted_and_compressed_files_give_the_same_paths(tmp_path: Path) -> None:
    problems, samples = _input(tmp_path)
    collect(problems, samples, str(tmp_path / "sorted"), CollectSettings(workers=1))
    shuffled = []
    for folder in samples:
        lines = (Path(folder) / "samples-00000-of-00001.jsonl").read_bytes().splitlines(True)
        random.Random(0).shuffle(lines)
        other = tmp_path / f"{Path(folder).name}-shuffled"
        other.mkdir()
        with gzip.open(other / "samples-x.jsonl.gz", "wb") as file:
            file.writelines(lines)
        shuffled.append(str(other))
    collect(problems, shuffled, str(tmp_path / "unsorted"), CollectSettings(workers=1))
    assert _contents(tmp_path / "sorted") == _contents(tmp_path / "unsorted")
    assert not list((tmp_path / "unsorted").glob(".sorted*"))


def test_a_finished_folder_is_left_alone(tmp_path: Path) -> None:
    problems, samples = _input(tmp_path)
    out = tmp_path / "out"
    collect(problems, samples, str(out), CollectSettings(workers=1))
    times = [(out / name).stat().st_mtime_ns for name in FILES]
    collect(problems, samples, str(out), CollectSettings(workers=2))  # workers decide nothing
    assert times == [(out / name).stat().st_mtime_ns for name in FILES]


def test_another_setting_or_other_samples_are_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    problems, samples = _input(tmp_path)
    out = tmp_path / "out"
    collect(problems, samples, str(out), CollectSettings(workers=1))
    before = _contents(out)
    with pytest.raises(UserError, match="dedup = 'equations', now it is 'none'"):
        collect(problems, samples, str(out), CollectSettings(dedup="none"))
    with pytest.raises(UserError, match="samples"):
        collect(problems, samples[:1], str(out), CollectSettings())
    with open(Path(samples[0]) / "samples-00000-of-00001.jsonl", "a") as file:
        file.write("\n")
    with pytest.raises(UserError, match="shards"):
        collect(problems, samples, str(out), CollectSettings())
    assert _contents(out) == before


def test_another_test_set_to_compare_with_is_refused(tmp_path: Path) -> None:
    problems, samples = _input(tmp_path)
    test = write_problems(tmp_path / "test.jsonl", {"t": "#### 1"})
    settings = CollectSettings(workers=1, decontaminate=test)
    collect(problems, samples, str(tmp_path / "out"), settings)
    collect(problems, samples, str(tmp_path / "out"), settings)
    write_problems(tmp_path / "test.jsonl", {"t": "#### 2"})
    with pytest.raises(UserError, match=r"was made with decontaminate = 'test\.jsonl "):
        collect(problems, samples, str(tmp_path / "out"), settings)


def test_a_digit_changed_in_the_middle_of_long_samples_is_seen(tmp_path: Path) -> None:
    problems, samples = _input(tmp_path, problems=300)
    out = tmp_path / "out"
    collect(problems, samples, str(out), CollectSettings(workers=1))
    file = Path(samples[0]) / "samples-00000-of-00001.jsonl"
    content = bytearray(file.read_bytes())
    assert len(content) > 256 << 10
    digit = next(i for i in range(len(content) // 2, len(content)) if content[i : i + 1].isdigit())
    content[digit : digit + 1] = b"1" if content[digit : digit + 1] != b"1" else b"2"
    file.write_bytes(content)
    with pytest.raises(UserError, match="shards"):
        collect(problems, samples, str(out), CollectSettings())


INTERRUPTED = """
import sys
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings
collect(sys.argv[1], sys.argv[2:4], sys.argv[4], CollectSettings(workers=2))
"""


def test_a_killed_run_starts_over_and_ends_the_same(tmp_path: Path) -> None:
    problems, samples = _input(tmp_path, problems=400, samples=30)
    out = tmp_path / "out"
    command = [sys.executable, "-c", INTERRUPTED, problems, *samples, str(out)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while not list(out.glob(".paths.jsonl.*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "COMPLETE").exists()
    assert not (out / "paths.jsonl").exists()
    collect(problems, samples, str(out), CollectSettings(workers=1))
    collect(problems, samples, str(tmp_path / "whole"), CollectSettings(workers=1))
    assert _contents(out) == _contents(tmp_path / "whole")


def test_collecting_imports_neither_jax_nor_tensorflow() -> None:
    code = (
        "import sys, rft_jax.rft.collect, rft_jax.rft.work; "
        "print([m for m in ('jax', 'tensorflow', 'numpy', 'sympy') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_math_style_references_work_as_the_docs_show(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    part = page.split("## References that are formulas")[1].split("\n## ")[0]
    (rows,) = re.findall(r"```json\n(.*?)```", part, re.DOTALL)
    (settings,) = re.findall(r"rft collect .*?((?: --gin\S+)+)\n", part.replace("\\\n ", ""))
    texts = re.findall(r"`(\\boxed\{[^`]+\})`", part.split("these samples")[1])
    half = [r"\boxed{0.5}", r"\boxed{\dfrac{1}{2}}", r"\boxed{\frac{1}{3}}", "none"]
    (tmp_path / "math.jsonl").write_text(rows, encoding="utf-8")
    samples = write_samples(tmp_path / "s", {"circle": texts, "half": half})
    flags = [f"--problems={tmp_path / 'math.jsonl'}", f"--samples={samples}"]
    out = tmp_path / "out"
    timeout = "--gin.collect.timeout=0.5"
    assert main(["collect", *flags, f"--output={out}", *settings.split(), timeout]) == 0
    assert [row["verdict"] for row in read_lines(out / "ledger.jsonl")] == [
        "correct", "correct", "wrong_answer", "timeout",
        "correct", "correct", "wrong_answer", "no_answer",
    ]  # fmt: skip
    assert [path.response for _, path in read_paths(out / "paths.jsonl")][1:3] == texts[:2]


def test_gsm8ks_own_solutions_are_all_correct(tmp_path: Path) -> None:
    folder = os.environ.get("GSM8K_DIR")
    if not folder:
        pytest.skip("GSM8K_DIR is not set")
    problems = load_problems("gsm8k:test")
    samples = write_samples(tmp_path / "s", {p.id: [p.answer] for p in problems})
    for equations, wrong in (("paper", 1), ("exact", 0)):
        out = tmp_path / equations
        collect("gsm8k:test", [samples], str(out), CollectSettings(equations=equations))
        verdicts = [row["verdict"] for row in read_lines(out / "ledger.jsonl")]
        assert len(verdicts) == 1319
        assert verdicts.count("correct") == 1319 - wrong  # `3/4=3/4` is not a float to the paper


@pytest.mark.parametrize("kind", ["ours", "columns"])
def test_samples_of_no_problem_are_left_out_and_counted_if_the_settings_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18", "q": "#### 18"})
    names = ("q", "other", "p", "other")
    rows = [sample_row(name, 0, "6*3=18\n#### 18") for name in names]
    if kind == "columns":
        rows = [{"question": f"What  is\n{name}?", "response": "#### 18"} for name in names]
    samples = write_lines(tmp_path / "s.jsonl", rows)
    out = str(tmp_path / "out")
    with pytest.raises(UserError, match=r"(?s)2 mistakes.*s\.jsonl:2: no problem.*s\.jsonl:4"):
        collect(problems, [samples], out, CollectSettings())
    collect(problems, [samples], out, CollectSettings(unmatched="skip"))
    assert "2 samples of other problems than these are left out" in caplog.text
    ledger = [row["id"] for row in read_lines(tmp_path / "out" / "ledger.jsonl")]
    assert ledger == ["p", "q"]
    rows = [row for row in rows if "other" not in str(row)]
    samples = write_lines(tmp_path / "s.jsonl", rows)
    collect(problems, [samples], str(tmp_path / "without"), CollectSettings())
    assert _contents(tmp_path / "out") == _contents(tmp_path / "without")


def test_where_others_are_left_out_all_lines_that_are_not_samples_are_named(tmp_path: Path) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    rows = [sample_row("p", 0, "#### 18"), {"id": "other"}, {"id": "p"}, {"sample": 1}]
    samples = write_lines(tmp_path / "s.jsonl", rows)
    settings = CollectSettings(unmatched="skip")
    with pytest.raises(UserError, match=r"(?s)2 mistakes.*s\.jsonl:3: .*s\.jsonl:4: no 'id'"):
        collect(problems, [samples], str(tmp_path / "out"), settings)
