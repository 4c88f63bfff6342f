"""A tiny model, its recipe and its data, trained once."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from rft_jax.errors import Preempted
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.models.config import LlamaConfig
from rft_jax.records import to_row
from rft_jax.training.settings import TrainSettings
from rft_jax.training.trainer import train
from rft_jax.wordproblems.generator import generate_problems
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER

CONFIG = LlamaConfig(
    vocab_size=240,
    hidden_size=16,
    intermediate_size=32,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
)
SETTINGS = TrainSettings(
    learning_rate=1e-2,
    num_steps=20,
    batch_size=8,
    max_length=144,
    tokenizer=str(TOKENIZER_FOLDER),
    template="plain",
    save_every_steps=5,
)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "problems.jsonl"
    write_rows(path, map(to_row, generate_problems("dev", 60)))
    return str(path)


@pytest.fixture(scope="session")
def finished(data: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "model"
    train(CONFIG, [data], str(folder), SETTINGS)
    return folder


def losses(folder: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for _, row in read_rows(folder / "metrics.jsonl")]


def assert_same_outcome(folder: Path, finished: Path) -> None:
    ours, theirs = (load_file(f / "model.safetensors") for f in (folder, finished))
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert (folder / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()


def preempt(*_: object) -> None:
    """In the place of a training's steps, where they are not what is tested."""
    raise Preempted
