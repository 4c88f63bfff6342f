"""Batch size and learning rate by the size of data and model."""

from __future__ import annotations

import pytest

from rft_jax.gin_files import find_gin_file
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.training.recipe import complete
from rft_jax.training.settings import TrainSettings
from tests.training.conftest import CONFIG

OPEN = TrainSettings(batch_size=0, learning_rate=0)


def _shape(name: str) -> LlamaConfig:
    file = str(find_gin_file(f"models/{name}"))
    return load_config({"llama": LlamaConfig}, [file]).get(LlamaConfig)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("wordproblems", 1e-3),
        ("smollm2_135m", 1.1e-4),
        ("llama_7b", 2e-5),
        ("llama_33b", 1e-5),
        ("llama2_70b", 7.4e-6),
    ],
)
def test_the_learning_rate_goes_from_the_embedded_models_to_the_papers(
    name: str, rate: float
) -> None:
    chosen = complete(OPEN, _shape(name), 200, 150).learning_rate
    assert chosen == pytest.approx(rate, rel=0.04)


def test_adapters_have_ten_times_the_learning_rate() -> None:
    shape = _shape("llama_7b")
    full, adapters = (
        complete(TrainSettings(batch_size=0, learning_rate=0, lora_rank=rank), shape, 200, 150)
        for rank in (0, 8)
    )
    assert adapters.learning_rate == pytest.approx(10 * full.learning_rate)


def test_the_batch_makes_a_hundred_steps_of_few_questions_and_is_the_papers_for_many() -> None:
    # 3 epochs of 200 examples of 170 columns: 6 examples per step, 2 rows of 512.
    assert complete(OPEN, CONFIG, 200, 170).batch_size == 2
    unpacked = TrainSettings(batch_size=0, learning_rate=0, pack=False)
    assert complete(unpacked, CONFIG, 200, 170).batch_size == 6
    # GSM8K: the paper's 128 examples of 192 columns fill 48 rows.
    assert complete(OPEN, CONFIG, 7473, 192).batch_size == 48
    assert complete(OPEN, CONFIG, 10**6, 192).batch_size == 48


def test_the_batch_has_a_row_at_least_and_a_multiple_of_the_devices() -> None:
    assert complete(OPEN, CONFIG, 3, 20).batch_size == 1
    assert complete(OPEN, CONFIG, 3, 20, unit=8).batch_size == 8
    assert complete(OPEN, CONFIG, 7473, 192, unit=32).batch_size == 64


def test_what_is_set_stays() -> None:
    settings = TrainSettings(batch_size=7, learning_rate=0.5)
    assert complete(settings, CONFIG, 200, 170) == settings
