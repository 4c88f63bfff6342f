"""The sampler against `transformers.generate` and against simpler ways of its own, in one run.

Every comparison uses the same weights and prompts, is measured interleaved and reported as the
ratio of medians of useful tokens a second: drawn ones up to each end token, prefill included,
compilation not. The weights are made so that responses have GSM8K's lengths while every product
is computed: output projections of attention and feed-forward are zero, so a token's successor
depends on the token alone; the t-th token of a response is followed by the next one or by the end
token with the probability that GSM8K's lengths have.

  python benchmarks/sampling.py                          all parts for this machine
  python benchmarks/sampling.py --parts refill,prefix    some
  python benchmarks/sampling.py --shape 7b --dtype bfloat16 --parts prefix,speed

parts: generate  transformers.generate at its best batch, and one pass per seed (needs [hf])
       refill    slots that are filled again against static batches of 64
       prefix    groups that share their prompt against slots with a copy each
       top_p     a step that draws by top-p against a greedy one and against one that sorts
       speed     tokens a second, and the share of the device's matrix-product ceiling
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
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
    generate,
    make_params,
    make_requests,
    to_transformers,
)

from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_params, unstack_layers
from rft_jax.sampling.decode import decode_chunk
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import Greedy, Method, Random, draw, probability_masses
from rft_jax.sampling.placement import sampling_mesh
from rft_jax.sampling.requests import Request
from rft_jax.sampling.scheduler import Decoder
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.state import Program, decoding_config, init_state


@dataclass
class Ours:
    """Our sampler with one geometry."""

    params: Params
    program: Program

    def draw(self, requests: list[Request]) -> Decoder:
        """Draws all samples and returns the decoder, which has counted."""
        decoder = Decoder(self.params, self.program)
        for _ in decoder.run(requests):
            pass
        return decoder


def ours(config: LlamaConfig, params: Params, dtype: str, geometry: Geometry, **how: Any) -> Ours:
    """A program for the geometry, its weights by layer."""
    mesh = sampling_mesh(SampleSettings(), None)
    method = how.get("method", Random(1.0))
    program = Program(decoding_config(config, dtype), method, (EOS,), geometry, mesh)
    by_layer = unstack_layers(jax.tree.map(lambda x: x.astype(dtype), params), config.num_layers)
    return Ours(by_layer, program)


def geometry(slots: int, group: int, num_samples: int, **changes: Any) -> Geometry:
    """The default one, for prompts of one length."""
    made = Geometry(
        slots=slots,
        group=group,
        prompts=1 if group == 1 else 2,
        refill=max(1, slots // group // 16),
        chunk=64,
        columns=COLUMNS,
        task=min(num_samples, 128),
        buckets=(PROMPT - 1,),
    )
    return replace(made, **changes)


def compare(runs: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median of each run's useful tokens a second, interleaved; a first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            tokens = run()
            if repeat:
                found[name].append(tokens / (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in found.items()}


def part_generate(args: argparse.Namespace) -> dict[str, Any]:
    """`generate` with num_return_sequences at its best batch, and one pass per seed."""
    config, k = SHAPES[args.shape], args.k
    params = make_params(config)
    requests = make_requests(config, args.problems, k)
    ours_ = ours(config, params, args.dtype, geometry(args.slots, 8, k))
    model = to_transformers(config, params, args.dtype)
    prompts = np.asarray([request.prompt for request in requests])

    def fan_out(questions: int) -> int:
        """Questions of a batch together, k sequences of each."""
        return sum(
            generate(model, prompts[start : start + questions], k)
            for start in range(0, len(prompts), questions)
        )

    def pass_per_seed(batch: int) -> int:
        """The whole data once for every seed, one sequence of each question."""
        return sum(
            generate(model, prompts[start : start + batch], 1)
            for _ in range(k)
            for start in range(0, len(prompts), batch)
        )

    sizes = [n for n in (1, 2, 4, 8) if n <= args.problems]
    trial = compare({str(n): lambda n=n: fan_out(n) for n in sizes}, 1)
    best = int(max(trial, key=trial.__getitem__))
    batch = min(16, args.problems)
    found = compare(
        {
            "ours": lambda: ours_.draw(requests).counters.tokens,
            f"generate, batch {best * k}": lambda: fan_out(best),
            f"one pass per seed, batch {batch}": lambda: pass_per_seed(batch),
        },
        args.repeats,
    )
    return {"tokens_per_second": found, "batches_tried": trial}


def part_refill(args: argparse.Namespace) -> dict[str, Any]:
    """Refilled slots against batches of 64 that wait for their longest, the same program."""
    config, k = SHAPES[args.shape], args.k
    params = make_params(config)
    requests = make_requests(config, args.problems, k)
    program = ours(config, params, args.dtype, geometry(64, 8, k))
    utilisation = {}

    def refilled() -> float:
        counters = program.draw(requests).counters
        utilisation["refilled"] = counters.utilisation
        return counters.tokens

    def static() -> float:
        """64 samples at a time: eight of each of eight problems."""
        tokens = steps = 0
        for start in range(0, len(requests), 8):
            for first in range(0, k, 8):
                some = [
                    replace(one, first=first, num_samples=min(8, k - first))
                    for one in requests[start : start + 8]
                ]
                counters = program.draw(some).counters
                tokens, steps = tokens + counters.tokens, steps + counters.slot_steps
        utilisation["static"] = tokens / steps
        return tokens

    found = compare({"refilled": refilled, "static batches": static}, args.repeats)
    return {"tokens_per_second": found, "slot_utilisation": utilisation}


def part_prefix(args: argparse.Namespace) -> dict[str, Any]:
    """Groups of 8 that share their prompts against slots with a copy each, equal batch."""
    config, k = SHAPES[args.shape], args.k
    params = make_params(config)
    requests = make_requests(config, args.problems, k)
    shared = ours(config, params, args.dtype, geometry(args.slots, 8, k))
    copies = ours(config, params, args.dtype, geometry(args.slots, 1, k))
    alone = [
        replace(one, first=i, num_samples=1) for one in requests for i in range(one.num_samples)
    ]
    prefills = {}

    def run(name: str, program: Ours, asked: list[Request]) -> float:
        counters = program.draw(asked).counters
        prefills[name] = counters.prefills
        return counters.tokens

    found = compare(
        {
            "shared": lambda: run("shared", shared, requests),
            "a prefill and a copy for each sample": lambda: run("copies", copies, alone),
        },
        args.repeats,
    )
    steps = {
        "shared": step_seconds(shared),
        "a copy for each slot": step_seconds(copies),
    }
    return {"tokens_per_second": found, "seconds_a_step": steps, "prefills": prefills}


@dataclass(frozen=True)
class TopPBySort:
    """Top-p by sorting the whole vocabulary, for comparison."""

    temperature: float
    top_p: float

    def __call__(self, bits: jax.Array, logits: jax.Array) -> jax.Array:
        masses = probability_masses(logits / self.temperature)
        order = jnp.argsort(-logits, axis=-1, stable=True)
        ranked = jnp.take_along_axis(masses, order, axis=-1)
        before = jnp.cumsum(ranked, axis=-1) - ranked
        kept = before < (jnp.sum(masses, axis=-1) * self.top_p).astype(jnp.int32)[:, None]
        place = draw(bits, jnp.where(kept, ranked, 0))
        return jnp.take_along_axis(order, place[:, None], axis=-1)[:, 0].astype(jnp.int32)


def part_top_p(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a decoding step by how its token is drawn."""
    config = SHAPES[args.shape]
    params = init_params(config, jax.random.key(0))
    methods: dict[str, Method | TopPBySort] = {
        "greedy": Greedy(),
        "temperature": Random(0.7),
        "top-p": Random(0.7, top_p=0.9),
        "top-p by sorting": TopPBySort(0.7, 0.9),
    }
    programs = {
        name: ours(config, params, args.dtype, geometry(args.slots, 8, 100), method=method)
        for name, method in methods.items()
    }
    return {"seconds_a_step": {name: step_seconds(one) for name, one in programs.items()}}


def step_seconds(program: Ours, steps: int = 16, repeats: int = 5) -> float:
    """Median seconds of one step with every slot busy."""
    made = replace(program.program, geometry=replace(program.program.geometry, chunk=steps))
    made = replace(made, eos_ids=(-1,))
    groups, prompts = made.geometry.groups, made.geometry.prompts
    seconds = []
    for repeat in range(repeats + 1):
        state = init_state(made, made.geometry.buckets[0])
        state = replace(
            state,
            count=jnp.full((groups, prompts), made.geometry.task),
            last_tokens=jnp.full((groups, prompts), START),
            cache=replace(state.cache, prefix_lengths=jnp.full((groups, prompts), PROMPT - 1)),
        )
        jax.block_until_ready(state)
        began = time.perf_counter()
        state, report = decode_chunk(program.params, state, np.bool_(False), program=made)
        jax.block_until_ready(state)
        assert int(report.steps) == steps
        if repeat:
            seconds.append((time.perf_counter() - began) / steps)
    return statistics.median(seconds)


def part_speed(args: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second, and what share of the matrix-product ceiling that is."""
    config, k = SHAPES[args.shape], args.k
    requests = make_requests(config, args.problems, k)
    program = ours(config, make_params(config), args.dtype, geometry(args.slots, 8, k))
    decoder = program.draw(requests[:1])
    utilisation = []

    def run() -> float:
        counters = program.draw(requests).counters
        utilisation.append(counters.utilisation)
        return counters.tokens

    found = compare({"ours": run}, args.repeats)["ours"]
    weights = config.num_params - config.vocab_size * config.hidden_size
    ceiling = matmul_flops(args.dtype)
    del decoder
    return {
        "tokens_per_second": found,
        "slot_utilisation": statistics.median(utilisation),
        "flops_a_token": 2 * weights,
        "ceiling_flops": ceiling,
        "share_of_ceiling": found * 2 * weights / ceiling,
    }


def matmul_flops(dtype: str, size: int = 1536, products: int = 8) -> float:
    """FLOPs a second of large matrix products on this device."""
    x = jnp.ones((size, size), dtype) / size

    @jax.jit
    def many(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, products, lambda _, y: y @ x, x)

    jax.block_until_ready(many(x))
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        jax.block_until_ready(many(x))
        seconds.append(time.perf_counter() - began)
    return products * 2 * size**3 / statistics.median(seconds)


PARTS = {
    "generate": part_generate,
    "refill": part_refill,
    "prefix": part_prefix,
    "top_p": part_top_p,
    "speed": part_speed,
}


def show(part: str, found: dict[str, Any]) -> None:
    """A small table: every figure, and its ratio to the first of its kind."""
    print(f"\n{part}")
    for kind, figures in found.items():
        if not isinstance(figures, dict):
            print(f"  {kind:45s} {figures:12,.4g}")
            continue
        first = next(iter(figures.values()))
        for name, value in figures.items():
            print(f"  {kind + ': ' + name:45s} {value:12,.4g}   {value / first:5.2f}×")


def main() -> None:
    """Runs the parts asked for, prints their tables, and writes JSON."""
    summary, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="which, with commas between")
    parser.add_argument("--shape", default="13m", choices=SHAPES, help="of the model")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--problems", type=int, default=16, help="prompts of 130 tokens")
    parser.add_argument("--k", type=int, default=16, help="samples of each")
    parser.add_argument("--slots", type=int, default=64, help="samples drawn at a time")
    parser.add_argument("--repeats", type=int, default=5, help="of which the median counts")
    parser.add_argument("--output", default="benchmark-sampling.json", help="file for all figures")
    args = parser.parse_args()
    device = jax.devices()[0].device_kind
    results: dict[str, Any] = {"arguments": vars(args), "device": device, "jax": jax.__version__}
    print(f"{args.shape} in {args.dtype} on {device}; k = {args.k}, {args.problems} problems")
    for part in args.parts.split(","):
        results[part] = PARTS[part](args)
        show(part, results[part])
    Path(args.output).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
