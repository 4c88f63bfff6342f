"""Names of slices: `v5e:4x4` (a topology), `v5e-16` (a product), `h100:8` (a number of GPUs)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from rft_jax.devices.chips import CHIPS, Chip
from rft_jax.errors import UserError

Grid = tuple[int, ...]

# Slices that Cloud TPU offers. Of v5e and v6e these are all; of v4 and v5p larger ones are grids of
# multiples of 4 in ascending order, up to a number of chips.
_FLAT: tuple[Grid, ...] = (
    (1, 1),
    (2, 2),
    (2, 4),
    (4, 4),
    (4, 8),
    (8, 8),
    (8, 16),
    (16, 16),
)
_SMALL_CUBES: tuple[Grid, ...] = ((2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4))
_MOST_CHIPS = {"v4": 4096, "v5p": 6144}
_ALIASES = {"v5litepod": "v5e"}


@dataclass(frozen=True)
class Topology:
    """Connected chips of one kind.

    Attributes:
      chip: their kind.
      shape: their grid; a single number for chips joined by a switch.
    """

    chip: Chip
    shape: Grid

    @property
    def num_chips(self) -> int:
        """Number of chips."""
        return math.prod(self.shape)

    @property
    def is_tpu(self) -> bool:
        """Whether libtpu can compile for it."""
        return self.chip.dimensions > 0

    @property
    def name(self) -> str:
        """The value of `--topology`, e.g. `v5e:4x4`."""
        return f"{self.chip.name}:{_text(self.shape)}"


def parse_topology(text: str) -> Topology:
    """The slice with a name.

    Args:
      text: a topology (`v5e:4x4`), a product (`v5e-16`, `v5p-128`) or GPUs (`h100:8`).

    Raises:
      UserError: an unknown chip, or a slice that is not offered.
    """
    match = re.fullmatch(r"([a-z0-9]+)([:-])([0-9]+(?:x[0-9]+)*)", text.strip().lower())
    kind = _ALIASES.get(match[1], match[1]) if match else ""
    if match is None or kind not in CHIPS:
        raise UserError(
            f"topology {text!r}: write v5e:4x4, v5p:4x4x4, a product such as v5e-16, or h100:8; "
            f"known chips: {', '.join(CHIPS)}"
        )
    chip, numbers = CHIPS[kind], tuple(map(int, match[3].split("x")))
    if match[2] == "-" and len(numbers) == 1:
        return Topology(chip, _product_grid(chip, numbers[0], text))
    if len(numbers) != (chip.dimensions or 1) or 0 in numbers or match[2] == "-":
        example = {0: "8", 2: "4x4", 3: "4x4x4"}[chip.dimensions]
        raise UserError(f"topology {text!r}: a slice of {kind} is written {kind}:{example}")
    _check_grid(chip, numbers, text)
    return Topology(chip, numbers)


def _check_grid(chip: Chip, grid: Grid, text: str) -> None:
    """Refuses a grid that is not offered."""
    if chip.dimensions == 2 and grid not in _FLAT:
        raise UserError(
            f"topology {text!r}: no such slice; {chip.name} has {', '.join(map(_text, _FLAT))}"
        )
    if chip.dimensions == 3 and grid not in _SMALL_CUBES:
        most = _MOST_CHIPS[chip.name]
        is_ascending = list(grid) == sorted(grid)
        if not is_ascending or any(size % 4 for size in grid) or math.prod(grid) > most:
            raise UserError(
                f"topology {text!r}: no such slice; {chip.name} has "
                f"{', '.join(map(_text, _SMALL_CUBES))}, and grids of multiples of 4 in ascending "
                f"order, such as 4x4x8, of at most {most:,} chips"
            )


def _product_grid(chip: Chip, number: int, text: str) -> Grid:
    """The default grid of a product; its number counts cores on some chips."""
    if not chip.dimensions and number:
        return (number,)
    grids = {chip.cores * math.prod(grid): grid for grid in product_grids(chip)}
    if number not in grids:
        raise UserError(
            f"topology {text!r}: no such product; {chip.name} has "
            f"{', '.join(map(str, grids)) or 'products of 1 GPU or more'}"
        )
    return grids[number]


def product_grids(chip: Chip) -> list[Grid]:
    """The most cube-like grid of each power of two of chips, smallest first; none for GPUs."""
    if chip.dimensions != 3:
        return list(_FLAT) if chip.dimensions else []
    exponents = range(6, _MOST_CHIPS[chip.name].bit_length())
    cubes = [tuple(2 ** ((n + axis) // 3) for axis in range(3)) for n in exponents]
    return [*_SMALL_CUBES, *cubes]


def _text(grid: Grid) -> str:
    return "x".join(map(str, grid))
