"""The state at the start, and where its arrays are on a mesh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.sampling.program import Program
from rft_jax.sampling.state import IDLE, abstract_state, cells_of, idle_state, loaded, stored
from tests.sampling.tiny import GEOMETRY, program

WIDE = replace(GEOMETRY, slots=32, common=4, buckets=(12,))


def test_at_the_start_all_slots_are_idle_and_all_cells_empty() -> None:
    state = idle_state(program(), 16)
    assert (np.asarray(state.sample) == IDLE).all()
    assert not np.asarray(state.count).any()
    assert (np.asarray(state.tokens) == -1).all()
    assert state.tokens.shape == (4, 2, 6, 24)
    assert [layer.prefix[0].num_columns for layer in state.cache.by_layer] == [16, 16]


def test_slots_of_a_group_belong_to_the_cell_that_they_decode_for() -> None:
    state = idle_state(program(), 16)
    state = replace(state, cache=replace(state.cache, prefix_of=np.array([0, 1] * 4, np.int32)))
    group, number = map(np.asarray, cells_of(state))
    assert group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert number.tolist() == [0, 1] * 4


def _specs(part: Any) -> set[P]:
    return {leaf.sharding.spec for leaf in jax.tree.leaves(part)}


@pytest.mark.parametrize("rows", [("data", "fsdp"), ("data",)])
def test_slots_are_split_over_rows_kv_heads_over_tensor_and_what_is_common_is_replicated(
    rows: tuple[str, ...],
) -> None:
    mesh = MeshSettings(data=2, fsdp=2, tensor=2)
    one = program(geometry=WIDE, mesh=mesh, rows=rows)
    state = abstract_state(one, 12)
    assert one.local.slots == 32 // (4 if len(rows) == 2 else 2)
    assert _specs(state.sample) == _specs(state.tokens) == {P(rows)}
    for layer in state.cache.by_layer:
        assert _specs((layer.prefix, layer.suffix)) == {P(rows, "tensor")}
        assert _specs(layer.common) == {P(None, "tensor")}
    assert _specs(state.cache.step) == {P()}


def _ring(mesh: MeshSettings | None = None, int8: bool = False, kv_heads: int = 4) -> Program:
    """A program with a ring; by default with as many kv heads as query heads."""
    one = program(geometry=replace(WIDE, ring=True, int8=int8), mesh=mesh)
    return replace(one, config=replace(one.config, num_kv_heads=kv_heads))


@pytest.mark.parametrize("int8", [False, True])
def test_a_ring_is_stored_with_its_columns_first_and_loaded_as_the_cache_has_it(int8: bool) -> None:
    ring = _ring(int8=int8)
    state = idle_state(ring, 12)
    suffix = state.cache.by_layer[0].suffix[0]
    slots, heads, width, columns = 32, 4, ring.config.head_size, 24
    assert suffix.keys.shape == (columns, heads, width, slots)
    assert suffix.values.shape == (columns, heads, slots, width)
    numbered = jax.tree.map(lambda x: np.arange(x.size).reshape(x.shape), state.cache)
    cache = loaded(numbered, ring)
    assert cache.by_layer[0].suffix[0].keys.shape == (slots, heads, width, columns)
    assert cache.by_layer[0].suffix[0].num_columns == columns
    jax.tree.map(np.testing.assert_array_equal, stored(cache, ring), numbered)
    prefixes = [layer.prefix for layer in cache.by_layer]
    jax.tree.map(np.testing.assert_array_equal, prefixes, [p.prefix for p in numbered.by_layer])


def test_a_ring_of_grouped_queries_is_stored_like_any_cache() -> None:
    suffix = idle_state(_ring(kv_heads=2), 12).cache.by_layer[0].suffix[0]
    assert suffix.keys.shape[::3] == (32, 24)


def test_a_rings_slots_and_heads_are_split_like_those_of_the_cache() -> None:
    mesh = MeshSettings(data=2, fsdp=2, tensor=2)
    state = abstract_state(_ring(mesh), 12)
    rows = ("data", "fsdp")
    suffix = state.cache.by_layer[0].suffix[0]
    assert suffix.keys.sharding.spec == P(None, "tensor", None, rows)
    assert suffix.values.sharding.spec == P(None, "tensor", rows)
    assert state.cache.by_layer[0].prefix[0].keys.sharding.spec == P(rows, "tensor")
