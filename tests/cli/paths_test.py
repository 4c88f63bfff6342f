"""Inputs and outputs by path or URL: which flags name them, and which folders are refused."""

from __future__ import annotations

import argparse
import fcntl
import json
from pathlib import Path

import pytest

from rft_jax import cli
from rft_jax.commands.base import InputPath, OutputPath, RowsPath
from tests.cli.words import collect_words

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
        ("nowhere", "File exists"),
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


def test_every_command_that_writes_says_what_to_use_next():
    silent = {name for name, command in cli.COMMANDS.items() if not command.next}
    assert silent == {"run", "plan", "export-data", "derive", "doctor"}
