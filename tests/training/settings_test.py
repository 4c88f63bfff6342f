"""Settings of training: invalid values are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.models.config import Lora
from rft_jax.training.settings import TrainSettings


def test_a_rank_makes_adapters_and_no_rank_none() -> None:
    assert TrainSettings().lora is None
    settings = TrainSettings(lora_rank=4, lora_alpha=8.0, lora_targets=("q", "v"))
    assert settings.lora == Lora(4, 8.0, ("q", "v"))
    assert settings.lora is not None and settings.lora.scale == 2.0


def test_a_model_is_stored_in_the_dtype_of_its_training_unless_another_one_is_asked_for() -> None:
    assert TrainSettings().stored_dtype == "float32"
    assert TrainSettings(dtype="bfloat16").stored_dtype == "bfloat16"
    assert TrainSettings(dtype="bfloat16", export_dtype="float32").stored_dtype == "float32"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "cubic"}, "schedule = 'cubic': one of 'cosine', 'linear', 'constant'"),
        ({"dtype": "bf16"}, "train.dtype = 'bf16': one of 'float32', 'bfloat16' is needed"),
        ({"remat": "ful"}, "train.remat = 'ful': one of 'none', 'save_attention', 'full' is"),
        ({"attention": "flash"}, "train.attention = 'flash': one of 'auto', 'einsum', 'cudnn', "),
        ({"lora_rank": -1}, "train.lora_rank = -1: at least 0 is needed"),
        ({"moment_dtype": "int8"}, "moment_dtype = 'int8': one of 'float32', 'bfloat16'"),
        ({"max_length": 1}, "max_length = 1: at least 2"),
        ({"loss_chunk": -4}, "loss_chunk = -4: at least 0"),
        ({"loss_chunk": 100}, "max_length = 512: a multiple of train.loss_chunk = 100"),
        (
            {"export_dtype": "float8"},
            "export_dtype = 'float8': one of 'float32', 'bfloat16', 'float16'",
        ),
        ({"seed": -1}, "seed = -1: at least 0"),
        ({"learning_rate": -1e-5}, "learning_rate = -1e-05: at least 0"),
        ({"learning_rate": float("inf")}, "learning_rate = inf: a finite number"),
        ({"epsilon": 0.0}, "epsilon = 0.0: above 0 is needed"),
        ({"lora_alpha": float("nan")}, "lora_alpha = nan: above 0 is needed"),
        ({"warmup_ratio": 3.0}, "warmup_ratio = 3.0: at least 0 and below 1"),
        ({"beta2": 1.0}, "beta2 = 1.0: at least 0 and below 1"),
        ({"num_epochs": 0}, "num_epochs = 0: at least 1 is needed, or train.num_steps"),
        (
            {"batch_size": 10, "gradient_accumulation": 4},
            "batch_size = 10: a multiple of train.gradient_accumulation = 4",
        ),
    ],
)
def test_a_bad_setting_is_named_with_its_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TrainSettings(**changes)
