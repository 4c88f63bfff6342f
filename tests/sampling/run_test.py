"""`sample`: its files, resuming after interruptions, over-long prompts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.checkpoints.load import LoadedModel, load_model
from rft_jax.errors import Preempted, UserError
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.progress import Progress
from rft_jax.records import Problem, Sample, read_samples
from rft_jax.sampling import sample
from rft_jax.sampling.budget import MakeBudget
from rft_jax.sampling.forcing import Forcing
from rft_jax.sampling.settings import SampleSettings
from rft_jax.tokenizers import load_tokenizer
from tests.sampling.tiny import SETTINGS
from tests.tiny_model import logits_of

SHARD = "samples-00000-of-00001.jsonl"


# Behind every token that ends in `e`, a word that depends on the response so far.
FORCING = Forcing("e", lambda text: f" {len(text) % 7}")


def _sample(
    files: Path,
    output: Path,
    budget: MakeBudget | None = None,
    forcing: Forcing | None = None,
    **changes: Any,
) -> Path:
    settings = SampleSettings(**{**vars(SETTINGS), **changes})
    model, problems = str(files / "model"), str(files / "problems.jsonl")
    sample(model, problems, str(output), None, settings, make_budget=budget, forcing=forcing)
    return output


@pytest.fixture(scope="module")
def finished(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an uninterrupted run."""
    return _sample(files, tmp_path_factory.mktemp("finished") / "out")


def _samples(folder: Path) -> list[Sample]:
    return [found for _, found in read_samples(folder / SHARD)]


def test_rows_are_sorted_by_problem_and_sample_and_tell_what_they_are(finished: Path) -> None:
    found = _samples(finished)
    assert [(s.id, s.sample) for s in found] == [(f"p{i}", j) for i in range(30) for j in range(3)]
    assert {s.model for s in found} == {"model"}
    assert {s.seed for s in found} == {0}


def test_what_a_prompt_with_the_cue_asks_for_is_a_program(
    files: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {s.form for s in _samples(finished)} == {"text"}
    found = _samples(_sample(files, tmp_path / "out", template="+program", limit=2))
    assert [s.form for s in found] == ["program"] * 6
    shown = capsys.readouterr().out.partition(
        "sample: the first prompt, by template 'plain+program'"
    )
    assert "Let's write a program." in shown[2]


def test_tokens_hold_the_end_token_when_stopped_and_the_response_does_not(
    files: Path, finished: Path
) -> None:
    tokenizer = load_tokenizer(files / "model")
    found = _samples(finished)
    for one in found:
        assert one.tokens is not None
        assert (one.finish_reason == "stop") == (one.tokens[-1] == tokenizer.eos_id)
        assert one.finish_reason == "stop" or len(one.tokens) == 12
        assert one.response == tokenizer.decode([t for t in one.tokens if t != tokenizer.eos_id])
        assert one.logprob is not None
        assert -15 * len(one.tokens) < one.logprob < 0
    assert {one.finish_reason for one in found} == {"stop", "length"}


def test_run_json_has_settings_versions_and_geometry(finished: Path) -> None:
    run = json.loads((finished / "run.json").read_text())
    assert run["settings"]["temperature"] == 1.0
    assert run["geometry"]["slots"] == 8
    assert run["versions"]["jax"] == jax.__version__
    assert run["over_long"] == {"skipped": [], "cut": []}


def test_throughput_is_in_timing_json_and_segments_are_removed(finished: Path) -> None:
    timing = json.loads((finished / "timing.json").read_text())
    assert timing["samples"] == 90
    assert timing["tokens_per_second"] > 0
    assert 0 < timing["slot_utilisation"] <= 1
    assert sorted(p.name for p in finished.iterdir() if not p.name.startswith(".")) == [
        "COMPLETE",
        "run.json",
        SHARD,
        "settings.json",
        "timing.json",
    ]


def test_a_finished_folder_is_left_alone(files: Path, finished: Path) -> None:
    before = (finished / SHARD).stat().st_mtime_ns
    _sample(files, finished)
    assert (finished / SHARD).stat().st_mtime_ns == before


def test_segments_left_by_a_kill_after_the_end_are_removed(files: Path, finished: Path) -> None:
    write_rows(finished / "segments" / "00000-of-00001" / "segment-000000.jsonl", [{"id": "p0"}])
    _sample(files, finished)
    assert not (finished / "segments").exists()


def test_other_settings_are_refused_and_nothing_is_touched(files: Path, finished: Path) -> None:
    before = (finished / SHARD).read_bytes()
    with pytest.raises(UserError, match=r"temperature = 1\.0, now it is 0\.5"):
        _sample(files, finished, temperature=0.5)
    assert (finished / SHARD).read_bytes() == before


def _stop_at(samples: int, patch: pytest.MonkeyPatch) -> None:
    """Sends SIGTERM to this process once so many samples (or problems) are finished."""

    def update(_self: Progress, done: int, **_metrics: float) -> None:
        if done >= samples:
            os.kill(os.getpid(), signal.SIGTERM)

    patch.setattr(Progress, "update", update)


def _saved(output: Path) -> int:
    """How many samples an interrupted run has saved."""
    return sum(1 for path in output.rglob("segment-*") for _ in read_rows(path))


def test_sigterm_saves_what_was_sampled_and_the_next_run_samples_the_rest(
    files: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _stop_at(30, patch)
        with pytest.raises(Preempted, match=r"stopped after 3\d samples"):
            _sample(files, tmp_path / "out")
    saved = _saved(tmp_path / "out")
    assert 30 <= saved < 90
    _sample(files, tmp_path / "out")
    assert (tmp_path / "out" / SHARD).read_bytes() == (finished / SHARD).read_bytes()
    assert json.loads((tmp_path / "out/timing.json").read_text())["samples"] == 90 - saved


def test_samples_that_a_damaged_segment_lost_are_sampled_again(
    files: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _stop_at(30, patch)
        with pytest.raises(Preempted):
            _sample(files, tmp_path / "out")
    segment = min((tmp_path / "out").rglob("segment-*"))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[1:-2]))  # of the first problem sample 0, of the last two
    _sample(files, tmp_path / "out")
    assert (tmp_path / "out" / SHARD).read_bytes() == (finished / SHARD).read_bytes()


def test_an_unfinished_folder_of_version_0_1_0_is_resumed(
    files: Path, finished: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    rows = [row for _, row in read_rows(finished / SHARD)]
    write_rows(output / "parts/00000-of-00001/first/part-000000.jsonl", rows[:45])
    for name in ("settings.json", "run.json"):
        (output / name).write_bytes((finished / name).read_bytes())
    _sample(files, output)
    assert (output / SHARD).read_bytes() == (finished / SHARD).read_bytes()
    assert json.loads((output / "timing.json").read_text())["samples"] == 45
    assert not (output / "parts").exists()


_CHILD = """
import json, sys
from rft_jax.sampling import sample, segments
from rft_jax.sampling.forcing import Forcing
from rft_jax.sampling.settings import SampleSettings
segments.SECONDS_PER_SEGMENT = 0
forcing = Forcing("e", lambda text: f" {len(text) % 7}") if sys.argv[5] == "forced" else None
settings = SampleSettings(**json.loads(sys.argv[4]))
sample(sys.argv[1], sys.argv[2], sys.argv[3], None, settings, forcing=forcing)
"""


def _killed_and_run_again(files: Path, output: Path, forcing: Forcing | None) -> None:
    """`kill -9` after a number of segments, twice; then once to the end."""
    arguments = [str(files / "model"), str(files / "problems.jsonl"), str(output)]
    arguments += [json.dumps(vars(SETTINGS)), "forced" if forcing else ""]
    command = [sys.executable, "-c", _CHILD, *arguments]
    for segments_before_death in (2, 9):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(list(output.glob("segments/*/segment-*"))) < segments_before_death:
            assert child.poll() is None, "finished before it was killed"
            time.sleep(0.002)
        child.kill()
        child.wait()
    assert not (output / "COMPLETE").exists()
    _sample(files, output, forcing=forcing)
    assert json.loads((output / "timing.json").read_text())["samples"] < 90


def test_killed_at_any_moment_and_run_again_gives_the_same_file(
    files: Path, finished: Path, tmp_path: Path
) -> None:
    _killed_and_run_again(files, tmp_path / "out", None)
    assert (tmp_path / "out" / SHARD).read_bytes() == (finished / SHARD).read_bytes()


@pytest.fixture(scope="module")
def forced(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an uninterrupted run with forced tokens."""
    return _sample(files, tmp_path_factory.mktemp("forced") / "out", forcing=FORCING)


@pytest.mark.slow
def test_samples_with_forced_tokens_are_the_same_after_a_kill(
    files: Path, finished: Path, forced: Path, tmp_path: Path
) -> None:
    assert _samples(forced) != _samples(finished)
    _killed_and_run_again(files, tmp_path / "out", FORCING)
    assert (tmp_path / "out" / SHARD).read_bytes() == (forced / SHARD).read_bytes()


def test_the_logprob_of_a_sample_leaves_out_forced_tokens(files: Path, forced: Path) -> None:
    """By the full forward pass."""
    model = load_model(files / "model", dtype="float32")
    decode, encode = model.tokenizer.decode, model.tokenizer.encode
    samples, left_out = _samples(forced)[:9], 0
    for one, logprobs in zip(samples, _logprobs(model, samples), strict=True):
        tokens, queue, expected = list(one.tokens or ()), 0, 0.0
        for position, logprob in enumerate(logprobs):
            if queue:
                queue, left_out = queue - 1, left_out + 1
                continue
            expected += logprob
            if decode([tokens[position]]).endswith("e"):
                queue = len(encode(FORCING.text_for(decode(tokens[: position + 1]))))
        assert one.logprob == pytest.approx(expected, abs=1e-3)
    assert left_out > 9


def _logprobs(model: LoadedModel, samples: Sequence[Sample]) -> list[list[float]]:
    """Of each sample's tokens, after the questions of the fixture `files`."""
    prompts = [f"Amy has {one.id[1:]} apples." for one in samples]
    fronts = [model.tokenizer.encode(model.template.render(prompt)) for prompt in prompts]
    rows = [[*front, *(one.tokens or ())] for front, one in zip(fronts, samples, strict=True)]
    padded = jnp.asarray([row + [0] * (32 - len(row)) for row in rows])
    logprobs = np.asarray(jax.nn.log_softmax(logits_of(model.config, model.params, padded)))
    return [
        [float(logprobs[i, place - 1, row[place]]) for place in range(len(front), len(row))]
        for i, (front, row) in enumerate(zip(fronts, rows, strict=True))
    ]


class _ByIndex:
    """A budget: rounds of 2 samples until problem i has i % 6; at least the first round."""

    first_round = 2

    def __init__(self, problems: Sequence[Problem], own: Sequence[int], _sum: object) -> None:
        assert [one.id for one in problems] == [f"p{i}" for i in range(30)]
        assert list(own) == list(range(30))
        self._samples: dict[int, list[int]] = {index: [] for index in own}
        self._undecided: list[int] = []

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        assert {one.id for one in samples} == {f"p{index}"}
        self._samples[index] += [one.sample for one in samples]
        assert self._samples[index] == list(range(len(self._samples[index])))
        self._undecided.append(index)

    def decide(self, wait: bool) -> dict[int, int]:
        if not wait:
            return {}
        undecided, self._undecided = self._undecided, []
        counts = {index: len(self._samples[index]) for index in undecided}
        return {i: i % 6 if i % 6 <= count else count + 2 for i, count in counts.items()}

    def close(self) -> None:
        pass


@pytest.mark.each_change
def test_a_budget_decides_how_many_samples_are_made_and_how_many_are_kept(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = _sample(files, tmp_path / "out", _ByIndex, num_samples=6)
    assert "sample: 30/30 problems" in capsys.readouterr().out.splitlines()[-1]
    whole = _samples(_sample(files, tmp_path / "whole", num_samples=6))
    expected = [one for one in whole if one.sample < int(one.id[1:]) % 6]
    assert _samples(output) == expected


def test_a_budget_is_given_the_saved_samples_when_a_run_is_resumed(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _stop_at(10, patch)
        with pytest.raises(Preempted):
            _sample(files, tmp_path / "out", _ByIndex, num_samples=6)
    saved = _saved(tmp_path / "out")
    assert saved >= 60
    _sample(files, tmp_path / "out", _ByIndex, num_samples=6)
    whole = _sample(files, tmp_path / "whole", _ByIndex, num_samples=6)
    assert (tmp_path / "out" / SHARD).read_bytes() == (whole / SHARD).read_bytes()
    timing = json.loads((tmp_path / "out/timing.json").read_text())
    assert timing["samples"] == json.loads((whole / "timing.json").read_text())["samples"] - saved


def test_a_prompt_over_the_limit_is_reported_and_skipped(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    problems = tmp_path / "problems.jsonl"
    rows = [{"id": i, "question": "Amy " * n, "answer": "1"} for i, n in (("s", 3), ("l", 99))]
    write_rows(problems, rows)
    for policy, listed in (("skip", "skipped"), ("cut", "cut")):
        output = tmp_path / policy
        settings = SampleSettings(
            **{**vars(SETTINGS), "max_prompt_length": 50, "over_long": policy}
        )
        sample(str(files / "model"), str(problems), str(output), "m", settings)
        assert (
            f"1 of 2 prompts are longer than 50 tokens and were {listed}" in capsys.readouterr().out
        )
        assert json.loads((output / "run.json").read_text())["over_long"][listed] == ["l"]
        expected = {"s"} if policy == "skip" else {"s", "l"}
        assert {one.id for one in _samples(output)} == expected


@pytest.mark.each_change
def test_a_common_prefix_is_held_once_when_set(files: Path, tmp_path: Path) -> None:
    shots = "".join(f"Amy has {i} apples. How many?\n#### {i}\n\n" for i in range(2))
    rows = [
        {"id": f"p{i}", "question": f"{shots}Amy has {i} apples.", "answer": "#### 1"}
        for i in range(30)
    ]
    write_rows(tmp_path / "problems.jsonl", rows)
    outputs = []
    for common in (False, True):
        settings = SampleSettings(**{**vars(SETTINGS), "common_prefix": common})
        outputs.append(tmp_path / f"out{common}")
        problems = str(tmp_path / "problems.jsonl")
        sample(str(files / "model"), problems, str(outputs[-1]), None, settings)
    apart, once = (json.loads((folder / "run.json").read_text())["geometry"] for folder in outputs)
    start = load_tokenizer(files / "model").encode(f"{shots}Amy has ")
    assert apart["common"] == 0 and once["common"] >= len(start)
    assert once["common"] + once["buckets"][-1] == apart["buckets"][-1]
    pairs = list(zip(*map(_samples, outputs), strict=True))
    same = sum(left.tokens == right.tokens for left, right in pairs)
    assert len(pairs) == 90 and same >= 0.99 * 90


def test_no_prompt_short_enough_is_an_error(files: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"every prompt is longer than 2 tokens; raise"):
        _sample(files, tmp_path / "out", max_prompt_length=2)


def test_a_response_longer_than_the_model_is_an_error(files: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"max_new_tokens = 128 leaves no room .*_embeddings of 1"):
        _sample(files, tmp_path / "out", max_new_tokens=128)
