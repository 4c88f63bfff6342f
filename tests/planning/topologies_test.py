"""Names of slices, and of the products that are slices."""

from __future__ import annotations

import pytest

from rft_jax.errors import UserError
from rft_jax.planning.topologies import parse_topology


@pytest.mark.parametrize(
    ("text", "name", "chips"),
    [
        ("v5e:4x4", "v5e:4x4", 16),
        ("v5e-16", "v5e:4x4", 16),
        ("v5litepod-256", "v5e:16x16", 256),
        ("v6e-8", "v6e:2x4", 8),
        ("v5e-1", "v5e:1x1", 1),
        ("v5p-8", "v5p:2x2x1", 4),
        ("v5p-128", "v5p:4x4x4", 64),
        ("v4-16", "v4:2x2x2", 8),
        ("v4-32", "v4:2x2x4", 16),
        ("v4-64", "v4:2x4x4", 32),
        ("v4-1024", "v4:8x8x8", 512),
        ("V5P:4x4x12", "v5p:4x4x12", 192),
        ("v5p:16x16x24", "v5p:16x16x24", 6144),
        ("v5p-8192", "v5p:16x16x16", 4096),
        ("h100:8", "h100:8", 8),
        ("a100-4", "a100:4", 4),
    ],
)
def test_a_topology_or_product_is_a_grid_of_chips(text: str, name: str, chips: int) -> None:
    topology = parse_topology(text)
    assert (topology.name, topology.num_chips) == (name, chips)


def test_libtpu_compiles_for_tpus_and_not_for_gpus() -> None:
    assert parse_topology("v5e:2x2").is_tpu
    assert not parse_topology("h200:8").is_tpu


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v9:4x4", "known chips: v4, v5e"),
        ("v5e", "write v5e:4x4"),
        ("", "write v5e:4x4"),
        ("v5e:4x4x4", "is written v5e:4x4"),
        ("v5p:4x4", "is written v5p:4x4x4"),
        ("v5e:0x4", "is written v5e:4x4"),
        ("h100:2x4", "is written h100:8"),
        ("h100:0", "is written h100:8"),
        ("h100-0", "no such product"),
        ("v5e-12", "no such product; v5e has 1, 4, 8, 16"),
        ("v5p-9", "no such product; v5p has 8, 16"),
        ("v5p-2", "no such product"),
        ("v5e:3x9", "no such slice; v5e has 1x1, 2x2, 2x4, 4x4, 4x8, 8x8, 8x16, 16x16"),
        ("v6e:4x2", "no such slice; v6e has 1x1"),
        ("v5e:16x32", "no such slice"),
        ("v5p:4x4x6", "no such slice; v5p has 2x2x1, 2x2x2, 2x2x4, 2x4x4, and grids of multiples"),
        ("v5p:3x3x3", "multiples of 4 in ascending order, such as 4x4x8, of at most 6,144 chips"),
        ("v4:8x4x4", "no such slice"),
        ("v4:16x16x20", "at most 4,096 chips"),
    ],
)
def test_an_unknown_slice_is_refused_with_the_known_ones(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_topology(text)
