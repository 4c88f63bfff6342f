"""A tiny random model for tests of sampling, and prompts for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Llama, Params, unembed
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import (
    Method,
    TemperatureSampling,
    log_probability,
    problem_key,
    random_bits,
)
from rft_jax.sampling.placement import params_placer, sampling_mesh
from rft_jax.sampling.program import Program, decoding_config
from rft_jax.sampling.requests import Counters, Request, SampledTokens
from rft_jax.sampling.scheduler import Scheduler
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.stops import StopStrings
from tests.tiny_model import random_params

VOCABULARY = 61
EOS = (1, 7)  # two of them, so that samples end after 30 tokens or so

CONFIG = LlamaConfig(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    max_position_embeddings=256,
)

# Of runs of `sample` with the model of the fixture `files`.
SETTINGS = SampleSettings(
    num_samples=3, temperature=1.0, max_new_tokens=12, slots=8, group=2, chunk=8
)

GEOMETRY = Geometry(
    slots=8, group=2, prompts=2, refill=1, chunk=16, columns=24, task=6, buckets=(16,)
)

COMMON = replace(GEOMETRY, common=8, buckets=(8,))


@cache
def params() -> Params:
    """Random weights; the logits are stretched, so that some tokens are much likelier."""
    random = random_params(CONFIG)
    return random | {"unembed": {"kernel": random["unembed"]["kernel"] * 2}}


def requests(count: int, num_samples: int = 5, longest: int = 17) -> list[Request]:
    """Prompts of 1 to `longest` tokens, the same ones for the same index."""
    made = []
    for index in range(count):
        random = np.random.default_rng(index)
        prompt = random.integers(8, VOCABULARY, random.integers(1, longest + 1)).tolist()
        made.append(Request(index, prompt, problem_key(0, f"p{index}"), num_samples))
    return made


@dataclass
class Outcome:
    """Samples by (request, sample index), and what was counted."""

    samples: dict[tuple[int, int], SampledTokens]
    counters: Counters


def requests_alike() -> list[Request]:
    """Requests whose prompts begin with the same 8 tokens."""
    start = list(range(20, 28))
    return [replace(one, prompt=start + list(one.prompt)) for one in requests(40, longest=9)]


def run(
    wanted: Sequence[Request],
    method: Method = TemperatureSampling(1.0),  # noqa: B008  (frozen)
    geometry: Geometry = GEOMETRY,
    eos: tuple[int, ...] = EOS,
    stops: StopStrings | None = None,
    mesh: MeshSettings | None = None,
    rows: tuple[str, ...] = ("data", "fsdp"),
) -> Outcome:
    """All samples of the requests."""
    one = program(method, geometry, eos, mesh, rows)
    scheduler = Scheduler(placed(one), one, stops)
    samples = {}
    for finished in scheduler.run(wanted):
        for request, sampled in finished:
            for number, one in enumerate(sampled, start=request.first):
                assert (request.index, number) not in samples
                samples[request.index, number] = one
    return Outcome(samples, scheduler.counters)


def program(
    method: Method = TemperatureSampling(1.0),  # noqa: B008  (frozen)
    geometry: Geometry = GEOMETRY,
    eos: tuple[int, ...] = EOS,
    mesh: MeshSettings | None = None,
    rows: tuple[str, ...] = ("data", "fsdp"),
) -> Program:
    """What decoding the tiny model is specialised to."""
    devices = sampling_mesh(SampleSettings(), mesh)
    return Program(decoding_config(CONFIG, "float32"), method, eos, geometry, devices, rows)


def placed(program: Program) -> Params:
    """The random weights as the program takes them."""
    return _placed(program.mesh, program.row_axes)


@cache
def _placed(mesh: Mesh, rows: tuple[str, ...]) -> Params:
    return params_placer(params(), CONFIG.num_layers, "float32", mesh, rows)(params())


def assert_same(left: SampledTokens, right: SampledTokens) -> None:
    """Bit for bit."""
    assert left.tokens.tolist() == right.tokens.tolist()
    assert left.logprobs.tobytes() == right.logprobs.tobytes()


def agreement(left: Outcome, right: Outcome) -> float:
    """Share of samples with the same tokens."""
    assert left.samples.keys() == right.samples.keys()
    same = [
        left.samples[key].tokens.tolist() == right.samples[key].tokens.tolist()
        for key in left.samples
    ]
    return sum(same) / len(same)


def full_pass_token(
    tokens: Sequence[int], key: np.ndarray, sample: int, position: int
) -> tuple[int, float]:
    """The token behind others by the full forward pass, and its log-probability."""
    row = np.zeros((1, 48), np.int32)
    row[0, : len(tokens)] = tokens
    token, logprob = jax.device_get(_next_token(row, len(tokens) - 1, key, sample, position))
    return int(token[0]), float(logprob[0])


@jax.jit
def _next_token(
    row: jax.Array, last: int, key: jax.Array, sample: int, position: int
) -> tuple[jax.Array, jax.Array]:
    hidden, _ = Llama(CONFIG).apply({"params": params()}, row, jnp.arange(48)[None])
    logits = unembed(params(), hidden[:, last])
    index = jnp.asarray(sample)[None], jnp.asarray(position)[None]
    token = TemperatureSampling(1.0)(random_bits(key[None], *index), logits)
    return token, log_probability(logits, token)
