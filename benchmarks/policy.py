"""What a step of policy training costs: sampling, and an update beside SFT on the same tokens.

The update is one optimizer step without a divergence; the SFT step computes the same microbatches
of the same samples with the cross-entropy, and updates the same weights. Medians are compared,
without compilation. Meant: the update takes at most 1.15 SFT steps. A divergence from a reference,
a teacher, or more updates by the same samples add a forward pass, which is measured too.

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
from rft_jax.policy.learner import Learner, Weights  # noqa: E402
from rft_jax.policy.responses import join_responses, token_arrays  # noqa: E402
from rft_jax.policy.rewards import Judged  # noqa: E402
from rft_jax.policy.rollouts import Rollouts  # noqa: E402
from rft_jax.policy.scored import Scored  # noqa: E402
from rft_jax.policy.settings import PolicySettings  # noqa: E402
from rft_jax.sampling.settings import SampleSettings  # noqa: E402
from rft_jax.training.batches import Batches  # noqa: E402
from rft_jax.training.settings import TrainSettings  # noqa: E402
from rft_jax.training.train_step import (  # noqa: E402
    TrainState,
    gradients,
    init_train_state,
    state_shardings,
    updated,
)
from rft_jax.training.trainer import starting_model  # noqa: E402
from rft_jax.verify.grading import Grade  # noqa: E402


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


def main() -> None:
    """Measures sampling, the update and the SFT step, and prints them."""
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
        rollouts = Rollouts(start, problems, sampling, mesh, Path(folder))
        places = rollouts.places
        sample = lambda: rollouts.sample(start.params, places, 0, 0, "m")  # noqa: E731
        scored = judged(sample())
        pad, longest = start.tokenizer.pad_id, flags.max_new_tokens
        learner = Learner(policy.objective, settings, start.config, mesh, pad, longest)
        sft = Sft(learner, scored)

        def by_policy() -> Any:
            nonlocal state
            state, _ = learner.update(state, scored, 0.0)
            return state

        def by_sft() -> Any:
            nonlocal state
            state = sft(state)
            return state

        def forward() -> Any:
            return learner.logprobs(Weights(state.params, start.config), scored)[-1]

        steps: dict[str, Callable[[], Any]] = {
            "sampling": lambda: len(sample()),
            "update": by_policy,
            "sft": by_sft,
            "forward": forward,
        }
        found = measure(steps, flags.repeats)
    tokens = sum(one.length for one in scored)
    for name, value in found.items():
        print(f"{name:<9}{value:9.3f} s  {tokens / value:12,.0f} response tokens/s")
    ratio = found["update"] / found["sft"]
    print(f"an update takes {ratio:.2f} SFT steps on the same tokens")
    if flags.output:
        about = {"device": jax.devices()[0].device_kind, "jax": jax.__version__}
        write_json(flags.output, about | {"seconds": found, "ratio": ratio, "tokens": tokens})


if __name__ == "__main__":
    main()
