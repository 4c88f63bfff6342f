"""Inputs and outputs by path or URL: which flags name them, and which folders are refused."""

from __future__ import annotations

import argparse
import fcntl
import json
from pathlib import Path

import pytest

from rft_jax import cli
from rft_jax.commands.base import InputPath, OutputPath, RowsPath
from rft_jax.files.jsonl import read_rows
from tests.cli.words import collect_words
from tests.rft.make import sample_row, write_lines

NAMES_A_PATH = {"M", "P", "S", "D", "DIR", "FILE", "SRC", "DST"}


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_flag_that_names_a_path_takes_a_url(name):
    flags = argparse.ArgumentParser()
    cli.COMMANDS[name].add_flags(flags)
    unmarked = {
        flag.dest
        for flag in flags._actions
        if flag.metavar in NAMES_A_PATH and flag.type not in (InputPath, RowsPath, OutputPath)
    }
    # run.model is fetched by the run; generated problems have splits.
    generated = {name: {"split"} for name in ("generate-wordproblems", "generate-arithmetic")}
    assert unmarked == {"run": {"model"}, **generated}.get(name, set())


def test_every_path_flag_of_derive_is_fetched_and_its_output_uploaded(
    rft, problems, samples, tmp_path, monkeypatch
):
    monkeypatch.setenv("RFT_SCRATCH", str(tmp_path / "scratch"))
    assert rft(*collect_words(problems, samples, tmp_path / "collected"))[0] == 0
    words = ["derive", "--kind", "human", "--problems", f"file://{problems}"]
    words += ["--collected", f"file://{tmp_path}/collected", "--output", f"file://{tmp_path}/out"]
    assert rft(*words) == (0, [])
    rows = (tmp_path / "out" / "paths.jsonl").read_text().splitlines()
    origins = [json.loads(row)["origin"] for row in rows]
    assert origins == ["human", "sampled", "human", "human"]
    assert (tmp_path / "out" / "config.gin").read_text().startswith("# rft derive\n")


def test_a_missing_file_is_named(rft, samples, tmp_path):
    code, lines = rft(*collect_words(tmp_path / "nowhere.jsonl", samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert "nowhere.jsonl: no such file" in lines[0]


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("problems.jsonl/out", "Not a directory"),
        ("nowhere", "nowhere: is a link to "),
        ("/proc/nowhere", "/proc/nowhere: nothing can be created there"),
        ("a" * 300, "File name too long"),
    ],
)
def test_an_output_that_cannot_be_a_folder_is_refused_in_one_line(
    rft, problems, samples, tmp_path, output, says
):
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    code, lines = rft(*collect_words(problems, samples, tmp_path / output))
    assert (code, len(lines)) == (2, 1)
    assert says in lines[0]
    assert lines[0].endswith("name another path")


@pytest.mark.parametrize("output", ["/proc/nowhere", "/proc/nowhere/p.jsonl"])
def test_a_file_that_cannot_be_created_is_refused_in_one_line(rft, output):
    words = ["generate-wordproblems", "--split", "dev", "--size", 2, "--output", output]
    says = "rft: /proc/nowhere: nothing can be created there; name another path"
    assert rft(*words) == (2, [says])


def _content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_made_with_other_settings_is_refused_and_unchanged(
    rft, problems, samples, tmp_path
):
    words = collect_words(problems, samples, tmp_path / "out")
    assert rft(*words)[0] == 0
    before = _content(tmp_path / "out")
    code, lines = rft(*words, "--gin.collect.dedup=none")
    assert (code, len(lines)) == (2, 1)
    assert "made with dedup = 'equations', now it is 'none'" in lines[0]
    assert _content(tmp_path / "out") == before


def test_a_folder_in_use_is_refused_and_unchanged(rft, problems, samples, tmp_path):
    words = collect_words(problems, samples, tmp_path / "out")
    assert rft(*words)[0] == 0
    before = _content(tmp_path / "out")
    with open(tmp_path / "out" / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, lines = rft(*words)
    assert (code, len(lines)) == (2, 1)
    assert "in use by another process" in lines[0]
    assert _content(tmp_path / "out") == before


def test_a_command_ends_with_what_to_use_next_as_it_was_typed(problems, samples, tmp_path, capsys):
    words = ["collect", "--problems", problems, "--samples", samples]
    output = tmp_path / "a b"
    assert cli.main([str(word) for word in [*words, "--output", output]]) == 0
    said = capsys.readouterr().out.splitlines()
    train = said.index("next:") + 1
    assert said[train] == (
        f"  rft train --model PRETRAINED --data '{output}'/paths.jsonl --output RFT"
    )


def test_where_nothing_was_kept_the_next_command_is_what_helps(problems, tmp_path, capsys):
    (tmp_path / "boxed").mkdir()
    ids = [row["id"] for _, row in read_rows(problems)]
    rows = [sample_row(name, 0, r"It is \boxed{0}.") for name in ids]
    samples = write_lines(tmp_path / "boxed" / "samples-0.jsonl", rows)
    words = ["--problems", str(problems), "--samples", samples, "--output", str(tmp_path / "c")]
    assert cli.main(["collect", *words]) == 0
    after = capsys.readouterr().out.partition("next:\n")[2]
    assert after.splitlines()[0].strip() == (
        f"rft collect --problems {problems} --samples {samples} --output ANOTHER "
        "--gin.collect.answers=boxed"
    )
    assert "rft train" not in after
    words[-1] = str(tmp_path / "e")
    assert cli.main(["evaluate", *words]) == 0
    after = capsys.readouterr().out.partition("next:\n")[2]
    assert after.splitlines()[0].strip() == (
        f"rft evaluate --problems {problems} --samples {samples} --output ANOTHER "
        "--gin.evaluate.answers=boxed"
    )
    assert f"head -n 3 {samples}" in after


def test_the_next_command_has_the_columns_of_the_problems(tmp_path, capsys):
    rows = [{"text": "1 + 1?", "target": "It is 2.\n#### 2"}]
    problems = write_lines(tmp_path / "p.jsonl", rows)
    words = ["--problems", problems, "--columns", "question=text,answer=target"]
    samples = write_lines(tmp_path / "s.jsonl", [{"text": "1 + 1?", "response": "#### 2"}])
    assert (
        cli.main(["evaluate", *words, "--samples", samples, "--output", str(tmp_path / "e")]) == 0
    )
    after = capsys.readouterr().out.partition("next:\n")[2]
    assert f"--problems {problems} --columns question=text,answer=target --output" in after


@pytest.mark.parametrize(("split", "command"), [("pretrain", "train"), ("dev", "sample")])
def test_generated_text_is_trained_on_and_generated_problems_are_sampled(
    split, command, tmp_path, capsys
):
    words = ["--split", split, "--output", str(tmp_path / "p.jsonl")]
    size = ["--tokens", "500"] if split == "pretrain" else ["--size", "2"]
    assert cli.main(["generate-wordproblems", *words, *size]) == 0
    assert f"next:\n  rft {command} " in capsys.readouterr().out


def test_every_command_that_writes_says_what_to_use_next():
    silent = {name for name, command in cli.COMMANDS.items() if not command.next}
    assert silent == {"run", "plan", "export-data", "derive", "doctor"}
