"""Against stored results of Hugging Face transformers; runs where torch is not installed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.checkpoints.huggingface import import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.devices.partitioning import path_name
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Llama, Params, unembed
from rft_jax.models.parameters import parameters
from tests.golden.make_llama_goldens import CASES, PATH, summary
from tests.llama_twin import random_tensors, random_tokens, write_folder


@partial(jax.jit, static_argnums=0)
def loss_and_logits(
    config: LlamaConfig, params: Params, tokens: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The mean next-token loss, and the logits it is of."""
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    logits = unembed(params, Llama(config).apply({"params": params}, tokens, positions)[0])
    log_probs = jax.nn.log_softmax(logits[:, :-1])
    return -jnp.take_along_axis(log_probs, tokens[:, 1:, None], axis=-1).mean(), logits


def _by_their_names(config: LlamaConfig, params: Params) -> dict[str, np.ndarray]:
    """Every tensor as it lies in a Hugging Face file."""
    tensors = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        parameter, value = parameters(config)[path_name(path)], np.asarray(leaf)
        layered = path_name(path).startswith("layers/")
        for layer, one in enumerate(value if layered else value[None]):
            tensors[parameter.tensor.format(layer)] = parameter.to_theirs(one)
    return tensors


FAST = ("multi_head", "llama3_scaling")
EVERY = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]


@pytest.mark.parametrize("name", EVERY)
def test_logits_and_gradients_equal_the_stored_ones_of_hugging_face(
    tmp_path: Path, name: str
) -> None:
    content = CASES[name]
    folder = write_folder(tmp_path, content, random_tensors(content))
    config = read_config(folder)
    params = import_params(folder, config)
    tokens = jnp.asarray(random_tokens(content))
    with np.load(PATH) as golden:
        expected, their_summary = golden[name], golden[f"{name} gradients"]
    gradient = jax.grad(partial(loss_and_logits, config), has_aux=True)
    gradients, logits = gradient(params, tokens)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=0)
    norms = their_summary[:, 0]
    assert norms.min() > 1e-3
    found = summary(_by_their_names(config, gradients))
    np.testing.assert_allclose(found / norms[:, None], their_summary / norms[:, None], atol=1e-3)
