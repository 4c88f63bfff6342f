"""Milliseconds of a decoding step by part of the model, by XLA's own trace."""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from collections import Counter
from pathlib import Path

import jax
import numpy as np
from sampling_measures import Ours, busy

from rft_jax.sampling.decode import decode_chunk

_OPERATION = re.compile(r"^\s*(?:ROOT )?%(\S+) = .*?[\]})] ([\w-]+)\(", re.M)
_METADATA = re.compile(r'^\s*(?:ROOT )?%(\S+) = .*op_name="([^"]*)" stack_frame_id=(\d+)', re.M)
_MODULE = re.compile(r"/Llama/(?:layers_\d+/)?([a-z_]+(?:/(?:[qkvo]|gate|up|down)(?=/))?)/")
_CONTAINERS = ("while", "conditional", "call")
_PACKAGE = "rft_jax"


def step_milliseconds(ours: Ours, steps: int) -> dict[str, float]:
    """Part -> milliseconds of a step, every slot busy, half its columns filled.

    An operation that the compiler has fused of several parts' counts for one of them.

    Args:
      steps: number of steps that are traced.
    """
    program, state = busy(ours.program, steps)
    compiled = decode_chunk.lower(ours.params, state, np.bool_(False), program=program).compile()
    text = compiled.as_text()
    jax.block_until_ready(compiled(ours.params, state, np.bool_(False)))
    _, state = busy(ours.program, steps)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(compiled(ours.params, state, np.bool_(False)))
        (file,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
    parts, kinds = parts_of(text), dict(_OPERATION.findall(text))
    spent: Counter[str] = Counter()
    for event in events:
        operation = event.get("args", {}).get("hlo_op", "")
        if event.get("ph") == "X" and operation and kinds.get(operation) not in _CONTAINERS:
            spent[parts.get(operation, "other")] += event["dur"]
    return {name: spent[name] / 1000 / steps for name, _ in spent.most_common()}


def parts_of(text: str) -> dict[str, str]:
    """Operation -> the model's part that it belongs to, else the package's innermost function.

    Args:
      text: a compiled program, with XLA's tables of files, functions and stack frames.
    """
    files, names = _quoted(text, "FileNames"), _quoted(text, "FunctionNames")
    locations = _numbers(text, "FileLocations", "file_name_id", "function_name_id")
    frames = _numbers(text, "StackFrames", "file_location_id", "parent_frame_id")

    def function(frame: int) -> str:
        location, parent = frames[frame]
        file, name = (
            table[i] for table, i in zip((files, names), locations[location], strict=True)
        )
        if f"/{_PACKAGE}/" in file:
            return f"{Path(file).stem}.{name.split('.')[0]}"
        return "other" if parent == frame else function(parent)

    return {
        operation: _module(path) or function(int(frame))
        for operation, path, frame in _METADATA.findall(text)
    }


def _module(path: str) -> str:
    """`attention/q` of `jit(f)/while/body/Llama/layers_7/attention/q/dot_general`; '' outside."""
    found = _MODULE.search(path)
    return found[1] if found else ""


def _table(text: str, name: str) -> list[str]:
    return text.partition(f"\n{name}\n")[2].partition("\n\n")[0].splitlines()


def _quoted(text: str, table: str) -> dict[int, str]:
    pairs = (line.split(" ", 1) for line in _table(text, table))
    return {int(number): name.strip('"') for number, name in pairs}


def _numbers(text: str, table: str, *keys: str) -> dict[int, tuple[int, ...]]:
    found = {}
    for line in _table(text, table):
        number, _, rest = line.partition(" ")
        given = dict(re.findall(r"(\w+)=(\d+)", rest))
        found[int(number)] = tuple(int(given[key]) for key in keys)
    return found
