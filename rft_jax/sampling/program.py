"""What the compiled functions of decoding are specialised to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from rft_jax.models.config import LlamaConfig
from rft_jax.models.kv_cache import KVCache
from rft_jax.models.llama import Llama, Params
from rft_jax.models.rope import Angles
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import Method


@dataclass(frozen=True)
class Program:
    """Everything that the compiled functions are specialised to.

    Attributes:
      config: the model's, with `scan_layers` off; see `decoding_config`.
      method: how a token is chosen from logits.
      eos_ids: tokens that end a response.
      geometry: sizes of the decoding state, on a mesh those of all devices together.
      mesh: the devices.
      row_axes: axes of the mesh that slots (and groups of slots) are split over.
      pauses_at: tokens behind which a slot waits for forced tokens, see `forcing`; () for none.
    """

    config: LlamaConfig
    method: Method
    eos_ids: tuple[int, ...]
    geometry: Geometry
    mesh: Mesh
    row_axes: tuple[str, ...] = ("data", "fsdp")
    pauses_at: tuple[int, ...] = ()
    queue: ClassVar[int] = 32  # forced tokens that a slot's queue holds

    @property
    def shards(self) -> int:
        """How many shards the slots are split into."""
        return math.prod(self.mesh.shape[axis] for axis in self.row_axes)

    @property
    def local(self) -> Geometry:
        """The geometry of one shard."""
        return replace(self.geometry, slots=self.geometry.slots // self.shards)

    @property
    def columns_first(self) -> bool:
        """Whether the state stores a ring with its columns first, see `state`.

        A TPU's loop wants that if each query head has its own kv head: attention is then computed
        without a matrix product, with slots along the vector lanes.
        """
        return self.geometry.ring and self.config.num_heads == self.config.num_kv_heads

    def sharded(
        self, function: Callable[..., Any], inputs: Any, outputs: Any
    ) -> Callable[..., Any]:
        """The function over each shard's own rows; a sum over `row_axes` crosses shards.

        Args:
          inputs: PartitionSpecs of the function's arguments.
          outputs: PartitionSpecs of its results.
        """
        return jax.shard_map(
            function,
            mesh=self.mesh,
            in_specs=inputs,
            out_specs=outputs,
            axis_names=set(self.row_axes),
            check_vma=False,
        )

    def forward(
        self,
        params: Params,
        tokens: Int[Array, "B T"],
        positions: Int[Array, "B T"],
        cache: KVCache,
        angles: Angles | None = None,
    ) -> tuple[Float[Array, "B T D"], KVCache]:
        """The model's hidden states of new tokens, and the cache with them in it."""
        model = Llama(self.config)
        hidden, cache = model.apply({"params": params}, tokens, positions, None, cache, angles)  # type: ignore
        return hidden, cache


def decoding_config(config: LlamaConfig, dtype: str) -> LlamaConfig:
    """The model as decoding runs it: each layer compiled by itself, nothing rematerialised."""
    return replace(config, scan_layers=False, remat="none", dtype=dtype, param_dtype=dtype)
