"""Held-out loss and accuracy: functions of the weights that change nothing; the best step."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from rft_jax.checkpoints.load import LoadedModel, load_model
from rft_jax.errors import Preempted, UserError
from rft_jax.evaluation.held_out import HeldOutAccuracy
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.records import to_row
from rft_jax.training import loop
from rft_jax.training.held_out import BEST, HeldOut
from rft_jax.training.memory import state_bytes
from rft_jax.training.train_step import train_step
from rft_jax.training.trainer import train
from rft_jax.wordproblems.generator import generate_problems
from tests.tiny_model import logits_of
from tests.training.conftest import CONFIG, SETTINGS, assert_same_outcome


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Problems that are not trained on."""
    path = tmp_path_factory.mktemp("others") / "problems.jsonl"
    write_rows(path, map(to_row, generate_problems("test", 4)))
    return str(path)


def _rows(folder: Path) -> list[dict[str, float]]:
    return [row for _, row in read_rows(folder / "metrics.jsonl")]


def _mean_loss(model: LoadedModel, problems: str) -> float:
    """Of response tokens, one example after the other."""
    total, count = 0.0, 0
    for _, row in read_rows(Path(problems)):
        prompt = model.tokenizer.encode(model.template.render(row["question"]))
        bos = [] if model.tokenizer.bos_id is None else [model.tokenizer.bos_id]
        response = [*model.tokenizer.encode(row["answer"]), model.tokenizer.eos_id]
        tokens = np.array([*bos, *prompt, *response])
        padded = np.pad(tokens, (0, SETTINGS.max_length - len(tokens)))[None]
        logits = np.asarray(logits_of(model.config, model.params, padded)[0], np.float64)
        logprobs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        for place in range(len(tokens) - len(response), len(tokens)):
            total -= logprobs[place - 1, tokens[place]]
            count += 1
    return total / count


@pytest.mark.each_change
def test_the_loss_is_that_of_the_response_tokens_and_weights_are_as_without_it(
    data: str, others: str, finished: Path, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, eval_data=others, eval_every_steps=8)
    train(CONFIG, [data], str(tmp_path / "model"), settings)
    rows = _rows(tmp_path / "model")
    assert [row["step"] for row in rows if "eval_loss" in row] == [8, 16, 20]
    losses = [row.pop("eval_loss") for row in rows if "eval_loss" in row]
    assert rows == _rows(finished)
    weights, plain = (load_file(f / "model.safetensors") for f in (tmp_path / "model", finished))
    assert all((weights[name] == plain[name]).all() for name in plain)
    assert losses[-1] == pytest.approx(_mean_loss(load_model(finished), others), rel=1e-5)


@pytest.mark.slow
def test_the_best_step_is_exported_also_after_an_interruption(
    data: str, others: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = {5: 3.0, 10: 1.0, 15: 2.0, 20: 4.0}
    folder, calls = tmp_path / "model", []

    def step_with_signal(*args: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 13:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_step(*args, **named)

    monkeypatch.setattr(loop, "train_step", step_with_signal)
    losses = iter(scripted.values())
    monkeypatch.setattr(HeldOut, "_loss", lambda *_: next(losses))
    settings = replace(SETTINGS, eval_data=others, eval_every_steps=5, keep_checkpoints=9)
    settings = replace(settings, export_checkpoint="best")
    with pytest.raises(Preempted, match="after step 13"):
        train(CONFIG, [data], str(folder), settings)
    train(CONFIG, [data], str(folder), settings)
    assert {r["step"]: r["eval_loss"] for r in _rows(folder) if "eval_loss" in r} == scripted
    exported = load_model(folder).params
    best, last = (load_model(folder / name).params for name in (f"{BEST}/10", "checkpoints/20"))
    at_ten = load_model(folder / "checkpoints" / "10").params
    assert all(map(np.array_equal, *map(jax.tree.leaves, (exported, best))))
    assert all(map(np.array_equal, *map(jax.tree.leaves, (exported, at_ten))))
    assert not all(map(np.array_equal, *map(jax.tree.leaves, (exported, last))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"export_checkpoint": "best"}, "'best': train.eval_data is needed to choose by"),
        (
            {"export_checkpoint": "best_accuracy", "eval_data": "others.jsonl"},
            "'best_accuracy': train.eval_problems is needed to choose by",
        ),
        ({"eval_problems": 8}, "eval_problems = 8: train.eval_data is needed"),
        ({"eval_problems": 8, "eval_data": "others.jsonl"}, "says how accuracy is measured"),
    ],
)
def test_measurements_need_data_and_the_best_step_a_measurement(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        train(CONFIG, ["data.jsonl"], str(tmp_path / "model"), replace(SETTINGS, **changes))


class Scripted:
    """Accuracies of a script, by the number of measurements before."""

    identity: ClassVar[dict[str, Any]] = {"script": 1}

    def __init__(self, *accuracies: float) -> None:
        self._accuracies = iter(accuracies)

    def prepare(self, *given: object) -> Callable[[object], float]:
        assert given[-1] == state_bytes(CONFIG, SETTINGS, {"data": 1, "fsdp": 8, "tensor": 1})
        return lambda _params: next(self._accuracies)


@pytest.mark.each_change
def test_of_equally_accurate_steps_the_one_of_the_lowest_loss_is_exported(
    data: str, others: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = iter([3.0, 2.0, 1.0, 2.5])
    monkeypatch.setattr(HeldOut, "_loss", lambda *_: next(scripted))
    settings = replace(SETTINGS, eval_data=others, eval_every_steps=5, eval_problems=2)
    settings = replace(settings, export_checkpoint="best_accuracy", keep_checkpoints=9)
    folder, accuracy = tmp_path / "model", Scripted(0.5, 0.75, 0.5, 0.75)
    train(CONFIG, [data], str(folder), settings, accuracy=accuracy)
    found = {r["step"]: r["eval_accuracy"] for r in _rows(folder) if "eval_accuracy" in r}
    assert found == {5: 0.5, 10: 0.75, 15: 0.5, 20: 0.75}
    exported, at_ten = (load_model(f).params for f in (folder, folder / "checkpoints" / "10"))
    assert all(map(np.array_equal, *map(jax.tree.leaves, (exported, at_ten))))


ACCURACY_SETTINGS = replace(
    SETTINGS, eval_every_steps=3, eval_problems=3, export_checkpoint="best_accuracy"
)
ACCURACY_SCRIPT = """
import sys
from dataclasses import replace
sys.path.insert(0, sys.argv[4])
from tests.training.held_out_test import ACCURACY_SETTINGS, accuracy
from tests.tiny_model import logits_of
from tests.training.conftest import CONFIG
from rft_jax.training.trainer import train
settings = replace(ACCURACY_SETTINGS, eval_data=sys.argv[2])
train(CONFIG, [sys.argv[1]], sys.argv[3], settings, accuracy=accuracy())
"""


def accuracy() -> HeldOutAccuracy:
    """By the real sampler and grader."""
    return HeldOutAccuracy(EvaluateSettings(max_new_tokens=8, max_prompt_length=120, slots=8))


@pytest.mark.slow
def test_killed_while_accuracy_is_measured_it_ends_with_the_same_bits(
    data: str, others: str, tmp_path: Path
) -> None:
    settings = replace(ACCURACY_SETTINGS, eval_data=others)
    whole, folder = tmp_path / "whole", tmp_path / "model"
    train(CONFIG, [data], str(whole), settings, accuracy=accuracy())
    rng, root = random.Random(3), str(Path(__file__).parents[2])
    command = [sys.executable, "-c", ACCURACY_SCRIPT, data, others, str(folder), root]
    for _ in range(3):
        process = subprocess.Popen(command)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=rng.uniform(8, 25))
        process.kill()
        process.wait()
    train(CONFIG, [data], str(folder), settings, accuracy=accuracy())
    assert_same_outcome(folder, whole)
    assert sum("eval_accuracy" in row for row in _rows(folder)) == 7


@pytest.mark.slow
def test_accuracy_of_adapters_is_that_of_the_merged_model(
    data: str, others: str, finished: Path, tmp_path: Path
) -> None:
    seen = []

    class Keeping(Scripted):
        def prepare(self, *_: object) -> Callable[[object], float]:
            return lambda params: seen.append(jax.tree.map(np.asarray, params)) or 0.0

    settings = replace(SETTINGS, lora_rank=2, num_steps=4, template="", tokenizer="")
    settings = replace(settings, eval_data=others, eval_every_steps=4, eval_problems=1)
    train(str(finished), [data], str(tmp_path / "lora"), settings, accuracy=Keeping())
    merged = load_model(tmp_path / "lora").params
    for ours, theirs in zip(jax.tree.leaves(seen[0]), jax.tree.leaves(merged), strict=True):
        np.testing.assert_array_equal(ours, theirs)
