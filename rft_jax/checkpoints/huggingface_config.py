"""`config.json` of Hugging Face folders, to `LlamaConfig` and back.

The file means what it means to transformers: the same defaults, the same order of precedence. A
field that changes the computation and that the model lacks is an error that names it; one that
transformers ignores is ignored, with a warning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_object
from rft_jax.models.config import STORED_DTYPES, LlamaConfig, RopeScaling
from rft_jax.models.families import FAMILIES, Family, Features, family_of
from rft_jax.models.numbers import REAL, WHOLE, fault_of

CONFIG_JSON = "config.json"

# Fields with the only values that are computed, but for those that the family reads; null counts as
# absent everywhere. Most are of other families: a file with one is not what its `model_type` says.
_ONLY: Mapping[str, tuple[Any, ...]] = {
    "hidden_act": ("silu", "swish"),
    "partial_rotary_factor": (1.0,),
    "quantization_config": (),
    "use_qk_norm": (False,),
    "clip_qkv": (),
    "attention_multiplier": (),
    "query_pre_attn_scalar": (),
    "attn_logit_softcapping": (),
    "final_logit_softcapping": (),
    "embedding_multiplier": (1.0,),
    "residual_multiplier": (1.0,),
    "logits_scaling": (1.0,),
    "logit_scale": (1.0,),
    "scale_emb": (1.0,),
    "no_rope_layers": ([],),
    "attention_chunk_size": (),
    "attn_temperature_tuning": (False, 0),
    "use_parallel_residual": (False,),
    "num_experts": (0,),
    "num_local_experts": (0,),
}
_LLAMA3_FACTORS = ("factor", "low_freq_factor", "high_freq_factor")
_LAYER_TYPES = ("full_attention", "sliding_attention")
# Fields of `LlamaConfig` that every file has, by their names there.
_REQUIRED = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
}
logger = logging.getLogger(__name__)


def read_config(folder: str | Path, **overrides: Any) -> LlamaConfig:
    """The model's shape by a folder's `config.json`.

    Args:
      folder: of the model.
      overrides: fields of LlamaConfig that the file does not define (`dtype`, `remat`, …).

    Raises:
      UserError: the file or a field is missing, or a field needs something the model lacks.
    """
    path = Path(folder) / CONFIG_JSON
    return config_from_json(read_object(path), str(path), **overrides)


def stored_dtype(folder: str | Path) -> str:
    """The dtype of a folder's weights by its `config.json`; 'float32' where it names none."""
    content = read_object(Path(folder) / CONFIG_JSON)
    named = content.get("dtype") or content.get("torch_dtype")
    return named if named in STORED_DTYPES else "float32"


def config_from_json(content: Mapping[str, Any], where: str, **overrides: Any) -> LlamaConfig:
    """`read_config` of a file's content; `where` names it in errors."""
    kind = content.get("model_type") or "llama"
    _refuse_other(content, "model_type", tuple(FAMILIES), where)
    family = FAMILIES[kind]
    _refuse_unknown_computation(content, family, where)
    content = {**family.defaults, **content}
    for name in ("attention_bias", "mlp_bias", "use_sliding_window"):
        _flag(content, name, where)
    computation = family.read(content)
    if content.get("sliding_window") is not None and "sliding_window" not in computation:
        logger.warning(
            "%s: sliding_window is ignored: a %r has none (as in transformers)", where, kind
        )
    shape = _shape(content, where)
    for ignored in _ignored(content, shape["rope_theta"]):
        logger.warning("%s: %s", where, ignored)
    with _naming(where):
        config = LlamaConfig(**shape, **computation, **overrides)
        family_of(config)  # what is trained from it can be written
    return config


def _shape(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of `LlamaConfig` that all families read alike."""
    sizes = {ours: _whole_number(content, theirs, where) for ours, theirs in _REQUIRED.items()}
    rope_theta, rope_scaling = _rope(content, where)
    return {
        **sizes,
        "num_kv_heads": _whole_number(content, "num_key_value_heads", where, sizes["num_heads"]),
        "head_dim": _whole_number(content, "head_dim", where, None),
        "max_position_embeddings": _whole_number(content, "max_position_embeddings", where),
        "rope_theta": rope_theta,
        "rope_scaling": rope_scaling,
        "rms_norm_eps": _positive(content, "rms_norm_eps", where, 1e-6),
        "tie_word_embeddings": _flag(content, "tie_word_embeddings", where),
    }


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Within the block, errors about a model's shape begin with the file's name."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _refuse_unknown_computation(content: Mapping[str, Any], family: Family, where: str) -> None:
    own = family.write(Features()).keys()
    for field, allowed in _ONLY.items():
        if field not in own:
            _refuse_other(content, field, allowed, where)
    layer_types = content.get("layer_types") or []
    if not isinstance(layer_types, list):
        raise UserError(f"{where}: layer_types {_short(layer_types)} is not a list")
    for kind in layer_types:
        if kind not in _LAYER_TYPES:
            raise UserError(
                f"{where}: {_short(kind)} in layer_types is not supported, only "
                f"{' or '.join(_LAYER_TYPES)}"
            )


def _refuse_other(
    content: Mapping[str, Any], field: str, allowed: tuple[Any, ...], where: str
) -> None:
    """Refuses another value than the allowed ones."""
    if content.get(field) is not None and content[field] not in allowed:
        only = " or ".join(map(repr, allowed)) or "a model without it"
        raise UserError(f"{where}: {field} {_short(content[field])} is not supported, only {only}")


def _ignored(content: Mapping[str, Any], theta: float) -> Iterator[str]:
    """What the file says and the model, as in transformers, does not follow; a sentence each."""
    if content.get("attention_dropout"):
        yield f"attention_dropout {content['attention_dropout']} is ignored: nothing is dropped"
    if content.get("rope_theta") not in (None, theta):
        yield f"rope_theta {content['rope_theta']} is ignored: the rotary settings have {theta}"
    old, new = content.get("rope_scaling"), content.get("rope_parameters")
    if old and new and {"rope_theta": theta, **new} != {**new, "rope_theta": theta, **old}:
        yield "rope_parameters is ignored: rope_scaling differs and goes first (as in transformers)"


def config_to_json(config: LlamaConfig, dtype: str) -> dict[str, Any]:
    """The `config.json` of a model, without its special tokens.

    Rotary settings are written twice: for transformers 5 (`rope_parameters`) and for older readers
    (`rope_theta`, `rope_scaling`).
    """
    kind = family_of(config)
    scaling = _scaling_to_json(config.rope_scaling)
    return {
        "architectures": [FAMILIES[kind].architecture],
        "model_type": kind,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_position_embeddings,
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "rope_parameters": {
            "rope_theta": config.rope_theta,
            **(scaling or {"rope_type": "default"}),
        },
        "rms_norm_eps": config.rms_norm_eps,
        "tie_word_embeddings": config.tie_word_embeddings,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "torch_dtype": dtype,
        **FAMILIES[kind].write(config.features),
    }


def _scaling_to_json(scaling: RopeScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    if scaling.kind == "linear":
        return {"rope_type": "linear", "factor": scaling.factor}
    fields = (*_LLAMA3_FACTORS, "original_max_position_embeddings")
    return {"rope_type": "llama3"} | {name: getattr(scaling, name) for name in fields}


def _rope(content: Mapping[str, Any], where: str) -> tuple[float, RopeScaling | None]:
    """`rope_theta` and scaling from the older `rope_scaling`, else from `rope_parameters`."""
    spellings = {name: content.get(name) or {} for name in ("rope_scaling", "rope_parameters")}
    for name, value in spellings.items():
        if not isinstance(value, dict):
            raise UserError(f"{where}: {name} {_short(value)} is not an object")
    field = "rope_scaling" if spellings["rope_scaling"] else "rope_parameters"
    rope = spellings[field]
    theta_holder = rope if "rope_theta" in rope else content
    theta = _positive(theta_holder, "rope_theta", where, 10000.0)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if _positive(rope, "partial_rotary_factor", where, 1.0) != 1.0:
        raise UserError(f"{where}: {field}.partial_rotary_factor is not supported, only 1.0")
    if kind == "default":
        return theta, None
    if kind not in ("linear", "llama3"):
        raise UserError(
            f"{where}: {field}.rope_type {_short(kind)} is not supported, only 'default', 'linear' "
            "or 'llama3'; use a model without it"
        )
    if kind == "linear":
        return theta, RopeScaling("linear", factor=_positive(rope, "factor", where))
    factors = {name: _positive(rope, name, where) for name in _LLAMA3_FACTORS}
    positions = _whole_number(content, "max_position_embeddings", where)
    original = _whole_number(rope, "original_max_position_embeddings", where, positions)
    with _naming(f"{where}: {field}"):
        return theta, RopeScaling("llama3", **factors, original_max_position_embeddings=original)


def _number(kind: str, content: Mapping[str, Any], field: str, where: str, *default: Any) -> Any:
    """A field that is a positive number of this kind; null counts as absent."""
    value = content.get(field)
    if value is None and default:
        return default[0]
    if value is None:
        raise UserError(f"{where}: {field} is missing")
    if fault := fault_of(value, kind):
        raise UserError(f"{where}: {field} {_short(value)} {fault}")
    return value


_whole_number = partial(_number, WHOLE)
_positive = partial(_number, REAL)


def _flag(content: Mapping[str, Any], field: str, where: str) -> bool:
    """A field that is true or false; null and absent count as false."""
    value = content.get(field) or False
    if not isinstance(value, bool):
        raise UserError(f"{where}: {field} {_short(value)} is not true or false")
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
