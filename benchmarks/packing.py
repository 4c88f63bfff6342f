"""Compares packing with padding: response tokens per second in training, on the same examples.

The lengths are GSM8K's if $GSM8K_DIR is set (characters divided by --chars_per_token; 2.69 gives
the 194 tokens that LLaMA's tokenizer has on average), else random with a similar distribution.

  python benchmarks/packing.py
  python benchmarks/packing.py --length 512 --batch 8
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import jax  # noqa: E402
import numpy as np  # noqa: E402

from rft_jax.devices import partitioning  # noqa: E402
from rft_jax.devices.mesh_settings import MeshSettings  # noqa: E402
from rft_jax.files.jsonl import read_rows  # noqa: E402
from rft_jax.models.config import LlamaConfig  # noqa: E402
from rft_jax.models.llama import init_params  # noqa: E402
from rft_jax.training.batches import Batches  # noqa: E402
from rft_jax.training.settings import TrainSettings  # noqa: E402
from rft_jax.training.token_arrays import TokenArrays  # noqa: E402
from rft_jax.training.train_step import init_train_state, state_shardings, train_step  # noqa: E402

CONFIG = LlamaConfig(
    vocab_size=4096,
    hidden_size=256,
    intermediate_size=688,
    num_layers=4,
    num_heads=4,
    num_kv_heads=4,
)


def example_lengths(chars_per_token: float) -> tuple[np.ndarray, np.ndarray]:
    """Prompt and response tokens of every example."""
    folder = os.environ.get("GSM8K_DIR")
    if folder:
        rows = [row for _, row in read_rows(Path(folder) / "train.jsonl")]
        sizes = np.asarray([(len(row["question"]), len(row["answer"])) for row in rows])
        prompts, responses = np.ceil(sizes.T / chars_per_token).astype(int)
        return prompts + 1, responses + 1
    rng = np.random.default_rng(0)
    prompts = np.clip(rng.gamma(5.5, 12, 7473), 15, 250).astype(int)
    return prompts, np.clip(rng.gamma(4.3, 30, 7473), 25, 260).astype(int)


def make_arrays(chars_per_token: float, longest: int) -> TokenArrays:
    """Token arrays of random tokens with these lengths."""
    prompts, responses = example_lengths(chars_per_token)
    fits = prompts + responses <= longest + 1
    prompts, responses = prompts[fits], responses[fits]
    lengths = prompts + responses
    tokens = np.random.default_rng(1).integers(0, CONFIG.vocab_size, lengths.sum(), dtype=np.int32)
    return TokenArrays(tokens, np.cumsum([0, *lengths]), prompts.astype(np.int32))


class Side:
    """A model in training on rows that are packed or not."""

    def __init__(self, arrays: TokenArrays, flags: argparse.Namespace, packed: bool) -> None:
        self._settings = TrainSettings(batch_size=flags.batch, max_length=flags.length, pack=packed)
        self._batches = Batches(arrays, flags.batch, flags.length, 0, packed)
        self._mesh = partitioning.make_mesh(MeshSettings(), jax.devices()[:1])
        with jax.set_mesh(self._mesh):
            state = init_train_state(init_params(CONFIG, jax.random.key(0)), self._settings)
            self._state = jax.device_put(state, state_shardings(state, self._mesh))
        self._next = 0

    def filled(self) -> float:
        """Share of the positions of an epoch that hold tokens."""
        columns = self._batches.arrays.lengths.sum() - len(self._batches.arrays)
        return columns / (len(self._batches.epoch_rows(0)) * self._settings.max_length)

    def step(self) -> float:
        """One step on the next batch; its response tokens per second."""
        batch = self._batches.batch(self._next)
        self._next += 1
        start = time.perf_counter()
        with jax.set_mesh(self._mesh):
            self._state, metrics = train_step(
                self._state,
                partitioning.global_batch(batch, self._mesh),
                np.float32(1e-4),
                config=CONFIG,
                settings=self._settings,
                mesh=self._mesh,
            )
            tokens = float(metrics["tokens"])
        return tokens / (time.perf_counter() - start)


def main() -> None:
    """Prints a table and writes JSON if a file is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--chars_per_token", type=float, default=2.69)
    parser.add_argument("--output", help="file for the results, JSON")
    flags = parser.parse_args()
    arrays = make_arrays(flags.chars_per_token, flags.length)
    sides = {name: Side(arrays, flags, name == "packed") for name in ("packed", "padded")}
    for side in sides.values():
        side.step()
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(flags.repeats):
        for name, side in sides.items():
            speeds[name].append(side.step())
    rows = {
        name: {
            "filled": side.filled(),
            "response_tokens_per_second": statistics.median(speeds[name]),
        }
        for name, side in sides.items()
    }
    for name, row in rows.items():
        speed = row["response_tokens_per_second"]
        print(f"{name:<7} {row['filled']:6.1%} filled  {speed:10,.0f} response tokens/s")
    ratio = statistics.median(
        a / b for a, b in zip(speeds["packed"], speeds["padded"], strict=True)
    )
    print(f"packing trains on {ratio:.2f} times as many response tokens a second")
    if flags.output:
        result = {"rows": rows, "ratio": ratio, "flags": vars(flags)}
        Path(flags.output).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
