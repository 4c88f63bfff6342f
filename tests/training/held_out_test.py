"""Held-out loss during training: a function of the weights that changes nothing; the best step."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from rft_jax.checkpoints.load import LoadedModel, load_model
from rft_jax.errors import Preempted, UserError
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.models.llama import Llama, unembed
from rft_jax.records import to_row
from rft_jax.training import loop
from rft_jax.training.held_out import BEST, HeldOut
from rft_jax.training.train_step import train_step
from rft_jax.training.trainer import train
from rft_jax.wordproblems.generator import generate_problems
from tests.training.conftest import CONFIG, SETTINGS


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
        tokens = np.array([*bos, *prompt, *response])[None]
        positions = np.arange(tokens.shape[1])[None]
        hidden, _ = Llama(model.config).apply(
            {"params": model.params}, tokens, positions, np.ones_like(tokens)
        )
        logprobs = np.asarray(jax.nn.log_softmax(unembed(model.params, hidden)[0]), np.float64)
        for place in range(tokens.shape[1] - len(response), tokens.shape[1]):
            total -= logprobs[place - 1, tokens[0, place]]
            count += 1
    return total / count


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


def test_the_best_step_needs_data_to_choose_by(data: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, export_checkpoint="best")
    with pytest.raises(UserError, match=r"export_checkpoint = 'best' needs train.eval_data"):
        train(CONFIG, [data], str(tmp_path / "model"), settings)
