"""Measurements of benchmarks/sampling.py: steady state, single steps, peak speeds."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sampling_models import (
    COLUMNS,
    EOS,
    PROMPT,
    SHAPES,
    START,
    make_params,
    make_requests,
    mean_filled,
)

from rft_jax.models.llama import Params
from rft_jax.sampling.decode import decode_chunk
from rft_jax.sampling.geometry import Geometry, Hardware, memory_needed
from rft_jax.sampling.methods import TemperatureSampling
from rft_jax.sampling.placement import params_placer, sampling_mesh
from rft_jax.sampling.program import Program, decoding_config
from rft_jax.sampling.requests import Counters, Request
from rft_jax.sampling.scheduler import Scheduler
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.state import State, idle_state

WARM_STEPS = 300  # then samples of all lengths have ended, and slots are at random positions


@dataclass
class Ours:
    """Our sampler with one geometry, its weights by layer."""

    params: Params
    program: Program

    def draw(self, requests: list[Request]) -> Counters:
        """Samples all requests and returns the counters."""
        scheduler = Scheduler(self.params, self.program)
        for _ in scheduler.run(requests):
            pass
        return scheduler.counters

    def steady(self, requests: list[Request], args: argparse.Namespace) -> Iterator[Counters]:
        """What is done in windows of `args.seconds`, one after the other, in the steady state.

        Args:
          requests: more than are done in the time.
        """
        groups = self.program.geometry.groups
        staggered = [
            replace(one, num_samples=-(-one.num_samples * (i + 1) // groups))
            for i, one in enumerate(requests[:groups])
        ]
        scheduler = Scheduler(self.params, self.program)
        run = scheduler.run(staggered + requests[groups:])
        next(run), next(run)  # compiles; the first problems are prefilled, a chunk is done
        end = time.perf_counter() + args.warm
        while scheduler.counters.steps < WARM_STEPS and time.perf_counter() < end:
            next(run)
        while True:
            began, before = time.perf_counter(), replace(scheduler.counters)
            while time.perf_counter() - began < args.seconds:
                next(run)
            yield _since(before, scheduler.counters, time.perf_counter() - began)


def _since(before: Counters, now: Counters, seconds: float) -> Counters:
    busy = now.busy_slot_steps - before.busy_slot_steps
    return Counters(
        prefills=now.prefills - before.prefills,
        tokens=busy,
        steps=now.steps - before.steps,
        slot_steps=now.slot_steps - before.slot_steps,
        busy_slot_steps=busy,
        seconds=seconds,
    )


def ours(args: argparse.Namespace, params: Params, geometry: Geometry, method: Any = None) -> Ours:
    """A program for the geometry, with placed weights."""
    mesh = sampling_mesh(SampleSettings(), None)
    config = decoding_config(SHAPES[args.shape], args.dtype)
    return Ours(params, Program(config, method or TemperatureSampling(1.0), (EOS,), geometry, mesh))


def placed(args: argparse.Namespace, params: Params) -> Params:
    """Weights by layer, as the decoding loop needs them; computed once."""
    mesh = sampling_mesh(SampleSettings(), None)
    rows = ("data", "fsdp")
    place = params_placer(params, SHAPES[args.shape].num_layers, args.dtype, mesh, rows)
    return place(params)


def made_params(args: argparse.Namespace) -> Params:
    """The benchmark's weights on the devices, without another copy in memory."""
    return placed(args, make_params(SHAPES[args.shape], args.dtype))


def geometry(args: argparse.Namespace, group: int = 8) -> Geometry:
    """The sampler's own choice for prompts of one length, but for slots, group and chunk."""
    return Geometry(
        slots=args.slots,
        group=group,
        prompts=1 if group == 1 else 2,
        refill=max(1, args.slots // group // 16),
        chunk=16,
        columns=COLUMNS,
        task=min(args.k, 128),
        buckets=(PROMPT - 1,),
        int8=args.int8,
    )


def many_requests(args: argparse.Namespace) -> list[Request]:
    """More requests than a steady run finishes."""
    return make_requests(SHAPES[args.shape], max(2048, 8 * args.slots), args.k)


def compare(runs: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median result of each run, interleaved."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            found[name].append(run())
    return {name: statistics.median(values) for name, values in found.items()}


def speed(counters: Counters) -> float:
    """Tokens per second."""
    return counters.tokens / counters.seconds


def step_seconds(programs: dict[str, Ours], steps: int = 4, rounds: int = 5) -> dict[str, float]:
    """Median seconds of one step with every slot busy, half its columns filled; interleaved."""
    for program in programs.values():
        _timed_step(program, steps)  # compiles
    return compare(
        {name: partial(_timed_step, one, steps) for name, one in programs.items()}, rounds
    )


def _timed_step(program: Ours, steps: int) -> float:
    one, state = busy(program.program, steps)
    jax.block_until_ready(state)
    began = time.perf_counter()
    state, report = decode_chunk(program.params, state, np.bool_(False), program=one)
    jax.block_until_ready(state)
    assert int(report.steps) == steps
    return (time.perf_counter() - began) / steps


def busy(program: Program, steps: int) -> tuple[Program, State]:
    """The program with chunks of so many steps, and a state with every slot half filled."""
    one = replace(program, geometry=replace(program.geometry, chunk=steps))
    one = replace(one, eos_ids=(-1,))
    cells = (one.geometry.groups, one.geometry.prompts)
    state = idle_state(one, one.geometry.buckets[0])
    lengths = jnp.full_like(state.cache.lengths, COLUMNS // 2)
    prefix_lengths = jnp.full(cells, PROMPT - 1)
    state = replace(
        state,
        count=jnp.full(cells, one.geometry.task),
        last_tokens=jnp.full(cells, START),
        cache=replace(state.cache, prefix_lengths=prefix_lengths, lengths=lengths),
    )
    return one, state


def step_bytes(program: Program, dtype: str) -> float:
    """Bytes that a step reads: weights, each group's prompt, tokens sampled so far."""
    config, geometry = program.config, program.geometry
    settings = SampleSettings(dtype=dtype, cache_dtype="int8" if geometry.int8 else "")
    one_prompt = replace(geometry, prompts=1)
    needed = memory_needed(config, settings, one_prompt, Hardware())
    filled = mean_filled() / geometry.columns
    return needed["weights"] + needed["prompts"] + filled * needed["responses"]


def bytes_per_second(size: int = 2**28) -> float:
    """Bytes per second of reading an array from memory and writing it back."""
    x = _plus_one(jnp.zeros(size, jnp.float32)).block_until_ready()
    began = time.perf_counter()
    x = _plus_one(x).block_until_ready()
    return 2 * x.nbytes / (time.perf_counter() - began)


@partial(jax.jit, donate_argnums=0)
def _plus_one(x: jax.Array) -> jax.Array:
    return x + 1


def matmul_flops(dtype: str, rows: int, inner: int, columns: int) -> float:
    """FLOPs per second of products of these sizes, over a GB of different weights."""
    size = inner * columns * jnp.dtype(dtype).itemsize
    count = max(2, min(32, 2**30 // size))
    weights = [jnp.full((inner, columns), 1 / inner, dtype) for _ in range(count)]
    x = jnp.ones((rows, inner), dtype)
    jax.block_until_ready(_products(x, weights))
    began = time.perf_counter()
    jax.block_until_ready(_products(x, weights))
    return count * 2 * rows * inner * columns / (time.perf_counter() - began)


@jax.jit
def _products(x: jax.Array, weights: list[jax.Array]) -> list[jax.Array]:
    return [x @ one for one in weights]
