"""config.json in and out: both spellings of the rotary settings, and what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from rft_jax.checkpoints.huggingface_config import config_from_json, config_to_json, read_config
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig, RopeScaling
from rft_jax.models.families import FAMILIES
from tests.llama_twin import LINEAR_ROPE, LLAMA3_ROPE, tiny_config

GRANITE = {  # the multipliers of granite-3.3-2b
    "attention_multiplier": 0.015625,
    "embedding_multiplier": 12.0,
    "logits_scaling": 8.0,
    "residual_multiplier": 0.22,
}
LLAMA_3_2_1B = {  # as published, with the older spelling
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "head_dim": 64,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "initializer_range": 0.02,
    "intermediate_size": 8192,
    "max_position_embeddings": 131072,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 16,
    "num_key_value_heads": 8,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "factor": 32.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 128256,
}


def test_a_published_config_is_read_field_by_field() -> None:
    assert config_from_json(LLAMA_3_2_1B, "config.json") == LlamaConfig(
        vocab_size=128256,
        hidden_size=2048,
        intermediate_size=8192,
        num_layers=16,
        num_heads=32,
        num_kv_heads=8,
        head_dim=64,
        max_position_embeddings=131072,
        rope_theta=500000.0,
        rope_scaling=RopeScaling("llama3", 32.0, 1.0, 4.0, 8192),
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )


def test_both_spellings_of_the_rotary_settings_mean_the_same() -> None:
    new = {k: v for k, v in LLAMA_3_2_1B.items() if k not in ("rope_scaling", "rope_theta")}
    old_scaling: Any = LLAMA_3_2_1B["rope_scaling"]
    new["rope_parameters"] = {"rope_theta": 500000.0, **old_scaling}
    assert config_from_json(new, "a") == config_from_json(LLAMA_3_2_1B, "b")
    oldest = tiny_config() | {"rope_scaling": {"type": "linear", "factor": 2.0}}
    del oldest["rope_parameters"]
    assert config_from_json(oldest, "c").rope_scaling == RopeScaling("linear", 2.0)
    assert config_from_json(oldest, "c").rope_theta == 10000.0


def test_llama_1_without_key_value_heads_has_one_for_every_head() -> None:
    content = tiny_config(4, 4) | {"head_dim": None}
    del content["num_key_value_heads"]
    config = config_from_json(content, "config.json")
    assert (config.num_kv_heads, config.head_dim) == (4, 12)


def test_a_mistral_keeps_its_window() -> None:
    content = tiny_config(8, 2, model_type="mistral", sliding_window=512)
    config = config_from_json(content, "config.json")
    assert config.sliding_window == 512
    assert config_to_json(config, "float32")["model_type"] == "mistral"
    assert config_from_json(config_to_json(config, "float32"), "again") == config
    without = config_from_json(content | {"sliding_window": None}, "config.json")
    assert without.sliding_window is None
    assert config_to_json(without, "float32")["model_type"] == "llama"


def test_a_shape_that_only_a_mistral_may_have_is_written_as_one() -> None:
    """transformers refuses a llama whose number of heads does not divide its width."""
    shape = {"hidden_size": 50, "head_dim": 16, "sliding_window": None}
    config = config_from_json(tiny_config(4, 2, model_type="mistral", **shape), "config.json")
    written = config_to_json(config, "float32")
    assert (written["model_type"], written["sliding_window"]) == ("mistral", None)
    assert config_from_json(written, "again") == config
    transformers = pytest.importorskip("transformers")
    assert transformers.AutoConfig.for_model(**written).hidden_size == 50


def test_a_window_in_a_llama_config_is_ignored_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = config_from_json(tiny_config(sliding_window=16), "m/config.json")
    assert config == config_from_json(tiny_config(), "m/config.json")
    assert caplog.text.count("m/config.json: sliding_window is ignored") == 1


def test_attention_dropout_is_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    config = config_from_json(tiny_config(attention_dropout=0.1), "m/config.json")
    assert config == config_from_json(tiny_config(attention_dropout=0.0), "m/config.json")
    assert caplog.text.count("attention_dropout 0.1 is ignored") == 1


LINEAR = {"rope_type": "linear", "factor": 2.0}
OTHER_SCALINGS: tuple[Any, ...] = (
    None,
    {},
    {"type": "linear", "factor": 4.0},
    {"rope_type": "linear", "factor": 4.0, "rope_theta": 777.0},
    {"rope_type": "default"},
    {"rope_type": "default", "rope_theta": 888.0},
    LLAMA3_ROPE,
    {key: value for key, value in LLAMA3_ROPE.items() if not key.startswith("original")},
)


@pytest.mark.parametrize("model_type", ["llama", "mistral"])
@pytest.mark.parametrize("theta", [None, 500.0])
@pytest.mark.parametrize("old", OTHER_SCALINGS)
@pytest.mark.parametrize("new", OTHER_SCALINGS)
def test_any_spelling_of_the_rotary_settings_means_what_it_means_to_transformers(
    model_type: str, theta: float | None, old: Any, new: Any
) -> None:
    transformers = pytest.importorskip("transformers")
    content = tiny_config(model_type=model_type)
    del content["rope_parameters"]
    fields = {"rope_theta": theta, "rope_scaling": old, "rope_parameters": new}
    content |= copy.deepcopy({k: v for k, v in fields.items() if v is not None})
    ours = config_from_json(content, "config.json")
    theirs = transformers.AutoConfig.for_model(**copy.deepcopy(content)).rope_parameters
    assert ours.rope_theta == theirs["rope_theta"]
    assert (ours.rope_scaling.kind if ours.rope_scaling else "default") == theirs["rope_type"]
    for name in ("factor", "low_freq_factor", "original_max_position_embeddings"):
        if ours.rope_scaling is not None and name in theirs:
            assert getattr(ours.rope_scaling, name) == theirs[name]


def test_rotary_settings_edited_in_an_export_are_followed_and_the_others_said_to_be_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    written = config_to_json(config_from_json(LLAMA_3_2_1B, "config.json"), "float32")
    config_from_json(written, "config.json")
    assert not caplog.text
    edited = config_from_json(written | {"rope_scaling": LINEAR}, "config.json")
    assert edited.rope_scaling == RopeScaling("linear", 2.0)
    assert "rope_parameters is ignored: rope_scaling differs" in caplog.text
    plain = config_to_json(config_from_json(tiny_config(), "config.json"), "float32")
    assert config_from_json(plain | {"rope_theta": 5.0}, "config.json").rope_theta == 10000.0
    assert "rope_theta 5.0 is ignored: the rotary settings have 10000.0" in caplog.text


@pytest.mark.parametrize("model_type", FAMILIES)
def test_fields_that_are_not_there_have_transformers_defaults(model_type: str) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")
    content = {"model_type": model_type, "num_attention_heads": 32}
    content |= {name: tiny_config()[name] for name in sizes} | {"hidden_size": 128}
    ours = config_from_json(content, "config.json")
    theirs = transformers.AutoConfig.for_model(**content)
    assert ours.num_kv_heads == theirs.num_key_value_heads
    assert ours.max_position_embeddings == theirs.max_position_embeddings
    assert ours.sliding_window == getattr(theirs, "sliding_window", None)
    assert ours.rms_norm_eps == theirs.rms_norm_eps
    assert ours.head_dim == getattr(theirs, "head_dim", 128 // 32)
    assert ours.tie_word_embeddings == theirs.tie_word_embeddings
    for name in GRANITE:
        assert getattr(ours, name) == getattr(theirs, name, getattr(LlamaConfig(), name))


def test_linear_scaling_makes_the_longest_sequence_longer() -> None:
    content = tiny_config(max_position_embeddings=64, rope=LINEAR_ROPE)
    config = config_from_json(content, "config.json")
    config.check_length(256)
    with pytest.raises(UserError, match=r"max_position_embeddings × .*factor of 256"):
        config.check_length(257)
    llama3 = config_from_json(tiny_config(max_position_embeddings=64, rope=LLAMA3_ROPE), "")
    assert llama3.max_length == 64


@pytest.mark.parametrize(
    "content",
    [
        tiny_config(attention_bias=True),
        tiny_config(mlp_bias=True),
        tiny_config(attention_bias=True, mlp_bias=True),
        tiny_config(model_type="qwen2"),
        tiny_config(model_type="qwen2", use_sliding_window=True, sliding_window=32),
        tiny_config(model_type="qwen3"),
        tiny_config(model_type="qwen3", attention_bias=True),
        tiny_config(model_type="olmo2"),
        tiny_config(model_type="granite"),
        tiny_config(model_type="granite", attention_bias=True, **GRANITE),
    ],
    ids=str,
)
def test_a_family_survives_writing_and_reading(content: dict[str, Any]) -> None:
    config = config_from_json(content, "config.json")
    written = config_to_json(config, "float32")
    assert written["model_type"] == content["model_type"]
    assert config_from_json(written, "again") == config


def test_a_computation_of_no_family_is_refused() -> None:
    with pytest.raises(UserError, match=r"no family \(llama, .* computes .*biases=\('q',\)"):
        config_to_json(LlamaConfig(biases=("q",)), "float32")


def test_a_qwen_has_a_window_only_where_it_says_that_it_uses_one() -> None:
    content = tiny_config(model_type="qwen2", sliding_window=32)
    assert config_from_json(content, "a").sliding_window is None
    content["use_sliding_window"] = True
    assert config_from_json(content, "b").sliding_window == 32
    content["layer_types"] = ["full_attention", "full_attention"]
    assert config_from_json(content, "c").sliding_window is None


@pytest.mark.parametrize("rope", [None, LLAMA3_ROPE, LINEAR_ROPE])
@pytest.mark.parametrize("tied", [True, False])
def test_a_written_config_reads_as_the_same_shape(rope: dict[str, Any] | None, tied: bool) -> None:
    config = config_from_json(tiny_config(9, 3, tied=tied, rope=rope), "config.json")
    assert config_from_json(config_to_json(config, "bfloat16"), "again") == config


def test_transformers_reads_a_written_config_as_the_same_model() -> None:
    transformers = pytest.importorskip("transformers")
    config = config_from_json(LLAMA_3_2_1B, "config.json")
    theirs = transformers.AutoConfig.for_model(**config_to_json(config, "bfloat16"))
    expected = transformers.AutoConfig.for_model(**LLAMA_3_2_1B)
    different = {
        key
        for key, value in theirs.to_dict().items()
        if value != expected.to_dict()[key] and not key.endswith("_token_id")
    }
    assert not different


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention_bias": 1}, "attention_bias 1 is not true or false"),
        ({"use_qk_norm": True}, "use_qk_norm True is not supported, only False"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping 30.0 .*only a model without"),
        ({"no_rope_layers": [1, 0]}, "no_rope_layers"),
        ({"attention_multiplier": 0.1}, "attention_multiplier 0.1 .*only a model without"),
        (
            {"model_type": "granite", "attention_multiplier": "0.1"},
            r"config\.json: attention_multiplier '0.1' is not a positive number",
        ),
        ({"model_type": "granite", "logits_scaling": 0}, "logits_scaling 0 is not a positive"),
        ({"model_type": ["llama"]}, r"model_type \['llama'\] is not supported"),
        ({"layer_types": ["full_attention", "linear_attention"]}, "'linear_attention' in layer_ty"),
        ({"layer_types": 2}, r"config\.json: layer_types 2 is not a list"),
        (
            {"rope_parameters": {"rope_theta": 10**400}},
            "rope_theta 10.* is over the largest that fits",
        ),
        ({"rope_parameters": {"rope_type": "linear", "factor": 1e308}}, "factor 1e.308 is over"),
        ({"model_type": "mistral", "sliding_window": 0.5}, "sliding_window 0.5 is not"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu' is not supported, only 'silu'"),
        (
            {"model_type": "gemma2"},
            "model_type 'gemma2' .*'llama' or 'mistral' or 'qwen2' or 'qwen3'",
        ),
        ({"quantization_config": {"bits": 4}}, "quantization_config {'bits': 4}"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
        ({"rope_parameters": {"rope_type": "yarn"}}, r"rope_parameters\.rope_type 'yarn'"),
        ({"rope_parameters": None, "rope_scaling": {"type": "dynamic"}}, "rope_scaling.rope_type"),
        ({"rope_parameters": {"rope_type": "linear"}}, "factor is missing"),
        ({"rope_parameters": {"rope_type": "linear", "factor": "x"}}, "factor 'x' is not"),
        ({"rope_parameters": {"partial_rotary_factor": 0.25}}, r"\.partial_rotary_factor"),
        ({"rope_parameters": [1]}, r"rope_parameters \[1\] is not an object"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": "64"}, "hidden_size '64' is not a positive whole number"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0 is not"),
        ({"rms_norm_eps": -1}, "rms_norm_eps -1 is not a positive number"),
        ({"rms_norm_eps": float("inf")}, "rms_norm_eps inf is not a positive number"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps nan is not a positive number"),
        ({"tie_word_embeddings": "false"}, "tie_word_embeddings 'false' is not true or false"),
        ({"num_key_value_heads": 3}, r"\.json: num_heads 4 is not divisible by num_kv_heads 3"),
        ({"head_dim": 7}, r"config\.json: head_dim 7 is odd"),
        (
            {"hidden_size": 50, "head_dim": 16, "attention_bias": True},
            r"config\.json: no family \(.*\) computes a model with",
        ),
        (
            {"max_position_embeddings": 2**40},
            "max_position_embeddings 1099511627776 is over the larg",
        ),
        (
            {"rope_parameters": LLAMA3_ROPE | {"low_freq_factor": 4.0, "high_freq_factor": 4.0}},
            r"config\.json: rope_parameters: low_freq_factor 4\.0 is not below high_freq_factor",
        ),
    ],
)
def test_what_the_model_lacks_is_refused_by_the_fields_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(tiny_config() | change))
    with pytest.raises(UserError, match=message):
        read_config(tmp_path)


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2.5, 1e308, 10**400, float("nan"), float("inf")),
    *("", "x", [], [1], [[]], ["sliding_attention"], {}, {"a": 1}),
)
OTHER_FIELDS = (
    *("layer_types", "sliding_window", "use_sliding_window", "rope_scaling", "attention_dropout"),
    *("quantization_config", "no_rope_layers", "attention_bias", *GRANITE),
)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_no_value_of_a_field_ends_in_anything_but_a_shape_or_a_message(model_type: str) -> None:
    content = tiny_config(model_type=model_type, use_sliding_window=True, sliding_window=32)
    changes = [{field: value} for field in (*content, *OTHER_FIELDS) for value in ODD]
    for rope in (LLAMA3_ROPE, LINEAR_ROPE):
        changes += [{"rope_parameters": rope | {name: odd}} for name in rope for odd in ODD]
    for change in changes:
        try:
            config = config_from_json(content | change, "m/config.json")
        except UserError as error:
            assert str(error).startswith("m/config.json: "), change
        else:
            assert config.max_length > 0 and hash(config), change


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(tiny_config(mlp_bias=3)))
    with pytest.raises(UserError, match=str(path)):
        read_config(tmp_path)
    path.write_text('{"a":' * 100_000)
    with pytest.raises(UserError, match=r"config\.json: not JSON"):
        read_config(tmp_path)
    path.write_text("[]")
    with pytest.raises(UserError, match="a JSON object is needed, found list"):
        read_config(tmp_path)
