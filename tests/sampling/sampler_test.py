"""`sample`: files, resuming, over-long prompts; `Sampler` in three lines."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import pytest

import rft_jax.wordproblems
from rft_jax.checkpoints.huggingface import export_model
from rft_jax.checkpoints.load import load_model
from rft_jax.errors import Preempted, UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import init_params
from rft_jax.prompts import TEMPLATES
from rft_jax.records import Sample, read_samples
from rft_jax.sampling import parts
from rft_jax.sampling.sampler import Sampler, sample
from rft_jax.sampling.settings import SampleSettings
from rft_jax.tokenizers import load_tokenizer

SETTINGS = SampleSettings(
    num_samples=3, temperature=1.0, max_new_tokens=12, slots=8, group=2, chunk=8
)
SHARD = "samples-00000-of-00001.jsonl"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random `model` and 30 `problems.jsonl`."""
    folder = tmp_path_factory.mktemp("sampler")
    tokenizer = load_tokenizer(Path(rft_jax.wordproblems.__file__).parent / "tokenizer")
    config = LlamaConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        intermediate_size=24,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        max_position_embeddings=128,
    )
    params = init_params(config, jax.random.key(0))
    export_model(folder / "model", config, params, tokenizer, TEMPLATES["plain"], "float32")
    rows = [
        {"id": f"p{i}", "question": f"Amy has {i} apples.", "answer": "#### 1"} for i in range(30)
    ]
    write_rows(folder / "problems.jsonl", rows)
    return folder


def _sample(files: Path, output: Path, **changes: Any) -> Path:
    settings = SampleSettings(**{**vars(SETTINGS), **changes})
    sample(str(files / "model"), str(files / "problems.jsonl"), str(output), None, settings)
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


def test_throughput_is_in_timing_json_and_parts_are_gone(finished: Path) -> None:
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


def test_other_settings_are_refused_and_nothing_is_touched(files: Path, finished: Path) -> None:
    before = (finished / SHARD).read_bytes()
    with pytest.raises(UserError, match=r"temperature = 1\.0, now it is 0\.5"):
        _sample(files, finished, temperature=0.5)
    assert (finished / SHARD).read_bytes() == before


def test_sigterm_saves_what_was_drawn_and_the_next_run_draws_the_rest(
    files: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rft_jax.progress import Progress

    def update(_self: Progress, done: int, **_figures: float) -> None:
        if done >= 30:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "update", update)
        with pytest.raises(Preempted, match="samples drawn"):
            _sample(files, tmp_path / "out")
    saved = sum(len(p.read_text().splitlines()) for p in (tmp_path / "out/parts").rglob("part-*"))
    assert 30 <= saved < 90
    _sample(files, tmp_path / "out")
    assert (tmp_path / "out" / SHARD).read_bytes() == (finished / SHARD).read_bytes()
    assert json.loads((tmp_path / "out/timing.json").read_text())["samples"] == 90 - saved


_CHILD = """
import json, sys
from rft_jax.sampling import parts
from rft_jax.sampling.sampler import sample
from rft_jax.sampling.settings import SampleSettings
parts.SECONDS_PER_PART = 0
sample(sys.argv[1], sys.argv[2], sys.argv[3], None, SampleSettings(**json.loads(sys.argv[4])))
"""


def test_killed_at_any_moment_and_run_again_gives_the_same_file(
    files: Path, finished: Path, tmp_path: Path
) -> None:
    """`kill -9` after a number of parts, twice; then once to the end."""
    output = tmp_path / "out"
    arguments = [str(files / "model"), str(files / "problems.jsonl"), str(output)]
    command = [sys.executable, "-c", _CHILD, *arguments, json.dumps(vars(SETTINGS))]
    for parts_before_death in (2, 9):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(list(output.glob("parts/00000-of-00001/first/part-*"))) < parts_before_death:
            assert child.poll() is None, "finished before it was killed"
            time.sleep(0.002)
        child.kill()
        child.wait()
    assert not (output / "COMPLETE").exists()
    _sample(files, output)
    assert (output / SHARD).read_bytes() == (finished / SHARD).read_bytes()
    assert json.loads((output / "timing.json").read_text())["samples"] < 90


def test_a_part_cut_short_by_a_crash_cannot_exist_under_its_name(tmp_path: Path) -> None:
    """What a killed writer leaves aside is not read."""
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / ".part-000000.jsonl.17.tmp").write_text('{"id": "p0", "sam')
    assert parts.Parts(folder).done == set()


def test_parts_are_merged_in_problem_and_sample_order(tmp_path: Path) -> None:
    first = parts.Parts(tmp_path / "parts")
    first.add([{"id": "c", "sample": 1}, {"id": "c", "sample": 0}])
    first.flush()
    second = parts.Parts(tmp_path / "parts")
    assert second.done == {"c"}
    second.add([{"id": "a", "sample": 0}])
    second.add([{"id": "d", "sample": 0}])
    second.flush()
    rest = parts.Parts(tmp_path / "rest")
    rest.add([{"id": "c", "sample": 3}, {"id": "c", "sample": 2}])
    rest.flush()
    parts.merge([second, rest], tmp_path / "merged.jsonl", ["d", "never drawn", "c", "a"])
    rows = [json.loads(line) for line in (tmp_path / "merged.jsonl").read_text().splitlines()]
    assert rows == [
        {"id": "d", "sample": 0},
        {"id": "c", "sample": 0},
        {"id": "c", "sample": 1},
        {"id": "c", "sample": 2},
        {"id": "c", "sample": 3},
        {"id": "a", "sample": 0},
    ]


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


def test_what_all_prompts_begin_with_is_held_once_when_asked_for(
    files: Path, tmp_path: Path
) -> None:
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


def test_a_sampler_draws_in_three_lines(files: Path) -> None:
    model = load_model(files / "model")
    sampler = Sampler(model, model.tokenizer, SETTINGS)
    drawn = sampler.sample(["Amy has 3 apples.\n", "How many?\n", "Amy has 3 apples.\n"], k=2)
    assert [len(samples) for samples in drawn] == [2, 2, 2]
    assert drawn[0] == drawn[2]  # by text and seed alone
    assert drawn[0][0].tokens != drawn[0][1].tokens
    other = sampler.sample(["How many?\n"], k=2, seed=1)
    assert other[0][0].tokens != drawn[1][0].tokens
    assert sampler.sample(["How many?\n"], k=2)[0] == drawn[1]


def test_a_model_whose_logits_are_no_numbers_is_refused(files: Path) -> None:
    model = load_model(files / "model")
    broken = replace(model, params=jax.tree.map(lambda x: x * math.nan, model.params))
    sampler = Sampler(broken, model.tokenizer, SETTINGS)
    with pytest.raises(UserError, match="sample 0: the model's logits are no numbers"):
        sampler.sample(["How many?\n"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"temperature": 1e-10}, r"sample\.temperature = 1e-10: 0 \(greedy\), or at least 0\.0001"),
        ({"temperature": math.inf}, r"sample\.temperature = inf"),
        ({"top_p": 0.0}, r"sample\.top_p = 0\.0: above 0"),
        ({"stop": ("",)}, r"sample\.stop holds an empty string"),
    ],
)
def test_settings_that_draw_nothing_sensible_are_refused(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        SampleSettings(**changes)
