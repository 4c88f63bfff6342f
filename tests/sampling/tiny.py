"""A tiny random model for tests of sampling, and prompts for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import jax
import numpy as np
from jax.sharding import Mesh

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_params
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import Method, Random, problem_key
from rft_jax.sampling.placement import place_params, sampling_mesh
from rft_jax.sampling.requests import Drawn, Request
from rft_jax.sampling.scheduler import Decoder
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.state import Program, decoding_config
from rft_jax.sampling.stops import StopStrings

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

GEOMETRY = Geometry(
    slots=8, group=2, prompts=2, refill=1, chunk=16, columns=24, task=6, buckets=(16,)
)


@cache
def params() -> Params:
    """Random weights; the logits are stretched, so that some tokens are much likelier."""
    random = jax.jit(init_params, static_argnums=0)(CONFIG, jax.random.key(0))
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
    """Samples by (request, sample index), and what the decoder counted."""

    samples: dict[tuple[int, int], Drawn]
    decoder: Decoder


def run(
    asked: Sequence[Request],
    method: Method = Random(1.0),  # noqa: B008  (frozen)
    geometry: Geometry = GEOMETRY,
    eos: tuple[int, ...] = EOS,
    stops: StopStrings | None = None,
    mesh: MeshSettings | None = None,
    rows: tuple[str, ...] = ("data", "fsdp"),
) -> Outcome:
    """Draws all samples of the requests."""
    devices = sampling_mesh(SampleSettings(), mesh)
    config = decoding_config(CONFIG, "float32")
    program = Program(config, method, eos, geometry, devices, rows)
    decoder = Decoder(_placed(devices, rows), program, stops)
    samples = {}
    for finished in decoder.run(asked):
        for request, drawn in finished:
            for place, one in enumerate(drawn):
                assert (request.index, request.first + place) not in samples
                samples[request.index, request.first + place] = one
    return Outcome(samples, decoder)


@cache
def _placed(mesh: Mesh, rows: tuple[str, ...]) -> Params:
    return place_params(params(), CONFIG.num_layers, "float32", mesh, rows)


def assert_same(left: Drawn, right: Drawn) -> None:
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
