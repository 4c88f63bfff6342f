"""`--shard I/N`: processes that share nothing but a disk fill one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.cli import main
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json, write_rows
from rft_jax.files.mirror import SCRATCH
from rft_jax.records import Problem, Sample, read_samples
from rft_jax.rft.samples import find_shards
from rft_jax.sampling import run, sample
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shard import Shard
from tests.sampling.tiny import SETTINGS


def _sample(files: Path, output: Path, shard: Shard, **changes: Any) -> None:
    settings = SampleSettings(**{**vars(SETTINGS), **changes})
    model, problems = str(files / "model"), str(files / "problems.jsonl")
    sample(model, problems, str(output), "m", settings, shard=shard)


def _samples(folder: Path) -> list[Sample]:
    paths = sorted(folder.glob("samples-*.jsonl"))
    return [one for path in paths for _, one in read_samples(path)]


@pytest.fixture(scope="module")
def halves(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that two shards filled, the second one first."""
    output = tmp_path_factory.mktemp("shards") / "out"
    for index in (1, 0):
        assert not list(output.glob("samples-*"))
        with pytest.raises(UserError):
            find_shards([str(output)])
        _sample(files, output, Shard(index, 2))
    return output


def test_shards_sample_what_one_run_samples(files: Path, halves: Path, tmp_path: Path) -> None:
    _sample(files, tmp_path / "whole", Shard())
    whole = {(one.id, one.sample): one for one in _samples(tmp_path / "whole")}
    assert {(one.id, one.sample): one for one in _samples(halves)} == whole
    assert len(whole) == 90


@pytest.mark.parametrize(
    ("budget", "is_refused"), [("uniform", False), ("proportional", True), ("difficulty", True)]
)
def test_shards_sample_what_one_run_samples_with_a_budget_or_are_refused(
    files: Path, tmp_path: Path, budget: str, is_refused: bool, capsys: pytest.CaptureFixture
) -> None:
    problems = tmp_path / "problems.jsonl"
    write_rows(problems, [{"id": f"p{i}", "question": "Q", "answer": "1"} for i in range(4)])
    words = ["sample", "--model", str(files / "model"), "--problems", str(problems)]
    words += [f"--gin.sample.budget={budget}", "--gin.sample.num_samples=4"]
    words += ["--gin.sample.round_size=2", "--gin.sample.max_new_tokens=4"]
    words += ["--gin.sample.average=3"] if is_refused else []
    shards = [[*words, "--output", str(tmp_path / "out"), "--shard", f"{i}/2"] for i in (0, 1)]
    if is_refused:
        assert main(shards[0]) == 2
        assert f"--shard 0/2: sample.budget = '{budget}' divides" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
        return
    assert [main(each) for each in (*shards, [*words, "--output", str(tmp_path / "one")])] == [
        0
    ] * 3
    found = [
        {(one.id, one.sample): one for one in _samples(tmp_path / of)} for of in ("out", "one")
    ]
    assert found[0] == found[1]


def test_every_shard_has_its_own_file_of_every_nth_problem(halves: Path) -> None:
    names = [f"samples-0000{index}-of-00002.jsonl" for index in (0, 1)]
    assert [Path(shard.path).name for shard in find_shards([str(halves)])] == names
    for index, name in enumerate(names):
        ids = {one.id for _, one in read_samples(halves / name)}
        assert ids == {f"p{i}" for i in range(index, 30, 2)}


def test_a_folder_that_is_moved_keeps_its_samples(halves: Path, tmp_path: Path) -> None:
    halves.rename(tmp_path / "moved")
    assert len(_samples(tmp_path / "moved")) == 90
    (tmp_path / "moved").rename(halves)


def test_a_finished_shard_run_again_changes_nothing(
    files: Path, halves: Path, capsys: pytest.CaptureFixture
) -> None:
    before = {path: path.stat().st_mtime_ns for path in halves.rglob("samples-*")}
    _sample(files, halves, Shard(0, 2))
    assert "00000-of-00002 is finished already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in halves.rglob("samples-*")} == before


def test_the_folder_says_what_it_was_made_with(halves: Path) -> None:
    made_with = read_json(halves / "settings.json")
    assert (made_with["shards"], made_with["temperature"]) == (2, 1.0)
    assert made_with == read_json(halves / "shards" / "00001-of-00002" / "settings.json")


@pytest.mark.parametrize(
    ("shard", "changes", "says"),
    [
        (Shard(0, 3), {}, "was made with shards = 2, now it is 3"),
        (Shard(0, 1), {}, "was made with shards = 2, now it is None"),
        (Shard(0, 2), {"seed": 5}, "was made with seed = 0, now it is 5"),
    ],
)
def test_a_folder_of_other_shards_or_settings_is_refused_and_not_touched(
    files: Path, halves: Path, shard: Shard, changes: dict[str, Any], says: str
) -> None:
    before = sorted(halves.rglob("[!.]*"))
    with pytest.raises(UserError, match=says):
        _sample(files, halves, shard, **changes)
    assert sorted(halves.rglob("[!.]*")) == before


def test_other_settings_are_refused_while_shards_are_unfinished_too(
    files: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    _sample(files, output, Shard(2, 3))
    with pytest.raises(UserError, match=r"shards/00002-of-00003: was made with top_k = 0, now"):
        _sample(files, output, Shard(0, 3), top_k=4)
    with pytest.raises(UserError, match="contains 'shards' but no settings"):
        _sample(files, output, Shard())
    (output / "notes.txt").touch()
    with pytest.raises(UserError, match=r"contains 'notes\.txt' but no settings.json"):
        _sample(files, output, Shard(0, 3))


def test_a_mistake_before_any_work_leaves_the_folder_to_other_settings(
    files: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="leaves no room for a prompt"):
        _sample(files, tmp_path / "out", Shard(0, 2), max_new_tokens=128)
    _sample(files, tmp_path / "out", Shard(0, 2))


def test_the_limit_counts_problems_of_all_shards(files: Path, tmp_path: Path) -> None:
    for index in (0, 1):
        _sample(files, tmp_path / "out", Shard(index, 2), limit=5, num_samples=1)
    assert [one.id for one in _samples(tmp_path / "out")] == ["p0", "p2", "p4", "p1", "p3"]


def test_more_shards_than_problems_are_refused() -> None:
    problems = [Problem(f"p{i}", "?", "1") for i in range(7)]
    selected = [Shard(index, 3).select(problems) for index in range(3)]
    assert [[one.id for one in shard] for shard in selected] == [
        ["p0", "p3", "p6"],
        ["p1", "p4"],
        ["p2", "p5"],
    ]
    with pytest.raises(UserError, match="--shard 0/8: only 7 problems"):
        Shard(0, 8).select(problems)


@pytest.mark.parametrize("text", ["2", "2/2", "-1/2", "0/0", "a/b", "1/2/3", ""])
def test_a_shard_is_one_of_n(text: str) -> None:
    with pytest.raises(UserError, match=f"--shard {text}: I/N is needed"):
        Shard.parse(text)
    assert Shard.parse("1/2") == Shard(1, 2)


def test_shards_that_slurm_starts_together_stay_apart(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def join() -> None:
        raise AssertionError("joined the other processes")

    monkeypatch.setattr(run, "initialize", join)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    _sample(files, tmp_path / "out", Shard(0, 2), limit=4)
    with pytest.raises(AssertionError):
        _sample(files, tmp_path / "out", Shard())


def test_shards_fill_a_folder_at_a_url(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SCRATCH, str(tmp_path / "scratch"))
    problems = tmp_path / "problems.jsonl"
    write_rows(problems, [{"id": f"p{i}", "question": "Q", "answer": "1"} for i in range(4)])
    words = ["sample", "--model", str(files / "model"), "--problems", str(problems)]
    words += ["--output", f"file://{tmp_path}/there", "--gin.sample.max_new_tokens=4"]
    words += ["--gin.sample.num_samples=1", "--gin.sample.max_prompt_length=16"]
    for index in (0, 1):
        assert not (tmp_path / "there" / "COMPLETE").exists()
        assert main([*words, "--shard", f"{index}/2"]) == 0
    assert (tmp_path / "there" / "COMPLETE").exists()
    assert [one.id for one in _samples(tmp_path / "there")] == ["p0", "p2", "p1", "p3"]
