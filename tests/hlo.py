"""Collectives of a compiled program, read from its text (HLO of CPU, GPU and TPU).

The TPU compiler writes some collectives in other forms, which count here as what they do:

- A reduce-scatter is a fusion named `all-reduce-scatter`, with an all-reduce and a slice inside.
- A gather that overlaps matrix products is written in its start, in every fusion that it overlaps
  and in its end, with one channel for all of them.
- On a full torus in three dimensions a gather is an all-reduce: every chip writes its shard into
  zeros, and these are summed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

KINDS = {"all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute"}
_HEADER = re.compile(r"(?:ENTRY )?%?([\w.-]+) \(.*\) -> (.*) \{")
_INSTRUCTION = re.compile(r"\s+(ROOT )?%?([\w.-]+) = (.*?) ([a-z][a-z0-9-]*)\((.*)")
_SHAPE = re.compile(r"\w+\[([0-9,]*)\]")
_ON_THE_WAY = ("bitcast", "copy", "copy-start", "copy-done")  # pass an array on unchanged


@dataclass(frozen=True)
class Collective:
    """One exchange between chips.

    Attributes:
      kind: `all-gather`, `all-reduce`, `reduce-scatter`, `all-to-all` or `collective-permute`.
      shapes: of the arrays that one chip receives; of an asynchronous one also those it sends.
    """

    kind: str
    shapes: tuple[tuple[int, ...], ...]

    @property
    def elements(self) -> int:
        """Of all arrays together."""
        return sum(map(math.prod, self.shapes))


@dataclass(frozen=True)
class _Instruction:
    result: str
    operation: str
    rest: str

    @property
    def operands(self) -> list[str]:
        return re.findall(r"%([\w.-]+)", self.rest.split("), ")[0])

    def attribute(self, name: str) -> str:
        match = re.search(rf"\b{name}=%?([\w.-]+)", self.rest)
        return match[1] if match else ""


@dataclass
class _Computation:
    result: str
    instructions: dict[str, _Instruction]
    root: str = ""


def read_collectives(program: str) -> list[Collective]:
    """Every collective of a compiled program once, in the order of its text."""
    computations = _computations(program)
    collectives, seen = [], set()
    for name, computation in computations.items():
        for instruction in computation.instructions.values():
            kind = instruction.operation.removesuffix("-start")
            if kind not in KINDS:
                continue
            channel = instruction.attribute("channel_id")
            if channel and (kind, channel) in seen:
                continue
            seen.add((kind, channel))
            result = instruction.result
            if kind == "all-reduce" and name.startswith("all-reduce-scatter"):
                kind, result = "reduce-scatter", computation.result
            elif kind == "all-reduce" and _gathers(instruction, computation, computations):
                kind = "all-gather"
            collectives.append(Collective(kind, _shapes(result)))
    return collectives


def count_collectives(program: str) -> dict[str, int]:
    """How many collectives of each kind stand in a compiled program."""
    return dict(Counter(collective.kind for collective in read_collectives(program)))


def _computations(program: str) -> dict[str, _Computation]:
    computations: dict[str, _Computation] = {}
    current = _Computation("", {})
    for line in program.splitlines():
        if header := _HEADER.match(line):
            current = computations[header[1]] = _Computation(header[2], {})
        elif match := _INSTRUCTION.match(line):
            is_root, name, *parts = match.groups()
            current.instructions[name] = _Instruction(*parts)
            if is_root:
                current.root = name
    return computations


def _shapes(result: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, s.split(","))) if s else () for s in _SHAPE.findall(result))


def _gathers(
    summed: _Instruction, computation: _Computation, computations: dict[str, _Computation]
) -> bool:
    """Whether each summed array is one chip's shard, written into an array of one value (zero)."""
    return all(_is_shard(name, computation, computations) for name in summed.operands)


def _is_shard(name: str, computation: _Computation, computations: dict[str, _Computation]) -> bool:
    outer = _source(name, computation)
    if outer is None:
        return False
    if outer.operation == "dynamic-update-slice":
        base = _source(outer.operands[0], computation)
        return base is not None and base.operation == "broadcast"
    inside = computations.get(outer.attribute("calls"))
    if outer.operation != "fusion" or inside is None:
        return False
    written = _source(inside.root, inside)
    if written is None or written.operation != "dynamic-update-slice":
        return False
    base = _source(written.operands[0], inside)
    if base is not None and base.operation == "parameter":
        number = int(base.rest.split(")")[0])
        base = _source(outer.operands[number], computation)
    return base is not None and base.operation == "broadcast"


def _source(name: str, computation: _Computation) -> _Instruction | None:
    """The instruction that computes an array, before any copies."""
    instruction = computation.instructions.get(name)
    while instruction is not None and instruction.operation in _ON_THE_WAY:
        instruction = computation.instructions.get(instruction.operands[0])
    return instruction
