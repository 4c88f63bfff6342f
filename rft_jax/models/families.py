"""Model families: what a `config.json` of theirs says about the computation, and the reverse.

A family whose computation `LlamaConfig` can describe is one entry of `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig

Content = Mapping[str, Any]
_ATTENTION, _MLP = ("q", "k", "v", "o"), ("gate", "up", "down")
_COMPUTATION = ("biases", "query_key_norm", "norm_position", "sliding_window")


@dataclass(frozen=True)
class Family:
    """A kind of model, by the names of Hugging Face.

    Attributes:
      architecture: the class that transformers computes it with.
      read: a file's content to those fields of `LlamaConfig` that say what is computed; fields of
        the same value as LLaMA's are left out.
      write: the fields of the file that `read` reads, by a model's configuration.
      defaults: what transformers takes where the file has no such field.
    """

    architecture: str
    read: Callable[[Content], dict[str, Any]]
    write: Callable[[LlamaConfig], dict[str, Any]]
    defaults: Content = field(default_factory=dict)

    def describes(self, config: LlamaConfig) -> bool:
        """Whether this family computes what `config` says."""
        plain = LlamaConfig()
        read = self.read({**self.defaults, **self.write(config)})
        return all(
            read.get(name, getattr(plain, name)) == getattr(config, name) for name in _COMPUTATION
        )


def _attention_biases(content: Content) -> tuple[str, ...]:
    return _ATTENTION if content.get("attention_bias") else ()


def _read_llama(content: Content) -> dict[str, Any]:
    return {"biases": _attention_biases(content) + (_MLP if content.get("mlp_bias") else ())}


def _write_llama(config: LlamaConfig) -> dict[str, Any]:
    return {"attention_bias": "o" in config.biases, "mlp_bias": "down" in config.biases}


def _read_mistral(content: Content) -> dict[str, Any]:
    return {"sliding_window": content.get("sliding_window")}


def _write_mistral(config: LlamaConfig) -> dict[str, Any]:
    return {"sliding_window": config.sliding_window}


def _qwen_window(content: Content) -> dict[str, Any]:
    """The window of those layers that have one."""
    slides = content.get("use_sliding_window") and "sliding_attention" in content.get(
        "layer_types", ("sliding_attention",)
    )
    return {"sliding_window": content.get("sliding_window") if slides else None}


def _write_qwen_window(config: LlamaConfig) -> dict[str, Any]:
    window = config.sliding_window
    return {"use_sliding_window": window is not None, "sliding_window": window} | (
        {} if window is None else {"max_window_layers": 0}
    )


def _read_qwen2(content: Content) -> dict[str, Any]:
    return {"biases": ("q", "k", "v")} | _qwen_window(content)


def _read_qwen3(content: Content) -> dict[str, Any]:
    biases = _attention_biases(content)
    return {"biases": biases, "query_key_norm": "head"} | _qwen_window(content)


def _write_qwen3(config: LlamaConfig) -> dict[str, Any]:
    return {"attention_bias": "o" in config.biases} | _write_qwen_window(config)


def _read_olmo2(content: Content) -> dict[str, Any]:
    biases = _attention_biases(content)
    return {"biases": biases, "query_key_norm": "all_heads", "norm_position": "after"}


def _write_olmo2(config: LlamaConfig) -> dict[str, Any]:
    return {"attention_bias": "o" in config.biases}


_QWEN_DEFAULTS = {
    "max_position_embeddings": 32768,
    "num_key_value_heads": 32,
    "sliding_window": 4096,
}
FAMILIES: Mapping[str, Family] = {
    "llama": Family(
        "LlamaForCausalLM",
        _read_llama,
        _write_llama,
        {"max_position_embeddings": 2048},
    ),
    "mistral": Family(
        "MistralForCausalLM",
        _read_mistral,
        _write_mistral,
        {
            "max_position_embeddings": 32 * 4096,
            "num_key_value_heads": 8,
            "sliding_window": 4096,
        },
    ),
    "qwen2": Family("Qwen2ForCausalLM", _read_qwen2, _write_qwen_window, _QWEN_DEFAULTS),
    "qwen3": Family(
        "Qwen3ForCausalLM", _read_qwen3, _write_qwen3, _QWEN_DEFAULTS | {"head_dim": 128}
    ),
    "olmo2": Family(
        "Olmo2ForCausalLM",
        _read_olmo2,
        _write_olmo2,
        {"max_position_embeddings": 2048, "rms_norm_eps": 1e-5},
    ),
}


def family_of(config: LlamaConfig) -> str:
    """The `model_type` to write a model as: the first family that computes the same.

    A LLaMA whose heads don't divide its width is a Mistral: transformers refuses the former.

    Raises:
      UserError: there is none.
    """
    for name, family in FAMILIES.items():
        refused = name == "llama" and config.hidden_size % config.num_heads
        if family.describes(config) and not refused:
            return name
    features = ", ".join(f"{name}={getattr(config, name)!r}" for name in _COMPUTATION)
    raise UserError(f"no family ({', '.join(FAMILIES)}) computes a model with {features}")
