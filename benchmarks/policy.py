"""What a step of policy training costs, beside sampling and SFT on the same tokens.

Measured in turn, without compilation: sampling; what a step learns from the samples, plain (one
optimizer step without a divergence), with a divergence from a reference in the loss, and with two
updates; an SFT step, which computes the same microbatches with the cross-entropy and updates the
same weights; a forward pass. Medians are compared. Meant: a plain step takes at most sampling and
1.15 SFT steps, each of the others a forward pass more. Grading is left out.

  python benchmarks/policy.py                           the package's model on the CPU
  python benchmarks/policy.py --model models/smollm2-135m --problems gsm8k:train \
    --max_new_tokens 256 --length 512
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from rft_jax.checkpoints.names import model_folder  # noqa: E402
from rft_jax.data.sources import load_problems  # noqa: E402
from rft_jax.devices import partitioning  # noqa: E402
from rft_jax.devices.mesh_settings import MeshSettings  # noqa: E402
from rft_jax.files.jsonl import write_json  # noqa: E402
from rft_jax.models.config import LlamaConfig  # noqa: E402
from rft_jax.policy.learner import Learner, Weights  # noqa: E402
from rft_jax.policy.responses import join_responses, token_arrays  # noqa: E402
from rft_jax.policy.rewards import Judged  # noqa: E402
from rft_jax.policy.rollouts import Rollouts  # noqa: E402
from rft_jax.policy.scored import Scored  # noqa: E402
from rft_jax.policy.settings import PolicySettings  # noqa: E402
from rft_jax.sampling.settings import SampleSettings  # noqa: E402
from rft_jax.training.batches import Batches  # noqa: E402
from rft_jax.training.model import starting_model  # noqa: E402
from rft_jax.training.settings import TrainSettings  # noqa: E402
from rft_jax.training.train_step import (  # noqa: E402
    TrainState,
    gradients,
    init_train_state,
    state_shardings,
    updated,
)
from rft_jax.verify.grading import Grade  # noqa: E402

SFT_STEPS = 1.15
"""What learning from a step's samples may take, in SFT steps."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="wordproblems:model")
    parser.add_argument("--problems", default="wordproblems:train")
    parser.add_argument("--problems_per_step", type=int, default=32)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--max_new_tokens", type=int, default=96)
    parser.add_argument("--length", type=int, default=192)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", default="")
    return parser.parse_args()


def judged(rollouts: list[Any]) -> list[Scored]:
    """Samples with rewards in turn, so that every group has variance, trained on whole."""
    grade = Grade(None, [], "no_answer", None)
    return [
        Scored(one, Judged(float(number % 2), grade, 0), len(one.logprobs))
        for number, one in enumerate(rollouts)
    ]


class Sft:
    """Steps of SFT on samples, by the microbatches of the policy's update."""

    def __init__(self, learner: Learner, scored: list[Scored]) -> None:
        settings = learner.settings
        arrays = token_arrays(scored)
        weights = [np.ones(one.length) for one in scored]
        values = {"loss_weights": join_responses(arrays, weights)}
        shape = settings.batch_size, settings.max_length
        self._batches = Batches(arrays, *shape, 0, True, learner.pad_id, token_values=values)
        self._learner, self._step = learner, jax.jit(self._add)
        self._update = jax.jit(self._apply, donate_argnums=0)

    def _add(self, grads: Any, params: Any, rows: Any) -> Any:
        config, chunk = self._learner.config, self._learner.settings.loss_chunk
        return jax.tree.map(jnp.add, grads, gradients(params, rows, config, chunk, 1)[2])

    def _apply(self, state: TrainState, grads: Any) -> TrainState:
        learner = self._learner
        return updated(state, grads, jnp.float32(0), learner.settings, learner.mesh)[0]

    def __call__(self, state: TrainState) -> TrainState:
        grads = jax.tree.map(jnp.zeros_like, state.params)
        for number in range(self._batches.epoch_steps(0)):
            rows = partitioning.global_batch(self._batches.batch(number), self._learner.mesh)
            grads = self._step(grads, state.params, rows)
        return self._update(state, grads)


class Learning:
    """What is learnt from samples in the ways that are compared; all update the same state."""

    def __init__(
        self, state: TrainState, config: LlamaConfig, scored: list[Scored], learner: Learner
    ) -> None:
        self._state, self._scored, self._learner = state, scored, learner
        self._weights = Weights(jax.tree.map(jnp.copy, state.params), config)
        divergence = replace(learner.objective, kl="loss", kl_coefficient=0.01)
        self._divergent = replace(learner, objective=divergence)
        self._twice = replace(learner, updates=2)
        self._sft = Sft(learner, scored)

    def plain(self) -> TrainState:
        """One update without a divergence."""
        return self._update(self._learner)

    def kl(self) -> TrainState:
        """One update with the divergence from a reference, whose forward pass is a part of it."""
        return self._update(self._divergent, self.forward())

    def two_updates(self) -> TrainState:
        """Two updates, each by half of the problems."""
        return self._update(self._twice)

    def sft(self) -> TrainState:
        """One step of SFT."""
        self._state = self._sft(self._state)
        return self._state

    def forward(self) -> list[np.ndarray]:
        """The log-probabilities of all samples under a reference."""
        return self._learner.logprobs(self._weights, self._scored)

    def _update(self, learner: Learner, reference: list[np.ndarray] | None = None) -> TrainState:
        self._state, _ = learner.update(self._state, self._scored, 0.0, reference)
        return self._state


def measure(steps: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The median seconds of each, interleaved, after a call of each that compiles."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(repeats + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            jax.block_until_ready(step())
            if number:
                found[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in found.items()}


def steps_over_bounds(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds of a step by what it may take: at most 1 is meant."""
    bound = seconds["sampling"] + SFT_STEPS * seconds["sft"]
    bounds = {"plain": bound} | dict.fromkeys(("kl", "two_updates"), bound + seconds["forward"])
    return {name: (seconds["sampling"] + seconds[name]) / most for name, most in bounds.items()}


def main() -> None:
    """Measures, prints medians and ratios, and says of each step whether it takes what is meant."""
    flags = parse()
    mesh = partitioning.make_mesh(MeshSettings(), jax.devices()[:1])
    policy = PolicySettings(samples_per_problem=flags.samples)
    settings = TrainSettings(batch_size=flags.batch, max_length=flags.length, scan_unroll=4)
    problems = load_problems(flags.problems)[: flags.problems_per_step]
    sampling = SampleSettings(
        num_samples=flags.samples,
        temperature=1.0,
        max_new_tokens=flags.max_new_tokens,
        max_prompt_length=flags.length - flags.max_new_tokens,
    )
    with jax.set_mesh(mesh), tempfile.TemporaryDirectory() as folder:
        write_json(Path(folder) / "settings.json", {})
        start = starting_model(model_folder(flags.model), settings, mesh)
        state = init_train_state(jax.tree.map(jnp.copy, start.params), settings)
        state = jax.device_put(state, state_shardings(state, mesh))
        rollouts = Rollouts(start, problems, sampling, mesh, Path(folder), lambda form: form)
        indices = rollouts.indices
        sample = lambda: rollouts.sample(start.params, indices, 0, 0, "m")  # noqa: E731
        scored = judged(sample())
        pad, longest = start.tokenizer.pad_id, flags.max_new_tokens
        learner = Learner(policy.objective, settings, start.config, mesh, pad, longest)
        learning = Learning(state, start.config, scored, learner)
        steps: dict[str, Callable[[], Any]] = {
            "sampling": lambda: len(sample()),
            "plain": learning.plain,
            "kl": learning.kl,
            "two_updates": learning.two_updates,
            "sft": learning.sft,
            "forward": learning.forward,
        }
        found = measure(steps, flags.repeats)
    tokens = sum(one.length for one in scored)
    for name, value in found.items():
        print(f"{name:<12}{value:9.3f} s  {tokens / value:12,.0f} response tokens/s")
    learnt = {name: found[name] / found["sft"] for name in ("plain", "kl", "two_updates")}
    ratios = steps_over_bounds(found)
    for name, ratio in ratios.items():
        more = "" if name == "plain" else " + a forward pass"
        print(
            f"{name}: learns in {learnt[name]:.2f} SFT steps on the same tokens; the step takes "
            f"{ratio:.2f} of sampling + {SFT_STEPS} SFT steps{more}, at most 1 is meant: "
            f"{'holds' if ratio <= 1 else 'does not hold'}"
        )
    if flags.output:
        about = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, "tokens": tokens}
        results = {"seconds": found, "sft_steps": learnt, "steps_over_bounds": ratios}
        write_json(flags.output, about | results)


if __name__ == "__main__":
    main()
