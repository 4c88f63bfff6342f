"""A model's configuration: what it derives, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig, Lora, RopeScaling
from rft_jax.models.families import KERNELS


def test_the_head_width_is_that_of_the_hidden_size_unless_it_is_set() -> None:
    assert LlamaConfig(hidden_size=96, num_heads=4, num_kv_heads=2).head_size == 24
    wide = LlamaConfig(hidden_size=96, num_heads=5, num_kv_heads=5, head_dim=32)
    assert wide.head_size == 32


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_heads": 9, "num_kv_heads": 4}, "num_heads 9 is not divisible by num_kv_heads 4"),
        ({"num_heads": 5, "num_kv_heads": 5}, "hidden_size 4096 is not divisible by num_heads 5;"),
        ({"head_dim": 7}, "head_dim 7 is odd"),
        ({"num_kv_heads": 0}, "num_kv_heads 0 is not a positive whole number"),
        ({"num_heads": -4}, "num_heads -4 is not a positive whole number"),
        ({"vocab_size": 2**31}, "vocab_size 2147483648 is over the largest that fits, 2147483647"),
        ({"scan_unroll": 0}, "scan_unroll 0 is not"),
        ({"rope_theta": 10**400}, "rope_theta 10{50,} is over the largest that fits"),
        ({"rms_norm_eps": 0.0}, r"rms_norm_eps 0\.0 is not a positive number"),
        ({"remat": "some"}, "remat 'some': one of none, save_attention, full"),
        ({"attention": "flash"}, "attention 'flash': one of auto, einsum, cudnn, splash"),
        ({"dtype": "float16"}, "dtype 'float16': one of float32, bfloat16 is needed"),
        ({"param_dtype": "int8"}, "param_dtype 'int8'"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_its_values(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        LlamaConfig(**changes)


def test_other_kinds_of_rope_scaling_are_refused() -> None:
    with pytest.raises(UserError, match="'yarn': 'linear' or 'llama3' is needed"):
        RopeScaling("yarn", 4.0)  # type: ignore[arg-type]


def test_rotary_frequencies_that_cannot_be_scaled_are_refused() -> None:
    """Equal factors divide by zero, and reversed ones are blended the other way round."""
    with pytest.raises(UserError, match=r"factor 0\.0 is not a positive number"):
        RopeScaling("linear", 0.0)
    for low in (4.0, 5.0):
        with pytest.raises(UserError, match=rf"factor {low} is not below high_freq_factor 4\.0"):
            RopeScaling("llama3", 8.0, low, 4.0)


def test_adapters_are_scaled_by_alpha_over_rank() -> None:
    assert Lora(8, 4.0).scale == 0.5
    assert Lora(8, 4.0).targets == KERNELS
