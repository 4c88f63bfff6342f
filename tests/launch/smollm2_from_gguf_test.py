"""A GGUF file becomes a Hugging Face folder that this package reads, with today's transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from rft_jax.checkpoints.load import load_model

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "launch" / "smollm2_from_gguf.py"
WIDTH, FEED_FORWARD, HEADS, KV_HEADS, LAYERS = 64, 96, 4, 2, 2
BYTES = [*range(33, 127), *range(161, 173), *range(174, 256)]  # that GPT-2 shows as themselves


def _vocabulary() -> list[str]:
    others = [chr(256 + index) for index in range(256 - len(BYTES))]
    letters = sorted([*map(chr, BYTES), *others])
    return ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters, "He", "ll", "Hell"]


def _permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries and keys as llama.cpp stores them: the halves of a head interleaved."""
    halves = weight.reshape(heads, 2, -1, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _write_gguf(path: Path) -> dict[str, np.ndarray]:
    """A tiny LLaMA, its matrices quantized to 4 bits; returns its weights by their usual names."""
    import gguf

    tokens = _vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("SmolLM2 tiny")
    for add, value in (
        (writer.add_context_length, 128),
        (writer.add_embedding_length, WIDTH),
        (writer.add_block_count, LAYERS),
        (writer.add_feed_forward_length, FEED_FORWARD),
        (writer.add_head_count, HEADS),
        (writer.add_head_count_kv, KV_HEADS),
        (writer.add_layer_norm_rms_eps, 1e-5),
        (writer.add_rope_freq_base, 1e5),
        (writer.add_rope_dimension_count, WIDTH // HEADS),
        (writer.add_vocab_size, len(tokens)),
        (writer.add_tokenizer_model, "gpt2"),
        (writer.add_tokenizer_pre, "smollm"),
        (writer.add_token_list, tokens),
        (writer.add_token_merges, ["H e", "l l", "He ll"]),
        (writer.add_token_types, [3] * 3 + [1] * (len(tokens) - 3)),
        (writer.add_bos_token_id, 1),
        (writer.add_eos_token_id, 2),
    ):
        add(value)
    expected = {}
    rng = np.random.default_rng(0)

    def add(theirs: str, ours: str, *shape: int, heads: int = 0) -> None:
        value = rng.normal(size=shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(theirs, value)
            expected[ours] = value
            return
        kind = gguf.GGMLQuantizationType.Q4_1
        packed = gguf.quants.quantize(_permuted(value, heads) if heads else value, kind)
        writer.add_tensor(theirs, packed, raw_dtype=kind)
        read: Any = gguf.quants.dequantize(packed, kind)
        # What was interleaved comes back by the inverse.
        expected[ours] = (
            read.reshape(heads, -1, 2, shape[1]).swapaxes(1, 2).reshape(shape) if heads else read
        )

    add("token_embd.weight", "model.embed_tokens.weight", len(tokens), WIDTH)
    add("output_norm.weight", "model.norm.weight", WIDTH)
    head = WIDTH // HEADS
    for layer in range(LAYERS):
        from_, to = f"blk.{layer}", f"model.layers.{layer}"
        add(f"{from_}.attn_q.weight", f"{to}.self_attn.q_proj.weight", WIDTH, WIDTH, heads=HEADS)
        keys = (KV_HEADS * head, WIDTH)
        add(f"{from_}.attn_k.weight", f"{to}.self_attn.k_proj.weight", *keys, heads=KV_HEADS)
        add(f"{from_}.attn_v.weight", f"{to}.self_attn.v_proj.weight", *keys)
        add(f"{from_}.attn_output.weight", f"{to}.self_attn.o_proj.weight", WIDTH, WIDTH)
        add(f"{from_}.attn_norm.weight", f"{to}.input_layernorm.weight", WIDTH)
        add(f"{from_}.ffn_norm.weight", f"{to}.post_attention_layernorm.weight", WIDTH)
        for name in ("gate", "up"):
            add(f"{from_}.ffn_{name}.weight", f"{to}.mlp.{name}_proj.weight", FEED_FORWARD, WIDTH)
        add(f"{from_}.ffn_down.weight", f"{to}.mlp.down_proj.weight", WIDTH, FEED_FORWARD)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


@pytest.mark.slow
def test_the_weights_and_the_tokenizer_of_a_gguf_file_are_converted(tmp_path: Path) -> None:
    for package in ("torch", "transformers", "gguf", "accelerate"):
        pytest.importorskip(package)
    expected = _write_gguf(tmp_path / "tiny.gguf")
    output = tmp_path / "models" / "tiny"
    command = [sys.executable, str(SCRIPT), "--output", str(output), "--gguf"]
    done = subprocess.run(
        [*command, str(tmp_path / "tiny.gguf")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = load_file(output / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)
    model = load_model(output)
    assert (model.config.num_layers, model.config.rope_theta) == (LAYERS, 1e5)
    assert model.config.tie_word_embeddings
    assert model.tokenizer.decode(model.tokenizer.encode("Hello world, 12 é")) == (
        "Hello world, 12 é"
    )
    assert len(model.tokenizer.encode("Hell")) == 1
    again = subprocess.run([*command, "another.gguf"], check=False, capture_output=True, text=True)
    assert again.returncode == 1 and "already holds a model" in again.stderr
