"""Hostile input, each kind by its name: a verdict or one clear error, in bounded time."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.records import VERDICTS
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

MEGABYTE = 1_000_000


def _verdicts(tmp_path: Path, *texts: str, **settings: str) -> list[str]:
    """Verdicts on samples of a problem whose answer is 18, beside one good sample."""
    good = "<<20-2=18>>\n#### 18"
    result = run_collect(
        tmp_path,
        {"p": "#### 18"},
        [write_samples(tmp_path / "s", {"p": [*texts, good]})],
        **settings,
    )
    assert result.verdicts[-1] == "correct" and good in result.kept("p")
    assert set(result.verdicts) <= set(VERDICTS)
    return result.verdicts[:-1]


def test_an_annotation_that_runs_a_command(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"<<__import__('os').system('touch {mark}')=0>>\n#### 18"
    assert _verdicts(tmp_path, text) == ["malformed_equation"]
    assert not mark.exists()


def test_a_tower_of_powers(tmp_path: Path) -> None:
    texts = [f"<<{tower}=1>>\n#### 18" for tower in ("9**9**9**9", "9**9**9", "2**99999")]
    assert _verdicts(tmp_path, *texts) == ["malformed_equation"] * 3


def test_a_number_of_more_digits_than_python_writes(tmp_path: Path) -> None:
    """It is correct by the paper's floats, and no number where it is compared exactly."""
    number = f"1.{'1' * 400}e-4000"
    texts = [f"<<{number}+0=0>>\n#### 18", f"<<0+0={number}>>\n#### 18"]
    assert _verdicts(tmp_path, *texts) == ["correct"] * 2
    exactly = _verdicts(tmp_path / "exact", *texts, equations="exact")
    assert exactly == ["malformed_equation"] * 2


def test_a_power_tower_in_running_text(tmp_path: Path) -> None:
    verdicts = _verdicts(tmp_path, "9^9^9^9 = 1\n#### 18", equation_source="text")
    assert verdicts == ["malformed_equation"]


@pytest.mark.parametrize("source", ["annotations", "either"])
def test_ten_megabytes_of_parentheses(tmp_path: Path, source: str) -> None:
    megabytes = "(" * 10 * MEGABYTE
    texts = [f"<<{megabytes}=1>>\n#### 18", f"{megabytes}\n#### 18"]
    assert _verdicts(tmp_path, *texts, equation_source=source) == ["malformed_equation", "correct"]


def test_a_million_annotations(tmp_path: Path) -> None:
    right = "<<1+1=2>>" * MEGABYTE + "\n#### 18"
    wrong = "<<1+1=2>>" * (MEGABYTE - 1) + "<<1+1=3>>\n#### 18"
    assert _verdicts(tmp_path, right, wrong) == ["correct", "wrong_equation"]


def test_a_hundred_thousand_different_annotations(tmp_path: Path) -> None:
    text = "".join(f"<<{i}*{i}={i * i}>>" for i in range(100_000)) + "\n#### 18"
    assert _verdicts(tmp_path, text) == ["correct"]


def test_nul(tmp_path: Path) -> None:
    texts = ["<<9+9=18>>\0\n#### 18", "#### 18 <<9+\x009=18>>", "#### 18 <<9+9=18\0>>"]
    assert _verdicts(tmp_path, *texts) == ["no_answer", "malformed_equation", "malformed_equation"]


def test_lone_surrogates(tmp_path: Path) -> None:
    texts = ["\ud800<<9+9=18>>\n#### 18", "<<\udfff=1>>\n#### 18"]
    assert _verdicts(tmp_path, *texts) == ["correct", "malformed_equation"]
    out = Collected(tmp_path / "out")
    assert out.ledger[1]["key"] == "\udfff=1"


def test_lone_surrogates_that_are_kept(tmp_path: Path) -> None:
    text = "\ud83d far <<9+8+1=18>>\n#### 18"
    assert _verdicts(tmp_path, text) == ["correct"]
    assert text in Collected(tmp_path / "out").kept("p")


def test_right_to_left_marks(tmp_path: Path) -> None:
    texts = ["\u202e\u200f<<9+9=18>>\n#### 18", "<<9+\u202e9=18>>\n#### 18", "#### \u200f18"]
    assert _verdicts(tmp_path, *texts) == ["correct", "malformed_equation", "no_answer"]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "-1e400"])
def test_nan_infinity_and_floats_beyond_all_bounds(tmp_path: Path, value: str) -> None:
    texts = [f"<<1+1={value}>>\n#### 18", f"<<1e400-1e400={value}>>\n#### 18", f"#### {value}"]
    verdicts = _verdicts(tmp_path, *texts)
    assert verdicts[:2] == ["wrong_equation"] * 2
    assert verdicts[2] in ("no_answer", "wrong_answer")


def test_division_by_zero(tmp_path: Path) -> None:
    texts = [f"<<{left}=0>>\n#### 18" for left in ("1/0", "0/0", "1//0", "1%0", "0**-1", "1.0/0")]
    assert _verdicts(tmp_path, *texts) == ["wrong_equation"] * 6


def test_fullwidth_digits(tmp_path: Path) -> None:
    texts = ["#### １８", "<<９+９=18>>\n#### 18", "<<9+9=１８>>\n#### 18"]
    # Python's float, and so the paper's script, reads the last one.
    assert _verdicts(tmp_path, *texts) == ["no_answer", "malformed_equation", "correct"]


def test_marks_that_never_close(tmp_path: Path) -> None:
    texts = [
        "<<9+9=18\n#### 18",
        "<<" * MEGABYTE + "\n#### 18",
        "<<1+1=2>" * MEGABYTE + "\n#### 18",
    ]
    assert _verdicts(tmp_path, *texts) == ["correct"] * 3


def test_nested_marks(tmp_path: Path) -> None:
    texts = ["<<<<9+9=18>>>>\n#### 18", "<<<9+9=18>>\n#### 18", "<<<<>>>>\n#### 18"]
    assert _verdicts(tmp_path, *texts) == ["malformed_equation"] * 3


def test_a_number_of_a_million_digits(tmp_path: Path) -> None:
    digits = "9" * MEGABYTE
    texts = [f"#### {digits}", f"<<{digits}={digits}>>\n#### 18", f"<<1=1.{digits}>>\n#### 18"]
    verdicts = _verdicts(tmp_path, *texts)
    assert verdicts == ["wrong_answer", "malformed_equation", "malformed_equation"]


def test_a_million_answers(tmp_path: Path) -> None:
    assert _verdicts(tmp_path, "#### 17\n" * MEGABYTE) == ["wrong_answer"]


def test_formulas_that_never_end(tmp_path: Path) -> None:
    tower = r"\boxed{9^{9^{9^9}}}"
    problems = {"p": r"\boxed{x+1}"}
    texts = [tower, r"\boxed{1+x}", tower]
    samples = write_samples(tmp_path / "s", {"p": texts})
    result = run_collect(
        tmp_path, problems, [samples], answers="boxed", dedup="exact_text", timeout=0.5
    )
    assert result.verdicts == ["timeout", "correct", "timeout"]


def _error(
    tmp_path: Path, *samples: str, problems: dict[str, str] | None = None, most_workers: int = 1
) -> str:
    """The one line that a mistake in the files is answered with; nothing must be left behind."""
    path = write_problems(tmp_path / "problems.jsonl", problems or {"p": "#### 18", "q": "#### 1"})
    for workers in range(1, most_workers + 1):
        with pytest.raises(UserError) as caught:
            collect(
                path, list(samples), str(tmp_path / f"o{workers}"), CollectSettings(workers=workers)
            )
        left = [
            f.name
            for f in (tmp_path / f"o{workers}").glob("*")
            if f.name not in ("settings.json", ".lock")
        ]
        assert not left
        message = str(caught.value)
        assert "\n" not in message
    return message


def _folder(tmp_path: Path, *rows: dict, name: str = "s") -> str:
    (tmp_path / name).mkdir(exist_ok=True)
    write_lines(tmp_path / name / "samples-0.jsonl", rows)
    return str(tmp_path / name)


def test_a_missing_id(tmp_path: Path) -> None:
    row = sample_row("p", 0, "a")
    del row["id"]
    folder = _folder(tmp_path, sample_row("p", 0, "a"), row)
    assert "samples-0.jsonl:2: no 'id'; add the id of the problem" in _error(tmp_path, folder)


def test_an_id_of_another_type(tmp_path: Path) -> None:
    assert "samples-0.jsonl:1: id is ['p']; a string is needed" in _error(
        tmp_path,
        _folder(tmp_path, sample_row(["p"], 0, "a")),  # type: ignore[arg-type]
    )


def test_an_unknown_id(tmp_path: Path) -> None:
    folder = _folder(tmp_path, sample_row("p", 0, "a"), sample_row("z", 0, "a"))
    assert "samples-0.jsonl:2: no problem has the id 'z'" in _error(tmp_path, folder)


def test_a_sample_twice_in_one_file(tmp_path: Path) -> None:
    folder = _folder(tmp_path, *[sample_row("p", s, "a") for s in (0, 1, 1)])
    message = _error(tmp_path, folder, most_workers=2)
    assert "samples-0.jsonl:3: sample 1 of model 'm' is in " in message
    assert "samples-0.jsonl:2 already" in message


def test_two_shards_with_the_same_sample(tmp_path: Path) -> None:
    folder = Path(_folder(tmp_path, sample_row("p", 0, "a")))
    write_lines(folder / "samples-1.jsonl", [sample_row("p", 0, "b")])
    message = _error(tmp_path, str(folder))
    assert "samples-1.jsonl:1: sample 0 of model 'm'" in message and "samples-0.jsonl:1" in message


def test_two_folders_with_the_same_model_name(tmp_path: Path) -> None:
    folders = [_folder(tmp_path, sample_row("p", 0, "a"), name=name) for name in ("one", "two")]
    message = _error(tmp_path, *folders)
    assert "two: has samples of model 'm', as" in message and "one has" in message


def test_two_folders_with_the_same_model_name_on_different_problems(tmp_path: Path) -> None:
    folders = [
        _folder(tmp_path, sample_row(problem, 0, "a"), name=name)
        for problem, name in (("p", "one"), ("q", "two"))
    ]
    assert "has samples of model 'm'" in _error(tmp_path, *folders)


def test_a_problem_id_twice(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "p.jsonl", [{"id": "p", "question": "?", "answer": "#### 1"}] * 2)
    with pytest.raises(UserError, match=r"p\.jsonl:2: id 'p' is already in line 1"):
        collect(
            path,
            [_folder(tmp_path, sample_row("p", 0, "a"))],
            str(tmp_path / "o"),
            CollectSettings(),
        )


def test_a_problem_without_an_answer(tmp_path: Path) -> None:
    folder = _folder(tmp_path, sample_row("p", 0, "a"))
    message = _error(tmp_path, folder, problems={"p": "a path\nthat ends in nothing"})
    assert "problem 'p' ('What is p?') has no answer" in message


def test_a_shard_truncated_in_the_middle_of_a_row(tmp_path: Path) -> None:
    folder = Path(_folder(tmp_path, sample_row("p", 0, "a"), sample_row("q", 0, "b" * 100)))
    path = folder / "samples-0.jsonl"
    os.truncate(path, path.stat().st_size - 40)
    assert "samples-0.jsonl:2: not JSON" in _error(tmp_path, str(folder))


@pytest.mark.parametrize("keep", [5, 0.5, 0.9])
def test_gzip_cut_short(tmp_path: Path, keep: float) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    rows = [sample_row("p", i, os.urandom(50).hex()) for i in range(50)]
    data = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    size = int(keep if keep > 1 else keep * len(data))
    (folder / "samples-0.jsonl.gz").write_bytes(data[:size])
    assert "the gzip stream is damaged" in _error(tmp_path, str(folder))


def test_a_file_that_is_not_gzip(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "samples-0.jsonl.gz").write_bytes(b"{}\n")
    assert "samples-0.jsonl.gz:1: the gzip stream is damaged" in _error(tmp_path, str(folder))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "p", "sample": 0, "response": 5}', "response is 5; a string is needed"),
        (b'{"id": "p", "sample": "0", "response": "a"}', "sample is '0'; an integer is needed"),
        (b'{"id": "p", "sample": true, "response": "a"}', "sample is True; an integer is needed"),
        (b'{"id": "p", "response": "a"}', "sample is None; an integer is needed"),
        (b'{"id": "p", "sample": 0}', "no 'response'; add the field"),
        (
            b'{"id": "p", "sample": 0, "response": "a", "finish_reason": "eos"}',
            "finish_reason is 'eos'",
        ),
        (b'{"id": "p", "sample": 0, "response": "a", "logprob": "x"}', "logprob is 'x'"),
        (b'{"id": "p", "sample": 0, "response": "\xff"}', "not JSON"),
        (b'{"id": "p", "sample": 0} {}', "not JSON"),
        (b"[1]", "a JSON object is needed, found list"),
        (b"\xff\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"id": "p', "not JSON"),
        (b"null", "a JSON object is needed"),
    ],
)
def test_a_line_that_is_not_a_sample(tmp_path: Path, line: bytes, message: str) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    good = json.dumps(sample_row("p", 7, "a")).encode()
    (folder / "samples-0.jsonl").write_bytes(good + b"\n" + line + b"\n")
    found = _error(tmp_path, str(folder))
    assert message in found and "samples-0.jsonl:2: " in found


def test_an_empty_file_is_not_an_error(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    result = run_collect(tmp_path, {"p": "#### 18"}, [folder])
    assert result.ledger == [] and len(result.paths) == 1
    assert result.stats["samples"] == 0 and result.stats["pass@k"] == []
