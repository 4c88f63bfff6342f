"""Names of slices: `v5e:4x4` (a topology), `v5e-16` (a product), `h100:8` (so many GPUs)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from rft_jax.devices.chips import CHIPS, Chip
from rft_jax.errors import UserError

# Slices of the two-dimensional kinds, by number of chips.
_FLAT = {
    1: (1, 1),
    4: (2, 2),
    8: (2, 4),
    16: (4, 4),
    32: (4, 8),
    64: (8, 8),
    128: (8, 16),
    256: (16, 16),
}
_ALIASES = {"v5litepod": "v5e"}


@dataclass(frozen=True)
class Topology:
    """Chips of one kind, joined.

    Attributes:
      chip: their kind.
      shape: their grid; a single number where a switch joins them.
    """

    chip: Chip
    shape: tuple[int, ...]

    @property
    def num_chips(self) -> int:
        """Chips in all."""
        return math.prod(self.shape)

    @property
    def is_tpu(self) -> bool:
        """Whether libtpu can compile for it."""
        return self.chip.dimensions > 0

    @property
    def name(self) -> str:
        """As `--topology` takes it, e.g. `v5e:4x4`."""
        return f"{self.chip.name}:{'x'.join(map(str, self.shape))}"


def parse_topology(text: str) -> Topology:
    """The slice that a name stands for.

    Raises:
      UserError: the chip is not known, or there is no such slice of it.
    """
    match = re.fullmatch(r"([a-z0-9]+)([:-])([0-9]+(?:x[0-9]+)*)", text.strip().lower())
    kind = _ALIASES.get(match[1], match[1]) if match else ""
    if match is None or kind not in CHIPS:
        raise UserError(
            f"topology {text!r}: write v5e:4x4, v5p:4x4x4, a product such as v5e-16, or h100:8; "
            f"chips known: {', '.join(CHIPS)}"
        )
    chip, numbers = CHIPS[kind], tuple(map(int, match[3].split("x")))
    if match[2] == "-" and len(numbers) == 1:
        return Topology(chip, _product_shape(chip, numbers[0], text))
    if len(numbers) != (chip.dimensions or 1) or 0 in numbers or match[2] == "-":
        example = {0: "8", 2: "4x4", 3: "4x4x4"}[chip.dimensions]
        raise UserError(f"topology {text!r}: a slice of {kind} is written {kind}:{example}")
    return Topology(chip, numbers)


def _product_shape(chip: Chip, number: int, text: str) -> tuple[int, ...]:
    """The default grid of a product; its number counts cores on some chips."""
    chips = number // chip.cores
    if not chip.dimensions and chips:
        return (chips,)
    if chip.dimensions == 2 and chips in _FLAT:
        return _FLAT[chips]
    if chip.dimensions == 3 and number % chip.cores == 0 and _is_power_of_two(chips):
        if chips == 4:
            return (2, 2, 1)
        exponent = chips.bit_length() - 1
        return tuple(2 ** ((exponent + place) // 3) for place in range(3))
    sizes = [chip.cores * n for n in (_FLAT if chip.dimensions == 2 else (4, 8, 16, 32, 64, 128))]
    raise UserError(
        f"topology {text!r}: no such product; {chip.name} has {', '.join(map(str, sizes))}; or "
        "write the grid itself, such as v5p:4x4x6"
    )


def _is_power_of_two(number: int) -> bool:
    return number >= 4 and number & (number - 1) == 0
