"""What holds for the model whatever its weights: causality, caches, padding, packing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.checkpoints.huggingface import import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.models import kv_cache
from rft_jax.models.config import LlamaConfig
from rft_jax.models.kv_cache import KVCache, LayerCache
from rft_jax.models.llama import Llama, Params, unembed, unstack_layers
from tests.llama_twin import LLAMA3_ROPE, random_tensors, random_tokens, tiny_config, write_folder

LENGTH = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[LlamaConfig, Params]:
    content = tiny_config(4, 2, rope=LLAMA3_ROPE)
    folder = write_folder(tmp_path_factory.mktemp("twin"), content, random_tensors(content))
    config = read_config(folder)
    return config, import_params(folder, config)


@partial(jax.jit, static_argnums=0)
def _full(
    config: LlamaConfig,
    params: Params,
    tokens: Any,
    positions: Any = None,
    segment_ids: Any = None,
) -> jax.Array:
    if positions is None:
        positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    hidden, _ = Llama(config).apply({"params": params}, tokens, positions, segment_ids)
    return unembed(params, hidden)


@partial(jax.jit, static_argnums=0)
def _cached(
    config: LlamaConfig, params: Params, tokens: Any, positions: Any, cache: KVCache
) -> tuple[jax.Array, KVCache]:
    hidden, cache = Llama(config).apply({"params": params}, tokens, positions, None, cache)
    return unembed(params, hidden), cache


def _tokens(rows: int = 2, length: int = LENGTH) -> jax.Array:
    return jnp.asarray(random_tokens(tiny_config(), rows, length))


def test_a_logit_depends_on_every_token_up_to_its_own_and_on_none_after(
    model: tuple[LlamaConfig, Params],
) -> None:
    config, params = model
    tokens = jnp.arange(LENGTH)[None] + 5  # each another row of the embedding

    @jax.jit
    def norms(position: jax.Array) -> jax.Array:
        def logits_sum(embedding: jax.Array) -> jax.Array:
            changed = {**params, "embed": {"embedding": embedding}}
            return jnp.take(_full(config, changed, tokens)[0], position, axis=0).sum()

        gradient = jax.grad(logits_sum)(params["embed"]["embedding"])
        return jnp.linalg.norm(gradient[tokens[0]], axis=-1)

    for position in range(LENGTH):
        found = np.asarray(norms(jnp.int32(position)))
        assert (found[: position + 1] > 1e-4).all()
        assert (found[position + 1 :] == 0).all()


@pytest.mark.parametrize(
    ("split", "scan_layers"), [((12,), True), ((5, 1, 1, 5), True), ((1,) * 12, False)]
)
def test_prefill_in_any_split_then_decode_equals_the_full_forward_pass(
    model: tuple[LlamaConfig, Params], split: tuple[int, ...], scan_layers: bool
) -> None:
    config, params = model
    tokens = _tokens()
    expected = _full(config, params, tokens)
    config = replace(config, scan_layers=scan_layers)
    layered = params if scan_layers else unstack_layers(params, config.num_layers)
    cache = kv_cache.empty_cache(config, slots=2, columns=LENGTH + 2, block=4)
    found, start = [], 0
    for width in split:
        positions = jnp.broadcast_to(jnp.arange(start, start + width), (2, width))
        chunk = tokens[:, start : start + width]
        logits, cache = _cached(config, layered, chunk, positions, cache)
        found.append(logits)
        start += width
    assert (cache.lengths == LENGTH).all()
    np.testing.assert_allclose(jnp.concatenate(found, axis=1), expected, atol=2e-5, rtol=0)


def test_slots_that_share_a_prompts_prefix_equal_full_forward_passes(
    model: tuple[LlamaConfig, Params],
) -> None:
    config, params = model
    prompts, prompt_lengths = np.asarray(_tokens(2, 6)), np.array([6, 4])
    responses = np.asarray(_tokens(4, 10))[:, :5]
    empty = kv_cache.empty_cache(config, slots=2, columns=0)
    positions = jnp.broadcast_to(jnp.arange(6), prompts.shape)
    _, collected = _cached(config, params, prompts, positions, empty)
    cache = kv_cache.empty_cache(config, slots=4, columns=5, groups=2, prefix_columns=6, block=4)
    assert isinstance(cache.layers, LayerCache) and isinstance(collected.layers, LayerCache)
    layers = replace(cache.layers, prefix=collected.layers.suffix)
    cache = replace(cache, layers=layers, prefix_lengths=prompt_lengths[:, None])
    starts = np.repeat(prompt_lengths, 2)[:, None]
    found = []
    for step in range(5):
        logits, cache = _cached(config, params, responses[:, step, None], starts + step, cache)
        found.append(logits)
    rows = np.zeros((4, 11), np.int32)
    for slot in range(4):
        length = int(prompt_lengths[slot // 2])
        rows[slot, :length] = prompts[slot // 2, :length]
        rows[slot, length : length + 5] = responses[slot]
    expected, decoded = np.asarray(_full(config, params, rows)), np.concatenate(found, axis=1)
    for slot in range(4):
        length = int(prompt_lengths[slot // 2])
        np.testing.assert_allclose(
            decoded[slot], expected[slot, length : length + 5], atol=2e-5, rtol=0
        )


def test_padding_row_order_and_batch_composition_change_nothing(
    model: tuple[LlamaConfig, Params],
) -> None:
    config, params = model
    tokens = _tokens(3)
    alone = [_full(config, params, tokens[row, None]) for row in range(3)]
    order = jnp.array([2, 0, 1])
    together = _full(config, params, tokens[order])
    lengths = jnp.array([LENGTH, 5, 8])
    real = jnp.arange(LENGTH) < lengths[:, None]
    for filler in (0, 17):  # whatever token fills
        padded = _full(
            config, params, jnp.where(real, tokens, filler), None, real.astype(jnp.int32)
        )
        for row, length in enumerate(lengths):
            np.testing.assert_allclose(
                padded[row, :length], alone[row][0, :length], atol=2e-5, rtol=0
            )
    for index, row in enumerate(order):
        np.testing.assert_allclose(together[index], alone[row][0], atol=2e-5, rtol=0)


def test_packed_segments_do_not_see_each_other_and_positions_restart(
    model: tuple[LlamaConfig, Params],
) -> None:
    config, params = model
    tokens = _tokens(1)
    segment_ids = jnp.array([[1] * 5 + [2] * 4 + [3] * 2 + [0]])
    positions = jnp.array([[*range(5), *range(4), *range(2), 0]])
    packed = _full(config, params, tokens, positions, segment_ids)
    bounds = (0, 5), (5, 9), (9, 11)
    rows = np.zeros((3, LENGTH), np.int32)
    for row, (start, end) in enumerate(bounds):
        rows[row, : end - start] = tokens[0, start:end]
    alone = _full(config, params, rows)
    for row, (start, end) in enumerate(bounds):
        np.testing.assert_allclose(
            packed[0, start:end], alone[row, : end - start], atol=2e-5, rtol=0
        )
    changed = _full(config, params, tokens.at[0, 2].add(1), positions, segment_ids)
    assert np.abs(np.asarray(changed - packed))[0, 2:5].max() > 1e-2
    assert (np.asarray(changed)[0, 5:] == np.asarray(packed)[0, 5:]).all()


def test_norms_softmax_and_logits_are_float32_in_a_bfloat16_model(
    model: tuple[LlamaConfig, Params],
) -> None:
    config, params = model
    config = replace(config, dtype="bfloat16")
    text = str(jax.make_jaxpr(partial(_full, config))(params, _tokens(1)))
    assert " = rsqrt" in text
    assert " = exp" in text
    for operation in ("rsqrt", "exp", "cos", "reduce_max"):
        lines = [line for line in text.splitlines() if f" = {operation}" in line]
        assert lines, operation
        assert all(":f32" in line.split(" = ")[0] for line in lines), lines
    assert _full(config, params, _tokens(1)).dtype == jnp.float32
