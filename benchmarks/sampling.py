"""The sampler against `transformers.generate` and against simpler ways of its own, in one run.

Every comparison uses the same weights and prompts, is measured interleaved and reported as the
ratio of medians of useful tokens a second: drawn ones up to each end token, prefill included,
compilation not. The sampler is measured in its steady state, as with thousands of problems: groups
begin at different places of their first problem, and what it draws in `--seconds` counts.

The weights are made so that responses have GSM8K's lengths while every product is computed: output
projections of attention and feed-forward are zero, so a token's successor depends on the token
alone; the t-th token of a response is followed by the next one or by the end token with the
probability that GSM8K's lengths have.

  python benchmarks/sampling.py                          all parts, half an hour on two cores
  python benchmarks/sampling.py --parts refill,prefix    some
  python benchmarks/sampling.py --shape 7b --dtype bfloat16 --slots 512 --parts prefix,top_p,speed

parts: generate  transformers.generate at its best batch, and one pass per seed (needs [hf])
       refill    slots that are filled again against static batches of as many samples
       prefix    groups that share their prompt against slots with a copy each
       top_p     a step that draws by top-p against a greedy one and against one that sorts
       speed     tokens a second, and the share of the device's matrix-product ceiling
       int8      greedy samples that are the same with a cache in int8, for the model in --model
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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

from rft_jax.models.llama import Params, init_params
from rft_jax.sampling.decode import decode_chunk
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import Greedy, Method, Random, draw, probability_masses
from rft_jax.sampling.placement import place_params, sampling_mesh
from rft_jax.sampling.requests import Counters, Request
from rft_jax.sampling.scheduler import Decoder
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.state import Program, decoding_config, init_state

Figures = dict[str, Any]


@dataclass
class Ours:
    """Our sampler with one geometry."""

    params: Params
    program: Program

    def draw(self, requests: list[Request]) -> Counters:
        """Draws all samples; what was counted meanwhile."""
        decoder = Decoder(self.params, self.program)
        for _ in decoder.run(requests):
            pass
        return decoder.counters

    def steady(self, requests: list[Request], seconds: float) -> Counters:
        """What is done in so many seconds, groups being at different places of their problems.

        Args:
          requests: more than are done in the time.
        """
        groups = self.program.geometry.groups
        staggered = [
            replace(one, num_samples=-(-one.num_samples * (i + 1) // groups))
            for i, one in enumerate(requests[:groups])
        ]
        decoder = Decoder(self.params, self.program)
        run = decoder.run(staggered + requests[groups:])
        next(run), next(run)  # the first problems are prefilled, a chunk is done
        began, before = time.perf_counter(), replace(decoder.counters)
        while time.perf_counter() - began < seconds:
            next(run)
        done = decoder.counters
        return Counters(
            prefills=done.prefills - before.prefills,
            tokens=done.busy_slot_steps - before.busy_slot_steps,
            steps=done.steps - before.steps,
            slot_steps=done.slot_steps - before.slot_steps,
            busy_slot_steps=done.busy_slot_steps - before.busy_slot_steps,
            seconds=time.perf_counter() - began,
        )


def ours(args: argparse.Namespace, params: Params, geometry: Geometry, method: Any = None) -> Ours:
    """A program for the geometry, its weights by layer."""
    config, mesh = SHAPES[args.shape], sampling_mesh(SampleSettings(), None)
    how = method or Random(1.0)
    program = Program(decoding_config(config, args.dtype), how, (EOS,), geometry, mesh)
    placed = place_params(params, config.num_layers, args.dtype, mesh, program.row_axes)
    return Ours(placed, program)


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


def compare(runs: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median of each run's figure, interleaved."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            found[name].append(run())
    return {name: statistics.median(values) for name, values in found.items()}


def many_requests(args: argparse.Namespace) -> list[Request]:
    """More than a steady run works off."""
    return make_requests(SHAPES[args.shape], max(2048, 8 * args.slots), args.k)


def part_generate(args: argparse.Namespace) -> Figures:
    """`generate` with num_return_sequences at its best batch, and one pass per seed."""
    config = SHAPES[args.shape]
    params = make_params(config, args.dtype)
    requests = many_requests(args)
    program = ours(args, params, geometry(args))
    model = to_transformers(config, params, args.dtype)
    prompts = np.asarray([request.prompt for request in requests])
    places = iter(range(0, len(prompts) - 16, 16))

    def theirs(questions: int, sequences: int) -> float:
        """Tokens a second of one batch, of other questions every time."""
        start, began = next(places), time.perf_counter()
        tokens = generate(model, prompts[start : start + questions], sequences)
        return tokens / (time.perf_counter() - began)

    tried = {f"{n} x {args.k}": theirs(n, args.k) for n in (1, 2, 4, 8) if n * args.k <= 256}
    best = int(max(tried, key=tried.__getitem__).split()[0])
    program.draw(requests[:1])  # compiles
    found = compare(
        {
            "ours": lambda: speed(program.steady(requests, args.seconds)),
            f"generate, batch {best} x {args.k}": lambda: theirs(best, args.k),
            "one pass per seed, batch 16": lambda: theirs(16, 1),
        },
        args.repeats,
    )
    return {"generate at batch": tried, "tokens_per_second": found}


def speed(counters: Counters) -> float:
    """Tokens a second."""
    return counters.tokens / counters.seconds


def part_refill(args: argparse.Namespace) -> Figures:
    """Refilled slots against batches that wait for their longest, the same program."""
    params = make_params(SHAPES[args.shape], args.dtype)
    requests = many_requests(args)
    program = ours(args, params, geometry(args))
    utilisation: dict[str, list[float]] = {"refilled": [], "static batches": []}
    batch = args.slots // 8  # problems, eight samples of each
    places = iter(range(0, len(requests) - batch, batch))

    def refilled() -> float:
        counters = program.steady(requests, args.seconds)
        utilisation["refilled"].append(counters.utilisation)
        return speed(counters)

    def static() -> float:
        """Three batches, one after the other."""
        tokens, slot_steps, began = 0, 0, time.perf_counter()
        for start in [next(places) for _ in range(3)]:
            some = [replace(one, num_samples=8) for one in requests[start : start + batch]]
            counters = program.draw(some)
            tokens, slot_steps = tokens + counters.tokens, slot_steps + counters.slot_steps
        utilisation["static batches"].append(tokens / slot_steps)
        return tokens / (time.perf_counter() - began)

    program.draw(requests[:1])  # compiles
    found = compare({"refilled": refilled, "static batches": static}, args.repeats)
    shares = {name: statistics.median(values) for name, values in utilisation.items()}
    return {"tokens_per_second": found, "slot_utilisation": shares}


def part_prefix(args: argparse.Namespace) -> Figures:
    """Groups of 8 that share their prompts against slots with a copy each, equal batch."""
    params = make_params(SHAPES[args.shape], args.dtype)
    requests = many_requests(args)
    shared = ours(args, params, geometry(args))
    copies = ours(args, params, geometry(args, group=1))
    alone = [replace(one, first=i, num_samples=1) for one in requests for i in range(args.k)]
    prefills: dict[str, list[float]] = {"shared": [], "a copy for each sample": []}

    def run(name: str, program: Ours, asked: list[Request]) -> float:
        counters = program.steady(asked, args.seconds)
        prefills[name].append(counters.prefills / counters.tokens)
        return speed(counters)

    shared.draw(requests[:1])
    copies.draw(alone[:1])
    found = compare(
        {
            "shared": lambda: run("shared", shared, requests),
            "a copy for each sample": lambda: run("a copy for each sample", copies, alone),
        },
        args.repeats,
    )
    return {
        "tokens_per_second": found,
        "seconds_a_step": step_seconds({"shared": shared, "a copy for each slot": copies}),
        "prefills_a_token": {name: statistics.median(some) for name, some in prefills.items()},
    }


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


def part_top_p(args: argparse.Namespace) -> Figures:
    """Seconds of a decoding step by how its token is drawn."""
    config = replace(SHAPES[args.shape], param_dtype=args.dtype)
    few_likely = make_params(config, args.dtype)
    all_likely = jax.jit(init_params, static_argnums=0)(config, jax.random.key(0))
    top_p = Random(0.7, top_p=0.9)
    made: dict[str, tuple[Params, Method | TopPBySort]] = {
        "greedy": (few_likely, Greedy()),
        "temperature": (few_likely, Random(0.7)),
        "top-p": (few_likely, top_p),
        "top-p, thousands of tokens kept": (all_likely, top_p),
        "top-p by sorting": (few_likely, TopPBySort(0.7, 0.9)),
    }
    programs = {
        name: ours(args, params, geometry(args), how) for name, (params, how) in made.items()
    }
    return {"seconds_a_step": step_seconds(programs)}


def step_seconds(programs: dict[str, Ours], steps: int = 4, rounds: int = 5) -> dict[str, float]:
    """Median seconds of one step with every slot busy, half its columns filled; interleaved."""
    for program in programs.values():
        _timed_step(program, steps)  # compiles
    return compare(
        {name: partial(_timed_step, one, steps) for name, one in programs.items()}, rounds
    )


def _timed_step(program: Ours, steps: int) -> float:
    made = replace(program.program, geometry=replace(program.program.geometry, chunk=steps))
    made = replace(made, eos_ids=(-1,))
    places = (made.geometry.groups, made.geometry.prompts)
    state = init_state(made, made.geometry.buckets[0])
    lengths = jnp.full_like(state.cache.lengths, COLUMNS // 2)
    prefix_lengths = jnp.full(places, PROMPT - 1)
    state = replace(
        state,
        count=jnp.full(places, made.geometry.task),
        last_tokens=jnp.full(places, START),
        cache=replace(state.cache, prefix_lengths=prefix_lengths, lengths=lengths),
    )
    jax.block_until_ready(state)
    began = time.perf_counter()
    state, report = decode_chunk(program.params, state, np.bool_(False), program=made)
    jax.block_until_ready(state)
    assert int(report.steps) == steps
    return (time.perf_counter() - began) / steps


def part_speed(args: argparse.Namespace) -> Figures:
    """Tokens a second, and what share of the matrix-product ceiling that is."""
    config = SHAPES[args.shape]
    requests = many_requests(args)
    program = ours(args, make_params(config, args.dtype), geometry(args))
    program.draw(requests[:1])  # compiles
    utilisation = []

    def run() -> float:
        counters = program.steady(requests, args.seconds)
        utilisation.append(counters.utilisation)
        return speed(counters)

    large = 1536 if jax.default_backend() == "cpu" else 8192
    width, inner = config.hidden_size, config.intermediate_size
    found = compare(
        {
            "tokens_per_second": run,
            "ceiling_flops": lambda: matmul_flops(args.dtype, large, large, large),
            "ceiling_flops_at_its_shape": lambda: matmul_flops(
                args.dtype, args.slots, width, inner
            ),
        },
        args.repeats,
    )
    flops = 2 * (config.num_params - config.vocab_size * config.hidden_size)
    return found | {
        "slot_utilisation": statistics.median(utilisation),
        "flops_a_token": flops,
        "share_of_ceiling": found["tokens_per_second"] * flops / found["ceiling_flops"],
    }


def matmul_flops(dtype: str, rows: int, inner: int, columns: int) -> float:
    """FLOPs a second of products of these sizes, with as many different weights as fill a GB."""
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


def part_int8(args: argparse.Namespace) -> Figures:
    """How many greedy samples, and how many of their tokens, a cache in int8 leaves as they are."""
    from rft_jax.checkpoints.load import load_model
    from rft_jax.data.sources import load_problems
    from rft_jax.model_names import model_folder
    from rft_jax.sampling.engine import Sampler

    model = load_model(model_folder(args.model), sampling_mesh(SampleSettings(), None))
    problems = load_problems(args.questions)[:200]
    prompts = [model.template.render(one.question) for one in problems]
    drawn = []
    for cache_dtype in ("", "int8"):
        settings = SampleSettings(
            temperature=0.0, max_new_tokens=128, dtype=args.dtype, cache_dtype=cache_dtype
        )
        rows = Sampler(model, model.tokenizer, settings).sample(prompts)
        drawn.append([row[0].tokens or () for row in rows])
    pairs = list(zip(*drawn, strict=True))
    agreeing = [_common(left, right) for left, right in pairs]
    tokens = sum(len(left) for left, _ in pairs)
    return {
        "same_samples": sum(left == right for left, right in pairs) / len(pairs),
        "tokens_up_to_the_first_other": sum(agreeing) / tokens,
    }


def _common(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    """Tokens before the first that differs."""
    for place, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return place
    return min(len(left), len(right))


# Each part, and the shape, samples a problem and slots that it has by default.
PARTS: dict[str, tuple[Callable[[argparse.Namespace], Figures], str, int, int]] = {
    "generate": (part_generate, "13m", 32, 128),
    "refill": (part_refill, "13m", 100, 64),
    "prefix": (part_prefix, "13m", 100, 64),
    "top_p": (part_top_p, "135m", 100, 128),
    "speed": (part_speed, "135m", 100, 128),
    "int8": (part_int8, "", 1, 0),
}


def show(part: str, found: Figures) -> None:
    """A small table: every figure, and its ratio to the first of its kind."""
    print(f"\n{part}")
    for kind, figures in found.items():
        if not isinstance(figures, dict):
            print(f"  {kind:50s} {figures:12,.4g}")
            continue
        first = next(iter(figures.values()))
        for name, value in figures.items():
            ratio = f"{value / first:5.2f}x" if first else ""
            print(f"  {kind + ': ' + name:50s} {value:12,.4g}   {ratio}", flush=True)


def parse() -> argparse.Namespace:
    """The command line."""
    summary, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="which, with commas between")
    parser.add_argument(
        "--shape", default="", choices=("", *SHAPES), help="of the model; each part has"
    )
    parser.add_argument("--k", type=int, default=0, help="samples of a problem; likewise")
    parser.add_argument("--slots", type=int, default=0, help="samples at a time; likewise")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--int8", action="store_true", help="the cache in int8")
    parser.add_argument("--seconds", type=float, default=20.0, help="that a steady run is measured")
    parser.add_argument("--repeats", type=int, default=5, help="of which the median counts")
    parser.add_argument("--model", default="wordproblems:model", help="a model folder, for int8")
    parser.add_argument("--questions", default="wordproblems:test", help="problems, for int8")
    parser.add_argument("--output", default="benchmark-sampling.json", help="file for all figures")
    return parser.parse_args()


def main() -> None:
    """Runs the parts asked for, prints their tables, and writes JSON."""
    args = parse()
    device = jax.devices()[0].device_kind
    results: Figures = {"arguments": vars(args), "device": device, "jax": jax.__version__}
    for part in args.parts.split(","):
        run, shape, k, slots = PARTS[part]
        chosen = {
            "shape": args.shape or shape,
            "k": args.k or k,
            "slots": args.slots or slots,
        }
        results[part] = chosen | run(argparse.Namespace(**vars(args) | chosen))
        title = ", ".join(f"{name} {value}" for name, value in chosen.items() if value)
        show(
            f"{part} ({title}, {args.dtype}, {device})",
            {name: value for name, value in results[part].items() if name not in chosen},
        )
    Path(args.output).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
