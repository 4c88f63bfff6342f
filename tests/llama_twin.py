"""Random LLaMA weights that any program can recreate, for comparing ours with another one.

The weights are drawn by name from NumPy's frozen RandomState, so a golden needs to hold no weights.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}


def plain_rope(theta: float) -> dict[str, Any]:
    """Rotary positions without scaling."""
    return {"rope_type": "default", "rope_theta": theta}


def tiny_config(
    heads: int = 4,
    kv_heads: int = 2,
    tied: bool = False,
    rope: dict[str, Any] | None = None,
    vocab_size: int = 61,
    **changes: Any,
) -> dict[str, Any]:
    """A `config.json` of two layers whose sizes all differ."""
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": vocab_size,
        "hidden_size": 12 * heads,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "rope_parameters": rope or plain_rope(10000.0),
        "tie_word_embeddings": tied,
        "bos_token_id": 1,
        "eos_token_id": 2,
    } | changes


FAMILIES = {
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": False},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"]},
    # transformers gives the row of the padding token no gradient.
    "olmo2": {"architectures": ["Olmo2ForCausalLM"], "pad_token_id": None},
    "llama": {"attention_bias": True, "mlp_bias": True},
    "granite": {
        "architectures": ["GraniteForCausalLM"],
        "embedding_multiplier": 3.0,
        "attention_multiplier": 0.7,
        "residual_multiplier": 0.4,
        "logits_scaling": 1.5,
    },
}


def tensor_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The tensors of a model under Hugging Face's names."""
    width = config["hidden_size"]
    shapes = {
        "model.embed_tokens.weight": (config["vocab_size"], width),
        "model.norm.weight": (width,),
    }
    for layer in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{layer}.{name}": s for name, s in _layer_shapes(config).items()}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], width)
    return shapes


def _layer_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    family = config["model_type"]
    width, wide = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    shapes: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj.weight": (queries, width),
        "self_attn.k_proj.weight": (keys, width),
        "self_attn.v_proj.weight": (keys, width),
        "self_attn.o_proj.weight": (width, queries),
        "mlp.gate_proj.weight": (wide, width),
        "mlp.up_proj.weight": (wide, width),
        "mlp.down_proj.weight": (width, wide),
        "post_attention_layernorm.weight": (width,),
    }
    second = "post_feedforward" if family == "olmo2" else "input"
    shapes[f"{second}_layernorm.weight"] = (width,)
    if family in ("qwen3", "olmo2"):
        head = config["head_dim"]
        shapes["self_attn.q_norm.weight"] = (queries if family == "olmo2" else head,)
        shapes["self_attn.k_norm.weight"] = (keys if family == "olmo2" else head,)
    with_bias = ["q", "k", "v"] if family == "qwen2" else []
    with_bias += ["q", "k", "v", "o"] if config.get("attention_bias") else []
    with_bias += ["gate", "up", "down"] if config.get("mlp_bias") else []
    for name, shape in list(shapes.items()):
        if name.removesuffix("_proj.weight").rpartition(".")[2] in with_bias:
            shapes[name.replace("weight", "bias")] = shape[:1]
    return shapes


def random_tensors(config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Weights large enough that each of them affects the logits; norms around 1."""
    return {name: draw(name, shape) for name, shape in tensor_shapes(config).items()}


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers that depend only on the name, float32."""
    normal = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    scaled = 1 + 0.2 * normal if len(shape) == 1 else normal * shape[-1] ** -0.5
    return scaled.astype(np.float32)


def random_tokens(config: dict[str, Any], rows: int = 2, length: int = 48) -> np.ndarray:
    """Token ids, rows × length."""
    return (
        np.random.RandomState(7).randint(0, config["vocab_size"], (rows, length)).astype(np.int32)
    )


def write_folder(folder: Path, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Path:
    """A Hugging Face folder with these weights, without a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
