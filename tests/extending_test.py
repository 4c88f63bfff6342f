"""The samples of docs/extending.md extend the package from outside, without changing it."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.checkpoints.conftest import write_tokenizer
from tests.docs_pages import ROOT, blocks
from tests.llama_twin import draw, random_tensors, tiny_config, write_folder

PAGE = ROOT / "docs" / "extending.md"
SAMPLES = {
    block.rows[0].removeprefix("# "): "\n".join(block.rows)
    for block in blocks(PAGE)
    if block.language == "python"
}
TABLE = re.findall(
    r"^\| \[(.+)\]\(#.+\) \| (.+) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE
)
PROBLEM = {"id": "a", "question": "Two apples and three?", "answer": "<<2+3=5>>\n#### 5"}

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(sample, *words)`: what the page's `my_rft.py` prints with one sample as extension."""
    for name, code in SAMPLES.items():
        (tmp_path / name).write_text(code + "\n")

    def call(sample: str, *words: str) -> str:
        (tmp_path / "my_extension.py").write_text(f"import {sample}\n")
        done = subprocess.run(
            [sys.executable, "my_rft.py", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def _collect(
    run: Run, folder: Path, sample: str, responses: list[str], *flags: str
) -> list[dict[str, Any]]:
    """The ledger of some responses to PROBLEM."""
    (folder / "problems.jsonl").write_text(json.dumps(PROBLEM) + "\n")
    rows = [{"id": "a", "sample": i, "response": text} for i, text in enumerate(responses)]
    (folder / "samples").mkdir()
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "samples" / "samples.jsonl").write_text(text)
    words = ["--problems", "problems.jsonl", "--samples", "samples", "--output", "collected"]
    run(sample, "collect", *words, "--gin.collect.workers=1", *flags)
    ledger = (folder / "collected" / "ledger.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in ledger]


def test_a_data_set_is_read_by_its_name(run: Run, tmp_path: Path) -> None:
    row = {"id": "squares-test/103", "sample": 0, "response": "#### 10609"}
    (tmp_path / "samples.jsonl").write_text(json.dumps(row) + "\n")
    words = ["--problems", "squares:test", "--samples", "samples.jsonl", "--output", "out"]
    run("squares", "collect", *words, "--gin.collect.workers=1")
    stats = json.loads((tmp_path / "out" / "stats.json").read_text("utf-8"))
    assert stats["verdicts"]["correct"] == 1


def test_an_answer_format_reads_responses_and_references(run: Run, tmp_path: Path) -> None:
    flags = ["--gin.collect.answers=last_line", "--gin.collect.equations=exact"]
    ledger = _collect(run, tmp_path, "last_line", ["<<2+3=5>>\n5", "<<2+3=5>>\n#### 6"], *flags)
    assert [(row["answer"], row["verdict"]) for row in ledger] == [
        ("5", "correct"),
        ("6", "wrong_answer"),
    ]


def test_a_check_of_the_steps_decides_about_equations(run: Run, tmp_path: Path) -> None:
    responses = ["<<2+3=5>>\n#### 5", "<<2.5*2=5>>\n#### 5", "<<2+2=5>>\n#### 5"]
    flag = "--gin.collect.equations=whole_numbers"
    ledger = _collect(run, tmp_path, "whole_numbers", responses, flag)
    verdicts = [row["verdict"] for row in ledger]
    assert verdicts == ["correct", "malformed_equation", "wrong_equation"]


def test_a_verifiers_verdict_is_in_ledger_statistics_and_report(run: Run, tmp_path: Path) -> None:
    ledger = _collect(run, tmp_path, "steps_required", ["<<2+3=5>>\n#### 5", "#### 5"])
    assert [(row["verdict"], row["kept"]) for row in ledger] == [
        ("correct", True),
        ("no_steps", False),
    ]
    stats = json.loads((tmp_path / "collected" / "stats.json").read_text("utf-8"))
    assert stats["verdicts"]["no_steps"] == 1
    run("steps_required", "report", "collected", "--output", "report")
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "no steps" in page and "no calculation leads to the answer" in page


def test_a_module_for_programs_can_be_imported_by_them(run: Run, tmp_path: Path) -> None:
    start = "from statistics import mean\n"
    responses = [f"{start}print(mean([4, 6]))", f"{start}print(mean([]))", "import random"]
    flag = "--gin.collect.answers=program"
    ledger = _collect(run, tmp_path, "mean_module", responses, flag)
    assert [row["verdict"] for row in ledger] == ["correct", "program_error", "unsupported"]
    assert ledger[0]["key"] == "4+6=10|10/2=5"
    assert ledger[1]["reason"]["kind"] == "zero division"


def test_a_deduplication_key_decides_which_paths_are_duplicates(run: Run, tmp_path: Path) -> None:
    responses = ["<<2+3=5>>\n#### 5", "<<4+1=5>>\n#### 5", "<<1+1=2>><<2+3=5>>\n#### 5"]
    ledger = _collect(run, tmp_path, "results", responses, "--gin.collect.dedup=results")
    assert [row["key"] for row in ledger] == ["5", "5", "2|5"]
    assert [row["kept"] for row in ledger].count(True) == 2
    stats = json.loads((tmp_path / "collected" / "stats.json").read_text("utf-8"))
    at_all = {level: curve[-1]["value"] for level, curve in stats["distinct@k"].items()}
    assert at_all["results"] == 2 and at_all["equations"] == 3


def test_a_selection_rule_decides_between_duplicates(run: Run, tmp_path: Path) -> None:
    responses = ["<<2+3=5>>\n#### 5", "So <<2+3=5>>5 apples.\n#### 5"]
    ledger = _collect(run, tmp_path, "longest", responses, "--gin.collect.select=longest")
    assert [row["kept"] for row in ledger] == [False, True]


def test_a_sampling_method_samples_only_what_it_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jax.numpy as jnp

    from rft_jax.checkpoints.load import load_model
    from rft_jax.sampling import sampler
    from rft_jax.sampling.settings import SampleSettings
    from tests.tiny_model import write_tiny_model

    (tmp_path / "min_p.py").write_text(SAMPLES["min_p.py"])
    monkeypatch.syspath_prepend(tmp_path)
    min_p = importlib.import_module("min_p")
    method = min_p.MinP(temperature=1.0, min_p=0.5)
    logits = jnp.log(jnp.array([[0.5, 0.3, 0.2]] * 64))
    bits = jnp.arange(64, dtype=jnp.uint32) * (1 << 26)
    assert set(method(bits, logits).tolist()) == {0, 1}

    model = load_model(str(write_tiny_model(tmp_path / "model")))
    settings = SampleSettings(slots=8, group=8, max_new_tokens=8, temperature=0)
    ours = sampler.Sampler(model, model.tokenizer, settings)
    greedy = ours.sample(["Two apples?"], k=1)
    nearly_greedy = min_p.MinP(temperature=1.0, min_p=1.0)
    monkeypatch.setattr(sampler, "method_of", lambda _: nearly_greedy)
    assert [s.tokens for s in ours.sample(["Two apples?"], k=1)[0]] == [s.tokens for s in greedy[0]]


def test_a_reward_sees_problem_response_and_grade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rft_jax.policy import rewards
    from rft_jax.records import Problem

    monkeypatch.setattr(rewards, "REWARDS", dict(rewards.REWARDS))  # other tests see none of it
    (tmp_path / "partial_credit.py").write_text(SAMPLES["partial_credit.py"])
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("partial_credit")
    judge, problem = rewards.Judge(["partial_credit"]), Problem(**PROBLEM)
    responses = ["<<2+3=5>>\n#### 5", "#### 6", "six"]
    graded = [judge.grade(problem, text, "stop") for text in responses]
    pairs = zip(responses, graded, strict=True)
    assert [judge.reward(problem, text, one) for text, one in pairs] == [1.0, 0.1, 0.0]


def test_a_model_family_is_imported_and_written_again(run: Run, tmp_path: Path) -> None:
    content = tiny_config(model_type="my_family")
    tensors = random_tensors(content | {"model_type": "qwen3"})
    for layer in range(content["num_hidden_layers"]):
        name = f"model.layers.{layer}.self_attn.o_proj.bias"
        tensors[name] = draw(name, (content["hidden_size"],))
    write_folder(tmp_path / "theirs", content, tensors)
    write_tokenizer(tmp_path / "theirs")
    run("my_family", "import-hf", str(tmp_path / "theirs"), str(tmp_path / "ours"))
    written = load_file(tmp_path / "ours" / "model.safetensors")
    assert written.keys() == tensors.keys()
    assert all(np.array_equal(written[name], tensors[name]) for name in tensors)
    description = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert description["model_type"] == "my_family"
    assert description["max_position_embeddings"] == content["max_position_embeddings"]


def test_an_experiment_plans_its_stages(run: Run) -> None:
    words = ["--output", "out", "--gin_file", "experiments/embedded.gin", "--dry_run"]
    printed = run("shortest", "run", *words, "--gin.run.experiment=shortest", "--gin.shortest.k=4")
    assert "--gin.collect.select=shortest" in printed
    assert "--gin.collect.first_samples=4" in printed


def test_a_command_is_listed_and_runs(run: Run) -> None:
    assert "count the problems" in run("count", "--help")
    assert run("count", "count", "--problems", "wordproblems:dev") == "500 problems\n"


@pytest.mark.parametrize(("what", "files", "table"), TABLE, ids=[row[0] for row in TABLE])
def test_the_files_and_tables_of_an_extension_exist(what: str, files: str, table: str) -> None:
    paths = [ROOT / "rft_jax" / name for name in re.findall(r"`([\w/]+\.py)`", files)]
    for path in paths:
        assert path.is_file() or path.name == "settings.py", what
    for name in re.findall(r"`(\w+)`", table):
        module = ".".join(paths[-1].relative_to(ROOT).with_suffix("").parts)
        assert isinstance(getattr(importlib.import_module(module), name), dict), what
