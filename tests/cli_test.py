"""The command line: what it explains and prints, and how it refuses bad input (exit code 2)."""

from __future__ import annotations

import argparse
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rft_jax import cli
from rft_jax.commands.base import InputPath, OutputPath, field_documents
from rft_jax.commands.loop import RUN
from rft_jax.errors import Preempted
from rft_jax.gin_settings import installed_gin_files, load_config
from rft_jax.typed_values import field_types
from tests.tiny_model import write_tiny_model

SETTINGS = {
    name: kind
    for command in cli.COMMANDS.values()
    for name, kind in command.settings_classes().items()
}


@pytest.fixture(autouse=True)
def keep_signal_handlers():
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def rft(capsys):
    """Runs a command line; returns its exit code and its lines on stderr."""

    def run(*words: object) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        return code, capsys.readouterr().err.splitlines()

    return run


@pytest.fixture
def problems(tmp_path) -> Path:
    file = tmp_path / "problems.jsonl"
    rows = [
        {"id": name, "question": f"{name} + 1?", "answer": f"<<{name}+1={name + 1}>>\n#### {name}"}
        for name in (1, 2, 3)
    ]
    rows = [row | {"id": str(row["id"])} for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def samples(tmp_path) -> Path:
    file = tmp_path / "samples.jsonl"
    row = {"id": "1", "sample": 0, "model": "m", "seed": 0, "response": "<<0+1=1>>\n#### 1"}
    file.write_text(json.dumps(row) + "\n")
    return file


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


def _content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _help(capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        cli.main([*words, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_command(capsys):
    text = _help(capsys)
    assert all(f"\n    {name}" in text for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_each_commands_help_has_examples_and_every_setting_with_its_default(capsys, name):
    text = _help(capsys, name)
    command = cli.COMMANDS[name]
    assert f"  rft {name}" in text.partition("examples:")[2]
    for gin_name, kind in command.settings_classes().items():
        assert all(f"  {gin_name}.{field} = " in text for field in field_types(kind))


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_documented(name):
    documents = field_documents(SETTINGS[name])
    assert [field for field in field_types(SETTINGS[name]) if not documents.get(field)] == []


NAMES_A_PATH = {"M", "P", "S", "D", "DIR", "FILE", "SRC", "DST"}


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_flag_that_names_a_path_takes_a_url(name):
    flags = argparse.ArgumentParser()
    cli.COMMANDS[name].add_flags(flags)
    unmarked = {
        flag.dest
        for flag in flags._actions
        if flag.metavar in NAMES_A_PATH and flag.type not in (InputPath, OutputPath)
    }
    # run.model is fetched by the run; generated problems have splits.
    assert unmarked == {"run": {"model"}, "generate-wordproblems": {"split"}}.get(name, set())


def test_every_path_flag_of_derive_is_fetched_and_its_output_uploaded(
    rft, problems, samples, tmp_path, monkeypatch
):
    monkeypatch.setenv("RFT_SCRATCH", str(tmp_path / "scratch"))
    assert rft(*_collect(problems, samples, tmp_path / "collected"))[0] == 0
    words = ["derive", "--kind", "human", "--problems", f"file://{problems}"]
    words += ["--collected", f"file://{tmp_path}/collected", "--output", f"file://{tmp_path}/out"]
    assert rft(*words) == (0, [])
    rows = (tmp_path / "out" / "paths.jsonl").read_text().splitlines()
    origins = [json.loads(row)["origin"] for row in rows]
    assert origins == ["human", "sampled", "human", "human"]
    assert (tmp_path / "out" / "config.gin").read_text() == "# rft derive\n"


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_example_in_the_help_is_a_command_line_that_parses(name):
    for example in cli.COMMANDS[name].examples:
        flags, rest = cli.build_parser().parse_known_args(example.split()[1:])
        assert flags.command.name == name
        assert all(word.startswith("--gin.") for word in rest)


@pytest.mark.parametrize(
    "name", [n for n in installed_gin_files() if n.startswith(("runs/", "experiments/"))]
)
def test_every_installed_run_binds_only_existing_settings(name):
    config = load_config(RUN.settings_classes(), [name], scoped=True)
    for kind in RUN.settings_classes().values():
        assert isinstance(config.get(kind), kind)


def test_a_full_disk_and_a_forbidden_folder_are_reported_in_one_line(
    rft, problems, samples, monkeypatch
):
    from rft_jax.rft import collect as room

    def fail(error: Exception):
        def collect(*_arguments: object) -> None:
            raise error

        monkeypatch.setattr(room, "collect", collect)
        return rft(*_collect(problems, samples, "out"))

    code, lines = fail(OSError(errno.ENOSPC, "No space left on device"))
    assert (code, len(lines)) == (1, 1)
    assert lines == ["rft: the disk is full; free some space and run the same command again"]
    written_by_a_library = ValueError(
        "RESOURCE_EXHAUSTED: x: No space left on device (os error 28)"
    )
    assert fail(written_by_a_library) == (1, lines)
    code, lines = fail(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert "the disk quota is used up" in lines[0]
    code, lines = fail(PermissionError(errno.EACCES, "Permission denied", "/root/x"))
    assert (code, lines) == (2, ["rft: /root/x: Permission denied; name another path"])
    code, lines = fail(OSError(errno.EROFS, "Read-only file system", "/mnt/x"))
    assert (code, lines) == (2, ["rft: /mnt/x: Read-only file system; name another path"])
    code, lines = fail(OSError(errno.EISDIR, "Is a directory", "/x/.a.tmp", None, "/x/a"))
    assert lines == ["rft: /x/a: Is a directory; name another path"]


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
    code, lines = rft(*_collect(problems, samples, tmp_path / output))
    assert (code, len(lines)) == (2, 1)
    assert says in lines[0]
    assert lines[0].endswith("name another path")


@pytest.mark.parametrize("name", ["runs/sft.gin", "runs/rft.gin"])
def test_the_papers_settings_work_for_a_single_training(name, capsys):
    words = ["train", "--model", "m", "--data", "d", "--output", "o", "--dry_run"]
    assert cli.main([*words, "--gin_file", name]) == 0
    text = capsys.readouterr().out
    assert "train.learning_rate = 2e-05\n" in text
    assert "train.warmup_ratio = 0.03\n" in text


def test_a_dry_run_prints_settings_that_can_be_loaded_and_does_nothing(capsys, tmp_path):
    words = ["collect", "--problems", "p", "--samples", "s", "--output", str(tmp_path / "out")]
    assert cli.main([*words, "--gin.collect.dedup=none", "--dry_run"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "printed.gin").write_text(text)
    again = cli.COMMANDS["collect"].settings_classes()
    kind = again["collect"]
    assert load_config(again, [str(tmp_path / "printed.gin")]).get(kind) == kind(dedup="none")
    assert not (tmp_path / "out").exists()


def test_fresh_weights_take_their_shape_from_a_config_by_name_and_flags(capsys):
    words = ["train", "--model", "init:wordproblems", "--data", "d", "--output", "o", "--dry_run"]
    assert cli.main([*words, "--gin.llama.num_layers=9"]) == 0
    text = capsys.readouterr().out
    assert "llama.num_layers = 9\n" in text
    assert "llama.hidden_size = 128\n" in text


def test_the_resolved_settings_are_saved_beside_the_output(rft, problems, samples, tmp_path):
    out = tmp_path / "out"
    words = ["collect", "--problems", problems, "--samples", samples, "--output", out]
    assert rft(*words, "--gin.collect.workers=1")[0] == 0
    assert "collect.workers = 1\n" in (out / "config.gin").read_text()


def test_unknown_flags_and_commands_are_refused_in_one_line(rft):
    code, lines = rft("collect", "--problem", "p", "--samples", "s", "--output", "o")
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith("rft: ")
    code, lines = rft("colect")
    assert (code, len(lines)) == (2, 1)
    assert "colect" in lines[0]


def test_an_unknown_binding_is_refused_before_any_work(rft, tmp_path):
    out = tmp_path / "out"
    words = ["collect", "--problems", "p", "--samples", "s", "--output", out]
    code, lines = rft(*words, "--gin.collect.dedupe=none")
    assert (code, len(lines)) == (2, 1)
    start = "rft: --gin.collect.dedupe=none: collect has no 'dedupe'; closest: collect.dedup"
    assert lines[0].startswith(start)
    code, lines = rft(*words, "--gin.train.num_epochs=3")
    assert code == 2
    assert "no settings 'train' here" in lines[0]
    assert not out.exists()


def test_the_shape_of_an_existing_model_cannot_be_bound(rft):
    words = ["train", "--model", "some/folder", "--data", "d", "--output", "o"]
    code, lines = rft(*words, "--gin.llama.num_layers=2")
    assert code == 2
    assert "no settings 'llama' here" in lines[0]


def _collect(problems: Path, samples: Path, out: Path | str) -> list[object]:
    return ["collect", "--problems", problems, "--samples", samples, "--output", out]


def test_a_missing_file_is_named(rft, samples, tmp_path):
    code, lines = rft(*_collect(tmp_path / "nowhere.jsonl", samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert "nowhere.jsonl: no such file" in lines[0]


def test_a_row_that_is_not_json_is_named_by_file_and_line(rft, problems, samples, tmp_path):
    problems.write_text(problems.read_text() + "{'id': 4}\n")
    code, lines = rft(*_collect(problems, samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert f"{problems}:4: not JSON" in lines[0]
    assert "fix or remove the line" in lines[0]


def test_a_problem_without_an_answer_is_named_by_file_and_line(rft, problems, samples, tmp_path):
    problems.write_text(problems.read_text() + '{"id": "4", "question": "?"}\n')
    code, lines = rft(*_collect(problems, samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert f"{problems}:4: no 'answer' or 'response'; add the field" in lines[0]


def test_a_reference_without_its_number_is_named(rft, problems, samples, tmp_path):
    problems.write_text('{"id": "1", "question": "?", "answer": "One.\\nTwo."}\n')
    code, lines = rft(*_collect(problems, samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert "'1'" in lines[0]
    assert "####" in lines[0]


def test_a_folder_made_with_other_settings_is_refused_and_unchanged(
    rft, problems, samples, tmp_path
):
    words = _collect(problems, samples, tmp_path / "out")
    assert rft(*words)[0] == 0
    before = _content(tmp_path / "out")
    code, lines = rft(*words, "--gin.collect.dedup=none")
    assert (code, len(lines)) == (2, 1)
    assert "made with dedup = 'equations', now it is 'none'" in lines[0]
    assert _content(tmp_path / "out") == before


def test_a_folder_in_use_is_refused_and_unchanged(rft, problems, samples, tmp_path):
    words = _collect(problems, samples, tmp_path / "out")
    assert rft(*words)[0] == 0
    before = _content(tmp_path / "out")
    with open(tmp_path / "out" / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, lines = rft(*words)
    assert (code, len(lines)) == (2, 1)
    assert "in use by another process" in lines[0]
    assert _content(tmp_path / "out") == before


def _train(model: Path, data: Path, out: Path) -> list[object]:
    return ["train", "--model", model, "--data", data, "--output", out, *_TINY]


_TINY = ["--gin.train.num_steps=1", "--gin.train.batch_size=8", "--gin.train.max_length=32"]


def test_a_model_folder_without_a_tokenizer_is_refused(rft, tiny_model, problems, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model, ignore=shutil.ignore_patterns("tokenizer*"))
    code, lines = rft(*_train(model, problems, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert str(model) in lines[0]
    assert "tokenizer" in lines[0]


def test_weights_of_another_shape_than_the_config_are_refused(rft, tiny_model, problems, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    code, lines = rft(*_train(model, problems, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert str(model) in lines[0]
    assert "48" in lines[0]
    assert "32" in lines[0]


def test_sigterm_is_exit_code_75_and_a_bug_is_1(rft, problems, samples, tmp_path, monkeypatch):
    from rft_jax.rft import collect as room

    def stopped(*_arguments: object) -> None:
        raise Preempted("stopped with 3 of 4 done")

    monkeypatch.setattr(room, "collect", stopped)
    code, lines = rft(*_collect(problems, samples, tmp_path / "out"))
    assert code == 75
    assert lines[-1] == "rft: stopped with 3 of 4 done; run the same command again to resume"

    def broken(*_arguments: object) -> None:
        raise RuntimeError("not meant to be")

    monkeypatch.setattr(room, "collect", broken)
    code, lines = rft(*_collect(problems, samples, tmp_path / "out"))
    assert code == 1
    assert lines[-1] == "rft: RuntimeError: not meant to be"


def test_a_missing_optional_package_is_reported_with_the_command_that_installs_it(
    rft, problems, samples, tmp_path, monkeypatch
):
    from rft_jax.rft import collect as room

    def without(*_arguments: object) -> None:
        raise ModuleNotFoundError("No module named 'seqio'", name="seqio")

    monkeypatch.setattr(room, "collect", without)
    code, lines = rft(*_collect(problems, samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert "pip install '.[data]'" in lines[0]


def test_the_installed_program_exits_with_the_code_and_one_line():
    words = ["collect", "--problems", "nowhere", "--samples", "s", "--output", "o"]
    done = subprocess.run(
        [sys.executable, "-m", "rft_jax.cli", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("rft: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_command_with_75(tmp_path, number):
    ready = tmp_path / "ready"
    code = (
        "import sys, time, pathlib\n"
        "from rft_jax import cli\n"
        "from rft_jax.rft import collect\n"
        "def work(*_):\n"
        f"    pathlib.Path({str(ready)!r}).touch()\n"
        "    time.sleep(60)\n"
        "collect.collect = work\n"
        "words = ['collect', '--problems', 'p', '--samples', 's', '--output', 'o']\n"
        "sys.exit(cli.main(words))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, said = process.communicate()
    assert process.returncode == 75
    assert said == "rft: stopped by SIGTERM; run the same command again to resume\n"
