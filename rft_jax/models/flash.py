"""Flash attention, which never stores all scores: cuDNN's on NVIDIA GPUs, Pallas splash on TPUs.

Both have the contract of `attention.causal_attention` and run on each device independently: rows of
the batch and heads are split over the mesh, without communication. What their backward passes need
of the forward pass (the output and the log-sum-exp of each row of scores) is named, so that
`keep_attention` can save it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

_LANES = 128  # columns that the splash kernel processes together
_BLOCKS = (512, 256, _LANES)  # the largest that divides the length is used, for all of these
_BLOCKED = ("q", "kv", "kv_compute", "q_dkv", "kv_dkv", "kv_dkv_compute", "q_dq", "kv_dq")

KEPT = "attention"  # the name of what `keep_attention` saves
_CUDNN_FORWARD = "dot_product_attention_fwd_wrapper"  # JAX's primitive, whose results have no name

Attend = Callable[[Array, Array, Array, Array], Array]


def suitable(query: Float[Array, "B T H K"]) -> str:
    """'splash' on TPU, 'cudnn' on NVIDIA where it has a kernel, 'einsum' elsewhere.

    For a step that is compiled for another machine's mesh, what suits that machine.
    """
    device = getattr(jax.sharding.get_abstract_mesh(), "abstract_device", None)
    if getattr(device, "platform", jax.default_backend()) == "tpu":
        return "splash"
    is_cuda = "cuda" in jax.devices()[0].client.platform_version.lower()
    return "cudnn" if is_cuda and _cudnn_fits(query) else "einsum"


def _cudnn_fits(query: Float[Array, "B T H K"]) -> bool:
    """Whether cuDNN has a kernel: half precision, its head widths, an even length."""
    length, width = query.shape[1], query.shape[3]
    half = query.dtype in (jnp.bfloat16, jnp.float16)
    return half and width % 8 == 0 and width <= 128 and length % 2 == 0


def keep_attention(primitive: Any, *avals: Any, **params: Any) -> Any:
    """A policy for `jax.checkpoint`: the backward pass recomputes everything but attention."""
    named = jax.checkpoint_policies.save_only_these_names(KEPT)
    return primitive.name == _CUDNN_FORWARD or named(primitive, *avals, **params)


def cudnn_attention(
    query: Float[Array, "B T H K"],
    keys: Float[Array, "B T N K"],
    values: Float[Array, "B T N K"],
    segment_ids: Int[Array, "B T"] | None,
) -> Float[Array, "B T H K"]:
    """cuDNN's flash attention; segments become a mask that all heads share."""

    def attend(query: Array, keys: Array, values: Array, segments: Array) -> Array:
        same = (segments[:, None, :, None] == segments[:, None, None, :]) if masked else None
        return jax.nn.dot_product_attention(
            query, keys, values, mask=same, is_causal=True, implementation="cudnn"
        )

    masked = segment_ids is not None
    return _per_device(attend, query, keys, values, segment_ids)


def splash_attention(
    query: Float[Array, "B T H K"],
    keys: Float[Array, "B T N K"],
    values: Float[Array, "B T N K"],
    segment_ids: Int[Array, "B T"] | None,
    interpret: bool = False,
) -> Float[Array, "B T H K"]:
    """The splash kernel; blocks that the causal mask hides are not computed.

    Args:
      interpret: run the kernel's steps one by one on any platform, for tests.
    """
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    def attend(query: Array, keys: Array, values: Array, segments: Array) -> Array:
        length, heads = query.shape[1:3]
        mask = masks.MultiHeadMask([masks.CausalMask((length, length))] * heads)
        block = next(size for size in _BLOCKS if length % size == 0)
        sizes: dict[str, Any] = {f"block_{name}": block for name in _BLOCKED}
        kernel = splash.make_splash_mha(
            mask,
            block_sizes=splash.BlockSizes(**sizes),
            head_shards=1,
            q_seq_shards=1,
            residual_checkpoint_name=KEPT,
            interpret=interpret,
        )
        by_head = [jnp.swapaxes(x, 1, 2) for x in (query, keys, values)]
        ids = splash.SegmentIds(segments, segments)
        return jnp.swapaxes(jax.vmap(kernel)(*by_head, ids), 1, 2)

    # The kernel does not scale the scores, and needs whole lanes of columns: the padding comes
    # after every real token, so none of them attends to it.
    missing = -query.shape[1] % _LANES
    scaled = (query * query.shape[-1] ** -0.5, keys, values)
    query_, keys_, values_ = (jnp.pad(x, ((0, 0), (0, missing), (0, 0), (0, 0))) for x in scaled)
    if segment_ids is not None:
        segment_ids = jnp.pad(segment_ids, ((0, 0), (0, missing)))
    mixed = _per_device(attend, query_, keys_, values_, segment_ids)
    return mixed[:, : query.shape[1]]


def _per_device(
    attend: Attend, query: Array, keys: Array, values: Array, segment_ids: Array | None
) -> Array:
    """Runs `attend` on each device's rows and heads, or on all outside a mesh."""
    if segment_ids is None:
        segment_ids = jnp.ones(query.shape[:2], jnp.int32)
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or "fsdp" not in mesh.axis_names:
        return attend(query, keys, values, segment_ids)
    rows = (
        ("data", "fsdp")
        if query.shape[0] % (mesh.shape["data"] * mesh.shape["fsdp"]) == 0
        else None
    )
    heads = "tensor" if keys.shape[2] % mesh.shape["tensor"] == 0 else None
    spec = P(rows, None, heads, None)
    return jax.shard_map(
        attend, in_specs=(spec, spec, spec, P(rows)), out_specs=spec, check_vma=False
    )(query, keys, values, segment_ids)
