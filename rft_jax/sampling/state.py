"""What decoding is specialised to, what it changes, and what it reports.

Every array of the state has rows along its first axis: slots, or groups of slots. On a mesh the
rows lie over `data` and `fsdp` (over `data` alone, where `fsdp` splits the weights).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int, UInt

from rft_jax.models import kv_cache
from rft_jax.models.config import LlamaConfig
from rft_jax.models.kv_cache import KVCache
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import Method

IDLE = -1
Rows = Array | np.ndarray


@dataclass(frozen=True)
class Program:
    """Everything that the compiled functions are specialised to.

    Attributes:
      config: of the model, with `scan_layers` off.
      method: how a token is drawn.
      eos_ids: tokens that end a response.
      geometry: slots, groups, columns; on a mesh, of all devices together.
      mesh: devices.
      row_axes: axes of the mesh that rows lie over.
    """

    config: LlamaConfig
    method: Method
    eos_ids: tuple[int, ...]
    geometry: Geometry
    mesh: Mesh
    row_axes: tuple[str, ...] = ("data", "fsdp")

    @property
    def shards(self) -> int:
        """Parts that the rows are split into."""
        return math.prod(self.mesh.shape[axis] for axis in self.row_axes)

    @property
    def local(self) -> Geometry:
        """The geometry of one part."""
        return replace(self.geometry, slots=self.geometry.slots // self.shards)

    def sharded(
        self, function: Callable[..., Any], inputs: Any, outputs: Any
    ) -> Callable[..., Any]:
        """The function over every part's own rows; what it sums over `row_axes` crosses them."""
        return jax.shard_map(
            function,
            mesh=self.mesh,
            in_specs=inputs,
            out_specs=outputs,
            axis_names=set(self.row_axes),
            check_vma=False,
        )


@flax.struct.dataclass
class Tasks:
    """What groups work at: a row each; a row with count 0 is nothing.

    Attributes:
      prompts: prompt tokens without the last, padded to the bucket.
      prompt_lengths: how many of them count.
      last_tokens: the prompts' last tokens.
      keys: the problems' keys for drawing.
      first: sample index of the first sample.
      count: how many samples to draw, at most the geometry's `task`.
    """

    prompts: Int[Rows, "rows P"]
    prompt_lengths: Int[Rows, " rows"]
    last_tokens: Int[Rows, " rows"]
    keys: UInt[Rows, "rows 2"]
    first: Int[Rows, " rows"]
    count: Int[Rows, " rows"]


@flax.struct.dataclass
class State:
    """Everything that decoding changes; it goes in, is donated, and comes out.

    Attributes:
      cache: keys and values of the groups' prompts and of the slots' samples.
      sample: the slot's sample, counted from its task's first; -1 in an idle slot.
      token: the token that the slot decodes next.
      last_tokens, keys, first, count: of the task in a group's place, see Tasks.
      started: samples of the task that slots have begun.
      finished: samples of the task that are complete.
      tokens: what was drawn, by place, sample and position; -1 where nothing was.
      logprobs: of the same, at temperature 1.
    """

    cache: KVCache
    sample: Int[Array, " slots"]
    token: Int[Array, " slots"]
    last_tokens: Int[Array, "groups prompts"]
    keys: UInt[Array, "groups prompts 2"]
    first: Int[Array, "groups prompts"]
    count: Int[Array, "groups prompts"]
    started: Int[Array, "groups prompts"]
    finished: Int[Array, "groups prompts"]
    tokens: Int[Array, "groups prompts task columns"]
    logprobs: Float[Array, "groups prompts task columns"]


@flax.struct.dataclass
class Report:
    """What the host looks at after a chunk, the same on all hosts.

    Attributes:
      complete: places whose task is done and not yet collected.
      hungry: groups without a sample to start and with a place for another task.
      active: slots that are drawing.
      steps: decoding steps made.
      busy: slots that were drawing, summed over the steps.
    """

    complete: Bool[Array, "groups prompts"]
    hungry: Bool[Array, " groups"]
    active: Int[Array, ""]
    steps: Int[Array, ""]
    busy: Int[Array, ""]


def state_specs(state: State, rows: tuple[str, ...]) -> Any:
    """Where the state's arrays lie: rows over these axes, what all have in common everywhere."""

    def spec(path: tuple[Any, ...], leaf: Array) -> P:
        return P(rows) if leaf.ndim and not _lies_in(path, "common") else P()

    return jax.tree_util.tree_map_with_path(spec, state)


def _lies_in(path: tuple[Any, ...], *fields: str) -> bool:
    return any(getattr(key, "name", "") in fields for key in path)


@partial(jax.jit, static_argnames=("program", "bucket"))
def init_state(program: Program, bucket: int) -> State:
    """All slots idle, for prompts of at most `bucket` tokens beside the last."""
    shardings = jax.tree.map(lambda x: x.sharding, abstract_state(program, bucket))
    return jax.lax.with_sharding_constraint(_zero_state(program, bucket), shardings)


def abstract_state(program: Program, bucket: int) -> Any:
    """The state's shapes and shardings; kv heads lie over `tensor`, where it divides them."""
    mesh = program.mesh

    def placed(path: tuple[Any, ...], leaf: Any) -> jax.ShapeDtypeStruct:
        rows = None if _lies_in(path, "common") else program.row_axes
        spec: list[Any] = [rows] if leaf.ndim else []
        is_layer = _lies_in(path, "prefix", "suffix", "common")
        if is_layer and leaf.shape[1] % mesh.shape["tensor"] == 0:
            spec.append(("tensor",))
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, P(*spec)))

    shapes = jax.eval_shape(partial(_zero_state, program, bucket))
    return jax.tree_util.tree_map_with_path(placed, shapes)


def _zero_state(program: Program, bucket: int) -> State:
    geometry = program.geometry
    places = (geometry.groups, geometry.prompts)
    drawn = (*places, geometry.task, geometry.columns)

    def zeros() -> Array:
        return jnp.zeros(places, jnp.int32)

    return State(
        cache=kv_cache.empty_cache(
            program.config,
            geometry.slots,
            geometry.columns,
            geometry.groups,
            bucket,
            geometry.prompts,
            common_columns=geometry.common,
            ring=geometry.ring,
            int8=geometry.int8,
        ),
        sample=jnp.full(geometry.slots, IDLE, jnp.int32),
        token=jnp.zeros(geometry.slots, jnp.int32),
        last_tokens=zeros(),
        keys=jnp.zeros((*places, 2), jnp.uint32),
        first=zeros(),
        count=zeros(),
        started=zeros(),
        finished=zeros(),
        tokens=jnp.full(drawn, -1, jnp.int32),
        logprobs=jnp.zeros(drawn, jnp.float32),
    )


def decoding_config(config: LlamaConfig, dtype: str) -> LlamaConfig:
    """The model as the loop runs it: every layer compiled by itself, nothing recomputed."""
    return replace(config, scan_layers=False, remat="none", dtype=dtype, param_dtype=dtype)
