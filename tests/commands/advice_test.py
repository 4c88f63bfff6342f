"""What the commands say to do next where the usual next command would not help."""

from __future__ import annotations

from pathlib import Path

from rft_jax.cli import main
from rft_jax.files.jsonl import write_rows
from rft_jax.files.parquet import write_parquet


def test_without_samples_and_solutions_collect_says_to_sample(tmp_path: Path, capsys) -> None:
    problems, output = tmp_path / "p.jsonl", tmp_path / "out"
    write_rows(problems, [{"question": "a?", "answer": "62"}])
    assert main(["collect", "--problems", str(problems), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert f"rft sample --model INSTRUCT --problems {problems} --output SAMPLES" in said
    assert f"rft collect --problems {problems} --samples SAMPLES --output ANOTHER" in said
    assert "rft train" not in said


def test_without_samples_and_with_solutions_collect_says_to_train(tmp_path: Path, capsys) -> None:
    problems, output = tmp_path / "p.jsonl", tmp_path / "out"
    write_rows(problems, [{"question": "a?", "answer": "60+2=62\n#### 62"}])
    assert main(["collect", "--problems", str(problems), "--output", str(output)]) == 0
    assert f"rft train --model PRETRAINED --data {output}/paths.jsonl" in capsys.readouterr().out


def test_samples_files_without_samples_are_named_and_collect_says_to_sample(
    tmp_path: Path, capsys
) -> None:
    problems, samples = tmp_path / "p.jsonl", tmp_path / "empty.jsonl"
    write_rows(problems, [{"question": "a?", "answer": "60+2=62\n#### 62"}])
    samples.touch()
    words = ["collect", "--problems", str(problems), "--samples", str(samples)]
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert f"warning: no sample of these problems in {samples}\n" in said
    assert f"rft sample --model INSTRUCT --problems {problems} --output SAMPLES" in said
    assert "rft train" not in said


def test_only_files_of_lines_are_shown_by_their_first_lines(tmp_path: Path, capsys) -> None:
    problems, output = tmp_path / "p.jsonl", tmp_path / "out"
    write_rows(problems, [{"question": "a?", "answer": "62"}])
    files = tmp_path / "s.jsonl", tmp_path / "s.jsonl.gz", tmp_path / "s.parquet"
    row = {"question": "a?", "response": "The answer is unclear."}
    write_rows(files[0], [row])
    write_rows(files[1], [row])
    write_parquet(files[2], [row])
    for number, file in enumerate(files):
        words = ["evaluate", "--problems", str(problems), "--samples", str(file)]
        assert main([*words, "--output", f"{output}{number}"]) == 0
        said = capsys.readouterr().out
        assert (f"head -n 3 {file}   # responses" in said) == (number == 0)
        assert f"head -n 3 {output}{number}/predictions.jsonl" in said
