"""Each block of the model against its transformers counterpart, so that a failure names the block.

Outputs and input gradients in float32, with the weights of the second layer of a tiny model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.checkpoints.huggingface import import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import (
    Attention,
    Block,
    Context,
    FeedForward,
    Params,
    RMSNorm,
    unembed,
    unstack_layers,
)
from rft_jax.models.rope import rotary_angles, rotate
from tests.llama_twin import FAMILIES, LINEAR_ROPE, LLAMA3_ROPE, random_tensors, write_folder
from tests.llama_twin import tiny_config as tiny

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.models.parity_test import their_model  # noqa: E402

ROWS, LENGTH = 2, 24
SHAPES = {
    "as many key-value heads": tiny(4, 4),
    "grouped": tiny(8, 2, rope=LLAMA3_ROPE),
    "one key-value head": tiny(6, 1, rope=LINEAR_ROPE, tied=True),
    **{family: tiny(8, 2, model_type=family, **FAMILIES[family]) for family in FAMILIES},
}


@dataclass(frozen=True)
class Twin:
    """The same model twice: ours and transformers'."""

    config: LlamaConfig
    params: Params
    theirs: Any

    @property
    def layer(self) -> Params:
        """Our parameters of the second layer."""
        return self.params["layers_1"]

    @property
    def their_layer(self) -> Any:
        """Their second layer."""
        return self.theirs.model.layers[1]

    @property
    def their_norm(self) -> Any:
        """Their norm that belongs to attention."""
        before = self.config.norm_position == "before"
        layer = self.their_layer
        return layer.input_layernorm if before else layer.post_attention_layernorm

    def hidden(self) -> np.ndarray:
        """Random activations."""
        shape = (ROWS, LENGTH, self.config.hidden_size)
        return np.random.default_rng(3).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Twin:
    content = SHAPES[request.param]
    folder: Path = tmp_path_factory.mktemp("twin")
    config = read_config(write_folder(folder, content, random_tensors(content)))
    params = unstack_layers(import_params(folder, config), config.num_layers)
    return Twin(config, params, their_model(content))


def _positions() -> np.ndarray:
    """Different ones in each row, as in packed rows."""
    return np.stack([np.arange(LENGTH), np.arange(LENGTH) % 10 + 5])


def _causal() -> Any:
    """The additive mask that transformers' attention takes."""
    return torch.full((1, 1, LENGTH, LENGTH), float("-inf")).triu(1)


def _assert_same(
    ours: Callable[[jax.Array], jax.Array],
    theirs: Callable[[Any], Any],
    x: np.ndarray,
    atol: float = 2e-5,
) -> None:
    """Outputs, and the gradient of a random sum of them with respect to the input."""
    tensor = torch.tensor(x, requires_grad=True)
    expected = theirs(tensor)
    weights = np.random.default_rng(4).normal(size=tuple(expected.shape)).astype(np.float32)
    (expected * torch.tensor(weights)).sum().backward()
    found, pullback = jax.vjp(jax.jit(ours), jnp.asarray(x))
    assert np.abs(expected.detach().numpy()).max() > 0.1
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=atol, rtol=1e-5)
    (gradient,) = pullback(jnp.asarray(weights))
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), atol=5 * atol, rtol=1e-4)


def test_rms_norm(twin: Twin) -> None:
    params = {"params": twin.layer["attention_norm"]}
    _assert_same(
        lambda x: RMSNorm(twin.config).apply(params, x),  # type: ignore[return-value]
        twin.their_norm,
        twin.hidden(),
    )


def test_rms_norm_adds_epsilon_to_the_mean_square(twin: Twin) -> None:
    params = {"params": twin.layer["attention_norm"]}
    _assert_same(
        lambda x: RMSNorm(twin.config).apply(params, x),  # type: ignore[return-value]
        twin.their_norm,
        twin.hidden() * 1e-3,  # a mean square of 1e-6, where epsilon is 1e-5
        atol=1e-3,
    )


def test_rotary_positions(twin: Twin) -> None:
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    angles = rotary_angles(twin.config, jnp.asarray(_positions()))
    positions = torch.tensor(_positions())
    cos, sin = twin.theirs.model.rotary_emb(torch.zeros(1), positions)
    for ours, theirs in zip(angles, (cos, sin), strict=True):
        halves = np.concatenate((ours, ours), axis=-1)
        np.testing.assert_allclose(halves, theirs.numpy(), atol=1e-6)
    shape = (ROWS, LENGTH, twin.config.num_heads, twin.config.head_size)
    query = np.random.default_rng(5).normal(size=shape).astype(np.float32)

    def theirs_rotated(x: Any) -> Any:
        by_head = x.transpose(1, 2)
        return apply_rotary_pos_emb(by_head, by_head, cos, sin)[0].transpose(1, 2)

    _assert_same(lambda x: rotate(x, angles), theirs_rotated, query, atol=1e-6)


def _context(twin: Twin) -> Context:
    return Context(rotary_angles(twin.config, jnp.asarray(_positions())), None, None)


def test_attention(twin: Twin) -> None:
    params, context = {"params": twin.layer["attention"]}, _context(twin)
    positions = twin.theirs.model.rotary_emb(torch.zeros(1), torch.tensor(_positions()))
    _assert_same(
        lambda x: Attention(twin.config).apply(params, x, context, None)[0],  # type: ignore[index]
        lambda x: twin.their_layer.self_attn(x, positions, _causal())[0],
        twin.hidden(),
    )


def test_feed_forward(twin: Twin) -> None:
    params = {"params": twin.layer["mlp"]}
    _assert_same(
        lambda x: FeedForward(twin.config).apply(params, x),  # type: ignore[return-value]
        twin.their_layer.mlp,
        twin.hidden(),
    )


def test_block(twin: Twin) -> None:
    params, context = {"params": twin.layer}, _context(twin)
    positions = twin.theirs.model.rotary_emb(torch.zeros(1), torch.tensor(_positions()))
    _assert_same(
        lambda x: Block(twin.config).apply(params, x, None, context)[0],  # type: ignore[index]
        lambda x: twin.their_layer(x, _causal(), position_embeddings=positions),
        twin.hidden(),
        atol=5e-5,
    )


def test_final_norm_and_logits(twin: Twin) -> None:
    norm = {"params": twin.params["final_norm"]}
    _assert_same(
        lambda x: unembed(twin.params, RMSNorm(twin.config).apply(norm, x)),  # type: ignore[arg-type]
        lambda x: twin.theirs.lm_head(twin.theirs.model.norm(x)),
        twin.hidden(),
        atol=5e-5,
    )
