"""Compares the sampler with `transformers.generate` and with simpler variants, in one run.

Every comparison uses the same weights and prompts, is measured interleaved and reported as the
ratio of medians of useful tokens per second: sampled ones up to each end token, prefill included,
compilation not. The sampler is measured in its steady state, as with thousands of problems: groups
start at different samples of their first problem, and the tokens of `--seconds` count, after 300
steps or, if steps are slow, after `--warm` seconds. On a GPU, JAX allocates what it needs, in place
of 3/4 of the memory at once, and what it needs before PyTorch takes the rest; both sides are in one
process and take turns. What needs more memory than is left is reported as `does not fit`, and the
other parts are measured.

The weights are made so that responses have GSM8K's lengths while every product is computed: output
projections of attention and feed-forward are zero, so a token's successor depends on the token
alone; the t-th token of a response is followed by the next one or by the end token with the
probability that GSM8K's lengths have.

  python benchmarks/sampling.py                          all parts, half an hour on two cores
  python benchmarks/sampling.py --parts refill,prefix    some
  python benchmarks/sampling.py --parts speed            one, two minutes
  python benchmarks/sampling.py --shape 7b --dtype bfloat16 --slots 128 --parts speed,prefix,top_p

parts: generate  transformers.generate at its best batch, and one pass per seed (needs [hf])
       refill    refilled slots against static batches with as many samples
       prefix    groups that share their prompt against one copy per slot
       top_p     a step with top-p against a greedy one and against one with a full sort
       speed     tokens per second, as a share of the device's matrix-product peak and of the
                 roofline (matrix products, reading weights and cache)
       trace     milliseconds of a step by part of the model, by XLA's trace (on a CPU)
       int8      share of greedy samples that an int8 cache leaves unchanged, for --model
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

import memory

memory.take_as_needed()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from sampling_measures import (  # noqa: E402
    Ours,
    bytes_per_second,
    compare,
    geometry,
    made_params,
    many_requests,
    matmul_flops,
    ours,
    placed,
    speed,
    step_bytes,
    step_seconds,
)
from sampling_models import SHAPES, generate, make_params, to_transformers  # noqa: E402
from sampling_trace import step_milliseconds  # noqa: E402

from rft_jax.models.llama import Params  # noqa: E402
from rft_jax.models.shapes import num_params  # noqa: E402
from rft_jax.sampling.methods import (  # noqa: E402
    Greedy,
    Method,
    TemperatureSampling,
    draw_tokens,
    probability_masses,
)
from rft_jax.sampling.placement import sampling_mesh  # noqa: E402
from rft_jax.sampling.requests import Counters, Request  # noqa: E402
from rft_jax.sampling.settings import SampleSettings  # noqa: E402

Results = dict[str, Any]


def part_generate(args: argparse.Namespace) -> Results:
    """`generate` with num_return_sequences at its best batch, and one pass per seed."""
    config = SHAPES[args.shape]
    params = make_params(config, args.dtype)
    requests = many_requests(args)
    model = to_transformers(config, params, args.dtype)
    program = ours(args, placed(args, params), geometry(args))
    del params
    next(program.steady(requests, args))  # JAX has what it needs before PyTorch takes the rest
    prompts = np.asarray([request.prompt for request in requests])
    starts = iter(range(0, len(prompts) - 64, 16))

    def theirs(questions: int, sequences: int) -> float:
        """Tokens per second of one batch, with other questions every time."""
        start, began = next(starts), time.perf_counter()
        tokens = generate(model, prompts[start : start + questions], sequences)
        return tokens / (time.perf_counter() - began)

    most = 256 if jax.default_backend() == "cpu" else 2048
    batches = [n for n in (1, 2, 4, 8, 16, 32, 64) if n == 1 or n * args.k <= most]
    tried = _up_to_memory({f"{n} x {args.k}": partial(theirs, n, args.k) for n in batches})
    runs = {"ours": lambda: speed(next(program.steady(requests, args)))}
    if tried:
        best = max(tried, key=tried.__getitem__)
        runs[f"generate, batch {best}"] = partial(theirs, int(best.split()[0]), args.k)
    runs["one pass per seed, batch 16"] = partial(theirs, 16, 1)
    return {
        "generate at batch": tried or memory.DOES_NOT_FIT,
        "tokens_per_second": compare(runs, args.repeats),
    }


def _up_to_memory(runs: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The results of runs of growing size, up to the first that does not fit."""
    found: dict[str, float] = {}
    for name, run in runs.items():
        try:
            found[name] = run()
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
            break
    return found


def part_refill(args: argparse.Namespace) -> Results:
    """Refilled slots against batches that wait for their longest sample, the same program."""
    requests = many_requests(args)
    program = ours(args, made_params(args), geometry(args))
    utilisation: dict[str, list[float]] = {"refilled": [], "static batches": []}
    batch = args.slots // 8  # problems, eight samples of each
    starts = iter(range(0, len(requests) - batch, batch))

    def refilled() -> float:
        counters = next(program.steady(requests, args))
        utilisation["refilled"].append(counters.utilisation)
        return speed(counters)

    def static() -> float:
        """Three batches, one after the other."""
        tokens, slot_steps, began = 0, 0, time.perf_counter()
        for start in [next(starts) for _ in range(3)]:
            some = [replace(one, num_samples=8) for one in requests[start : start + batch]]
            counters = program.draw(some)
            tokens, slot_steps = tokens + counters.tokens, slot_steps + counters.slot_steps
        utilisation["static batches"].append(tokens / slot_steps)
        return tokens / (time.perf_counter() - began)

    found = compare({"refilled": refilled, "static batches": static}, args.repeats)
    shares = {name: statistics.median(values) for name, values in utilisation.items()}
    return {"tokens_per_second": found, "slot_utilisation": shares}


def part_prefix(args: argparse.Namespace) -> Results:
    """Groups of 8 that share their prompts against one copy per slot, equal batch."""
    params = made_params(args)
    requests = many_requests(args)
    shared = ours(args, params, geometry(args))
    copies = ours(args, params, geometry(args, group=1))
    alone = [replace(one, first=i, num_samples=1) for one in requests for i in range(args.k)]
    prefills: dict[str, list[float]] = {"shared": [], "a copy for each sample": []}

    def run(name: str, program: Ours, requests: list[Request]) -> float:
        counters = next(program.steady(requests, args))
        prefills[name].append(counters.prefills / counters.tokens)
        return speed(counters)

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
        rank = draw_tokens(bits, jnp.where(kept, ranked, 0))
        return jnp.take_along_axis(order, rank[:, None], axis=-1)[:, 0].astype(jnp.int32)


def part_top_p(args: argparse.Namespace) -> Results:
    """Seconds of a decoding step for each sampling method."""
    few_likely = made_params(args)
    table = few_likely["unembed"]["kernel"]
    noise = jax.random.normal(jax.random.key(0), table.shape, table.dtype)
    all_likely = few_likely | {"unembed": {"kernel": noise * len(table) ** -0.5}}
    top_p = TemperatureSampling(0.7, top_p=0.9)
    variants: dict[str, tuple[Params, Method | TopPBySort]] = {
        "greedy": (few_likely, Greedy()),
        "temperature": (few_likely, TemperatureSampling(0.7)),
        "top-p": (few_likely, top_p),
        "top-p, thousands of tokens kept": (all_likely, top_p),
        "top-p by sorting": (few_likely, TopPBySort(0.7, 0.9)),
    }
    programs = {
        name: ours(args, params, geometry(args), how) for name, (params, how) in variants.items()
    }
    return {"seconds_a_step": step_seconds(programs)}


def part_speed(args: argparse.Namespace) -> Results:
    """Tokens per second, and their shares of the matrix-product peak and of the roofline."""
    config = SHAPES[args.shape]
    program = ours(args, made_params(args), geometry(args))
    windows = program.steady(many_requests(args), args)
    counted: list[Counters] = []

    def run() -> float:
        counted.append(next(windows))
        return speed(counted[-1])

    large = 1536 if jax.default_backend() == "cpu" else 8192
    width, inner = config.hidden_size, config.intermediate_size
    found = compare(
        {
            "tokens_per_second": run,
            "ceiling_flops": lambda: matmul_flops(args.dtype, large, large, large),
            "ceiling_flops_at_its_shape": lambda: matmul_flops(
                args.dtype, args.slots, width, inner
            ),
            "bytes_per_second": bytes_per_second,
        },
        args.repeats,
    )
    flops = 2 * (num_params(config) - config.vocab_size * config.hidden_size)
    needed = step_bytes(program.program, args.dtype)
    step = max(args.slots * flops / found["ceiling_flops"], needed / found["bytes_per_second"])
    return found | {
        "slot_utilisation": statistics.median(one.utilisation for one in counted),
        "flops_a_token": flops,
        "bytes_a_step": needed,
        "share_of_ceiling": found["tokens_per_second"] * flops / found["ceiling_flops"],
        "roofline_tokens_per_second": args.slots / step,
        "share_of_roofline": found["tokens_per_second"] * step / args.slots,
    }


def part_trace(args: argparse.Namespace) -> Results:
    """Milliseconds of a step, by part of the model."""
    program = ours(args, made_params(args), geometry(args))
    return {"milliseconds_a_step": step_milliseconds(program, steps=16)}


def part_int8(args: argparse.Namespace) -> Results:
    """The shares of greedy samples, and of their tokens, that an int8 cache leaves unchanged."""
    from rft_jax.checkpoints.load import load_model
    from rft_jax.checkpoints.names import model_folder
    from rft_jax.data.sources import load_problems
    from rft_jax.sampling import Sampler

    model = load_model(model_folder(args.model), sampling_mesh(SampleSettings(), None))
    problems = load_problems(args.questions)[:200]
    prompts = [model.template.render(one.question) for one in problems]
    samples = []
    for cache_dtype in ("", "int8"):
        settings = SampleSettings(
            temperature=0.0, max_new_tokens=128, dtype=args.dtype, cache_dtype=cache_dtype
        )
        rows = Sampler(model, model.tokenizer, settings).sample(prompts)
        samples.append([row[0].tokens or () for row in rows])
    pairs = list(zip(*samples, strict=True))
    agreeing = [_common(left, right) for left, right in pairs]
    tokens = sum(len(left) for left, _ in pairs)
    return {
        "same_samples": sum(left == right for left, right in pairs) / len(pairs),
        "tokens_up_to_the_first_other": sum(agreeing) / tokens,
    }


def _common(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    """Number of tokens before the first difference."""
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return index
    return min(len(left), len(right))


# Each part, with its default shape, samples per problem and slots.
PARTS: dict[str, tuple[Callable[[argparse.Namespace], Results], str, int, int]] = {
    "generate": (part_generate, "13m", 32, 128),
    "refill": (part_refill, "13m", 100, 64),
    "prefix": (part_prefix, "13m", 100, 64),
    "top_p": (part_top_p, "135m", 100, 128),
    "speed": (part_speed, "135m", 100, 128),
    "trace": (part_trace, "135m", 100, 128),
    "int8": (part_int8, "", 1, 0),
}


def show(part: str, found: Results) -> None:
    """Prints a table: every result, and its ratio to the first of its kind."""
    print(f"\n{part}")
    for kind, values in found.items():
        if not isinstance(values, dict):
            text = values if isinstance(values, str) else f"{values:12,.4g}"
            print(f"  {kind:50s} {text}")
            continue
        first = next(iter(values.values()))
        for name, value in values.items():
            ratio = f"{value / first:5.2f}x" if first else ""
            print(f"  {kind + ': ' + name:50s} {value:12,.4g}   {ratio}", flush=True)


def parse() -> argparse.Namespace:
    """The command line."""
    summary, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="parts to run, comma-separated")
    parser.add_argument(
        "--shape", default="", choices=("", *SHAPES), help="model shape; '': by part"
    )
    parser.add_argument("--k", type=int, default=0, help="samples per problem; 0: by part")
    parser.add_argument("--slots", type=int, default=0, help="decoding slots; 0: by part")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--int8", action="store_true", help="use an int8 cache")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds measured")
    parser.add_argument("--warm", type=float, default=30.0, help="longest warm-up, seconds")
    parser.add_argument("--repeats", type=int, default=5, help="runs; their median counts")
    parser.add_argument("--model", default="wordproblems:model", help="model of part int8")
    parser.add_argument("--questions", default="wordproblems:test", help="problems of part int8")
    parser.add_argument("--output", default="benchmark-sampling.json", help="file for the results")
    return parser.parse_args()


def main() -> None:
    """Runs the selected parts, prints their tables, and writes JSON."""
    args = parse()
    device = jax.devices()[0].device_kind
    results: Results = {"arguments": vars(args), "device": device, "jax": jax.__version__}
    results["memory"] = memory.jax_memory()
    for part in args.parts.split(","):
        run, shape, k, slots = PARTS[part]
        chosen = {
            "shape": args.shape or shape,
            "k": args.k or k,
            "slots": args.slots or slots,
        }
        try:
            results[part] = chosen | run(argparse.Namespace(**vars(args) | chosen))
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
            results[part] = chosen | {"error": memory.DOES_NOT_FIT}
        title = ", ".join(f"{name} {value}" for name, value in chosen.items() if value)
        show(
            f"{part} ({title}, {args.dtype}, {device})",
            {name: value for name, value in results[part].items() if name not in chosen},
        )
        Path(args.output).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
