"""The gin files of published models: their parameters are as many as the published weights have."""

from __future__ import annotations

import math
from pathlib import Path

import jax
import pytest

from rft_jax.checkpoints.huggingface import abstract_params
from rft_jax.devices.partitioning import path_name
from rft_jax.errors import UserError
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig, RopeScaling
from rft_jax.models.parameters import parameters
from rft_jax.models.shapes import num_params, param_shapes

FOLDER = Path(__file__).parents[2] / "configs" / "models"
# From the model cards and the sizes of the published safetensors.
PUBLISHED = {
    "llama_7b": 6_738_415_616,
    "llama_13b": 13_015_864_320,
    "llama_33b": 32_528_943_616,
    "llama_65b": 65_285_660_672,
    "llama2_7b": 6_738_415_616,
    "llama2_13b": 13_015_864_320,
    "llama2_70b": 68_976_648_192,
    "llama3_8b": 8_030_261_248,
    "llama3_70b": 70_553_706_496,
    "llama3_1_8b": 8_030_261_248,
    "llama3_1_70b": 70_553_706_496,
    "llama3_1_405b": 405_853_388_800,
    "llama3_2_1b": 1_235_814_400,
    "llama3_2_3b": 3_212_749_824,
    "tinyllama_1b": 1_100_048_384,
    "smollm2_135m": 134_515_008,
    "smollm2_360m": 361_821_120,
    "smollm2_1_7b": 1_711_376_384,
    "mistral_7b": 7_241_732_096,
    "mistral_7b_v0_3": 7_248_023_552,
    "qwen2_5_0_5b": 494_032_768,
    "qwen2_5_1_5b": 1_543_714_304,
    "qwen2_5_math_1_5b": 1_543_714_304,
    "qwen2_5_7b": 7_615_616_512,
    "qwen2_5_math_7b": 7_615_616_512,
    "qwen3_0_6b": 596_049_920,
    "qwen3_1_7b": 1_720_574_976,
    "qwen3_4b": 4_022_468_096,
    "qwen3_8b": 8_190_735_360,
    "olmo2_1b": 1_484_916_736,
    "olmo2_7b": 7_298_617_344,
    "olmo2_13b": 13_716_198_400,
    "mathglm_10m": 11_882_240,
    "mathglm_100m": 110_743_040,
    "mathglm_500m": 504_120_320,
    "mathglm_2b": 2_016_184_320,
}


def _config(name: str) -> LlamaConfig:
    return load_config({"llama": LlamaConfig}, [str(FOLDER / f"{name}.gin")]).get(LlamaConfig)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_gin_file_has_as_many_parameters_as_the_published_model(name: str) -> None:
    config = _config(name)
    leaves = jax.tree.leaves(abstract_params(config))
    assert sum(math.prod(leaf.shape) for leaf in leaves) == PUBLISHED[name]
    assert num_params(config) == PUBLISHED[name]


def test_every_gin_file_of_a_model_is_counted() -> None:
    embedded = {"wordproblems", "wordproblems_mixed", "wordproblems_large"}
    assert {path.stem for path in FOLDER.glob("*.gin")} == {*PUBLISHED, *embedded}


def test_llama_3_2_scales_its_rotary_frequencies_by_32() -> None:
    config = _config("llama3_2_3b")
    assert config.rope_scaling == RopeScaling("llama3", 32.0, 1.0, 4.0, 8192)
    assert (config.rope_theta, config.tie_word_embeddings) == (500000.0, True)
    assert (config.num_heads, config.num_kv_heads, config.head_dim) == (24, 8, 128)


@pytest.mark.parametrize("name", ["wordproblems", "qwen2_5_0_5b", "qwen3_8b", "olmo2_1b"])
def test_the_described_parameters_are_those_of_the_model(name: str) -> None:
    config = _config(name)
    leaves = jax.tree_util.tree_leaves_with_path(abstract_params(config))
    shapes = {path_name(path): leaf.shape for path, leaf in leaves}
    assert shapes == param_shapes(config)
    assert shapes.keys() == parameters(config).keys()


@pytest.mark.parametrize(
    ("name", "length", "field"),
    [("mistral_7b", 4097, "sliding_window of 4096"), ("llama_7b", 2049, "max_position_embeddings")],
)
def test_a_length_beyond_the_models_is_refused_by_the_fields_name(
    name: str, length: int, field: str
) -> None:
    config = _config(name)
    config.check_length(length - 1)
    with pytest.raises(UserError, match=field):
        config.check_length(length)
