"""Attention by platform: each kernel does what the einsum does, where it can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import batch_sharding, make_mesh, param_shardings
from rft_jax.models import flash
from rft_jax.models.attention import causal_attention
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Llama, init_params, unembed

has_gpu = jax.default_backend() == "gpu"


def _inputs(length: int, heads: int, kv_heads: int, width: int, rows: int = 2) -> list[jax.Array]:
    keys = jax.random.split(jax.random.key(length), 3)
    counts = (heads, kv_heads, kv_heads)
    return [
        jax.random.normal(k, (rows, length, n, width)) for k, n in zip(keys, counts, strict=True)
    ]


def _segments(length: int, rows: int = 2) -> jax.Array:
    """Three packed segments, the last columns padding."""
    ids = jax.random.randint(jax.random.key(9), (rows, length), 1, 4)
    return jnp.where(jnp.arange(length) < length - 5, jnp.sort(ids, axis=1), 0)


def _both(attend: Callable[..., jax.Array], inputs: list[jax.Array], segments: Any) -> Any:
    """What comes out, and the gradients of a function of it."""

    def loss(*inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        out = attend(*inputs, segments)
        return jnp.sin(out.astype(jnp.float32)).sum(), out

    gradients, out = jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(*inputs)
    return out, gradients


@pytest.mark.parametrize(
    ("shape", "packed"),
    [
        ((150, 4, 2, 16), True),
        pytest.param((128, 4, 2, 64), True, marks=pytest.mark.slow),
        pytest.param((130, 3, 1, 128), False, marks=pytest.mark.slow),
    ],
)
def test_the_splash_kernel_equals_the_einsum(shape: tuple[int, ...], packed: bool) -> None:
    inputs = _inputs(*shape)
    segments = _segments(shape[0]) if packed else None
    found = _both(partial(flash.splash_attention, interpret=True), inputs, segments)
    expected = _both(partial(causal_attention, implementation="einsum"), inputs, segments)
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    assert all(jnp.abs(one - other).max() < 5e-5 for one, other in pairs)


@pytest.mark.slow
def test_the_splash_kernel_runs_on_every_devices_rows_and_heads() -> None:
    inputs, segments = _inputs(128, 4, 2, 16, rows=4), _segments(128, rows=4)
    expected = causal_attention(*inputs, segments, implementation="einsum")
    with jax.set_mesh(make_mesh(MeshSettings(2, 2, 2))):
        attend = jax.jit(partial(flash.splash_attention, interpret=True))
        found = attend(*inputs, segments)
        assert "all-gather" not in attend.lower(*inputs, segments).compile().as_text()
    np.testing.assert_allclose(found, expected, atol=5e-5, rtol=0)


def test_cpu_takes_the_einsum() -> None:
    if jax.default_backend() != "cpu":
        pytest.skip("on CPU only")
    assert flash.suitable(_inputs(128, 4, 2, 64)[0]) == "einsum"


@pytest.mark.skipif(not has_gpu, reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("shape", [(128, 4, 2, 64), (150, 2, 2, 16), (130, 3, 1, 128)])
@pytest.mark.parametrize("packed", [True, False])
def test_cudnns_kernel_equals_the_einsum(shape: tuple[int, ...], packed: bool) -> None:
    inputs = _inputs(*shape)
    halves = [x.astype(jnp.bfloat16) for x in inputs]
    segments = _segments(shape[0]) if packed else None
    assert flash.suitable(halves[0]) == "cudnn"
    assert flash.suitable(inputs[0]) == "einsum"
    found = _both(flash.cudnn_attention, halves, segments)
    exact = [x.astype(jnp.float32) for x in halves]
    expected = _both(partial(causal_attention, implementation="einsum"), exact, segments)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        error = jnp.linalg.norm(ours.astype(jnp.float32) - theirs) / jnp.linalg.norm(theirs)
        assert error < 0.02


@pytest.fixture
def _some_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lowering asks for cuDNN's version, which only a machine with a GPU has."""
    from jax._src.cudnn import fused_attention_stablehlo

    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91000)


CONFIG = LlamaConfig(256, 256, 256, 2, 4, 2, dtype="bfloat16")
TOKENS = jax.ShapeDtypeStruct((4, 256), jnp.int32)


def _loss(config: LlamaConfig, params: Any, tokens: Any, segment_ids: Any) -> jax.Array:
    positions = jnp.broadcast_to(jnp.arange(256), tokens.shape)
    hidden, _ = Llama(config).apply({"params": params}, tokens, positions, segment_ids)
    return unembed(params, hidden).mean()


def _param_shapes(config: LlamaConfig) -> Any:
    return jax.eval_shape(partial(init_params, config), jax.random.key(0))


@pytest.mark.parametrize(
    ("attention", "kept"),
    [
        ("einsum", [("bfloat16", (4, 256, 4, 64))]),
        ("cudnn", [("bfloat16", (4, 256, 4, 64)), ("float32", (4, 4, 256))]),
        ("splash", [("bfloat16", (4, 4, 256, 64)), ("float32", (4, 4, 256))]),
    ],
)
@pytest.mark.usefixtures("_some_cudnn")
def test_save_attention_keeps_what_attentions_backward_pass_needs_and_nothing_else(
    attention: str, kept: list[tuple[str, tuple[int, ...]]]
) -> None:
    """Its output once, and the log-sum-exp of the scores; without it, a kernel would run again."""

    def residuals(remat: str) -> Counter[tuple[str, tuple[int, ...]]]:
        config = replace(CONFIG, attention=attention, remat=remat, scan_layers=False, num_layers=1)
        shapes = _param_shapes(config)
        forward = partial(_loss, config)
        backward = jax.eval_shape(lambda p, t: jax.vjp(forward, p, t, t)[1], shapes, TOKENS)
        return Counter((leaf.dtype.name, leaf.shape) for leaf in jax.tree.leaves(backward))

    assert sorted((residuals("save_attention") - residuals("full")).elements()) == kept


@pytest.mark.parametrize(("remat", "forwards"), [("none", 1), ("save_attention", 1), ("full", 2)])
@pytest.mark.usefixtures("_some_cudnn")
def test_a_step_lowered_for_an_nvidia_gpu_calls_cudnns_kernels(remat: str, forwards: int) -> None:
    config = replace(CONFIG, attention="cudnn", remat=remat)
    step = jax.jit(jax.grad(partial(_loss, config)))
    lowered = step.trace(_param_shapes(config), TOKENS, TOKENS).lower(lowering_platforms=("cuda",))
    text = lowered.as_text()
    assert text.count("@__cudnn$fmhaScaleBiasSoftmax(") == forwards
    assert text.count("@__cudnn$fmhaScaleBiasSoftmaxBackward(") == 1
    assert text.count("CAUSAL") == forwards + 1


@pytest.mark.slow
@pytest.mark.parametrize(("remat", "kernels"), [("none", 3), ("save_attention", 3), ("full", 4)])
def test_a_step_compiled_for_a_tpu_slice_takes_the_splash_kernel(
    monkeypatch: pytest.MonkeyPatch, remat: str, kernels: int
) -> None:
    """Forwards and two backwards; forwards again only where nothing of it was kept."""
    pytest.importorskip("libtpu")
    from jax.experimental import topologies

    monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "1")
    topology = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2")
    mesh = make_mesh(MeshSettings(1, 2, 2), list(topology.devices))
    config = replace(CONFIG, remat=remat)
    shapes = _param_shapes(config)
    params = jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
        shapes,
        param_shardings(shapes, mesh),
    )
    rows = jax.ShapeDtypeStruct(TOKENS.shape, TOKENS.dtype, sharding=batch_sharding(mesh))
    with jax.set_mesh(mesh):
        compiled = jax.jit(jax.grad(partial(_loss, config))).lower(params, rows, rows).compile()
    assert compiled.as_text().count("tpu_custom_call") == kernels
