"""Compares the train step with PyTorch: same shapes, same tokens, same precision.

On a CPU the other side is Hugging Face's LLaMA in PyTorch eager, float32, with PyTorch's AdamW. On
a GPU it is the Hugging Face Trainer, bf16 over float32 weights, SDPA attention. Each side has the
device to itself, in a process of its own that ends before the other's starts; they take turns,
`--rounds` times, and the medians over all rounds are compared, without compilation and the first
steps of a process. A side that needs more memory than the device has is reported as `does not fit`.
Needs torch and transformers, for the Trainer also accelerate, and no TensorFlow. FLOPs exclude
rematerialisation; with --lora they exclude gradients of frozen kernels.

  python benchmarks/training.py                                        a small model on the CPU
  python benchmarks/training.py --model wordproblems --length 144 --scan_unroll 4
  python benchmarks/training.py --model tinyllama_1b --batch 8 --length 2048 --remat save_attention
  python benchmarks/training.py --model 7b --lora 16 --batch 8 --length 2048 \
    --remat save_attention --loss_chunk 256 --against nothing          7B on one GPU of 80 GB
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import memory  # noqa: E402

memory.take_all()  # in our side's process, which is alone on the device

import jax  # noqa: E402
import numpy as np  # noqa: E402
from training_torch import eager_step, trainer_seconds  # noqa: E402

from rft_jax.devices import partitioning  # noqa: E402
from rft_jax.devices.chips import chip_of  # noqa: E402
from rft_jax.devices.mesh_settings import MeshSettings  # noqa: E402
from rft_jax.models.config import LlamaConfig  # noqa: E402
from rft_jax.models.llama import Params, init_adapters, init_params  # noqa: E402
from rft_jax.models.shapes import train_flops_per_token  # noqa: E402
from rft_jax.training.settings import COMPUTED, TrainSettings  # noqa: E402
from rft_jax.training.train_step import init_train_state, state_shardings, train_step  # noqa: E402

SHAPES = {
    "tiny": LlamaConfig(128, 32, 64, 2, 4, 2),
    "wordproblems": LlamaConfig(
        vocab_size=233,
        hidden_size=128,
        intermediate_size=336,
        num_layers=4,
        num_heads=4,
        num_kv_heads=2,
    ),
    "small": LlamaConfig(
        vocab_size=4096,
        hidden_size=384,
        intermediate_size=1024,
        num_layers=6,
        num_heads=6,
        num_kv_heads=6,
    ),
    "smollm2_135m": LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_layers=30,
        num_heads=9,
        num_kv_heads=3,
        tie_word_embeddings=True,
    ),
    "tinyllama_1b": LlamaConfig(
        vocab_size=32000,
        hidden_size=2048,
        intermediate_size=5632,
        num_layers=22,
        num_heads=32,
        num_kv_heads=4,
    ),
    "openllama_3b": LlamaConfig(32000, 3200, 8640, 26, 32, 32),
    "7b": LlamaConfig(32000, 4096, 11008, 32, 32, 32),
}


def our_step(config: LlamaConfig, settings: TrainSettings, tokens: np.ndarray) -> Callable[[], Any]:
    """A function that runs one step of ours and waits for it."""
    mesh = partitioning.make_mesh(MeshSettings(), jax.devices()[:1])
    rows, length = tokens.shape
    batch = {
        "tokens": tokens,
        "targets": np.roll(tokens, -1, 1),
        "positions": np.tile(np.arange(length, dtype=np.int32), (rows, 1)),
        "segment_ids": np.ones((rows, length), np.int32),
        "loss_weights": np.ones((rows, length), np.float32),
    }
    key = jax.random.key(0)
    with jax.set_mesh(mesh):
        # Compiled, nothing stands in memory twice.
        params = jax.jit(init_params, static_argnums=0)(replace(config, lora=None), key)
        frozen: Params = {}
        if settings.lora is not None:
            frozen, params = params, init_adapters(config, key)
        state = jax.jit(init_train_state, static_argnums=1, donate_argnums=0)(params, settings)
        state = jax.device_put(state, state_shardings(state, mesh))

    def step() -> None:
        nonlocal state
        with jax.set_mesh(mesh):
            state, metrics = train_step(
                state,
                partitioning.global_batch(batch, mesh),
                np.float32(1e-4),
                config=config,
                settings=settings,
                mesh=mesh,
                frozen=frozen,
            )
            jax.block_until_ready(metrics)

    return step


def timed(step: Callable[[], Any], repeats: int, warm: int = 3) -> list[float]:
    """Seconds of each step after the first ones."""
    seconds = []
    for _ in range(warm + repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds[warm:]


def machine() -> tuple[str, str]:
    """JAX's platform and kind of device."""
    return jax.default_backend(), jax.devices()[0].device_kind


def our_side(flags: argparse.Namespace) -> tuple[list[float], int | None]:
    """Seconds of our steps, and the most bytes of the device that were ours, where it counts them.

    To be called in a process of its own, as `their_side` is.
    """
    settings = TrainSettings(
        batch_size=flags.batch,
        max_length=flags.length,
        dtype=flags.dtype,
        moment_dtype=flags.moments,
        lora_rank=flags.lora,
        remat=flags.remat,
        attention=flags.attention,
        loss_chunk=flags.loss_chunk,
        scan_unroll=flags.scan_unroll,
    )
    computed = {name: getattr(settings, name) for name in COMPUTED}
    config = replace(SHAPES[flags.model], **computed, lora=settings.lora)
    seconds = timed(our_step(config, settings, random_tokens(flags)), flags.repeats)
    return seconds, (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def their_side(flags: argparse.Namespace) -> list[float]:
    """Seconds of PyTorch's steps."""
    config, tokens = SHAPES[flags.model], random_tokens(flags)
    if flags.against == "eager":
        return timed(eager_step(config, tokens), flags.repeats)
    return trainer_seconds(config, tokens, flags.repeats, flags.their_remat, flags.dtype)


def random_tokens(flags: argparse.Namespace) -> np.ndarray:
    """The same batch for both sides."""
    vocab_size = SHAPES[flags.model].vocab_size
    return np.random.default_rng(0).integers(
        0, vocab_size, (flags.batch, flags.length), dtype=np.int32
    )


def report(
    flags: argparse.Namespace,
    seconds: dict[str, list[float]],
    unfit: set[str],
    peak: int | None,
    device: str,
) -> None:
    """Prints a table, and writes JSON if a file is given.

    Args:
      seconds: of each side's steps.
      unfit: sides for which the device's memory is too small.
      peak: the most bytes that were ours.
    """
    rows = {name: _row(flags, values, device) for name, values in seconds.items() if values}
    for name, row in rows.items():
        mfu = "" if row["mfu"] is None else f"{row['mfu']:7.1%} MFU"
        print(
            f"{name:<8} {row['seconds'] * 1e3:9.1f} ms  {row['tokens_per_second']:12,.0f} tokens/s"
            f"  {row['tflops']:8.3f} TFLOP/s {mfu}"
        )
    for name in sorted(unfit):
        rows[name] = {"error": memory.DOES_NOT_FIT}
        print(f"{name:<8} {memory.DOES_NOT_FIT}")
    if len(rows) == 2 and not unfit:
        ours, theirs = (row["seconds"] for row in rows.values())
        print(f"ours is {theirs / ours:.2f} times as fast")
    if peak:
        print(f"at most {peak / 1e9:.1f} GB of the device's memory were ours")
    if flags.output:
        about = {"device": device, "jax": jax.__version__, "memory": memory.jax_memory()}
        result = about | {"peak_bytes": peak, "rows": rows, "flags": vars(flags)}
        Path(flags.output).write_text(json.dumps(result, indent=2) + "\n")


def _row(flags: argparse.Namespace, seconds: list[float], device: str) -> dict[str, Any]:
    """A side's median and what follows from it."""
    chip, tokens = chip_of(device), flags.batch * flags.length
    computed = replace(SHAPES[flags.model], lora=TrainSettings(lora_rank=flags.lora).lora)
    median = statistics.median(seconds)
    rate = tokens * train_flops_per_token(computed, flags.length) / median
    return {
        "seconds": median,
        "spread": [min(seconds), max(seconds)],
        "steps": len(seconds),
        "tokens_per_second": tokens / median,
        "tflops": rate / 1e12,
        "mfu": rate / chip.peak if chip else None,
    }


def parse() -> argparse.Namespace:
    """The command line; `auto` is resolved by `resolve`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=SHAPES, default="small")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7, help="measured steps of a process")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each side, in turn")
    parser.add_argument(
        "--dtype",
        default="auto",
        choices=("auto", "float32", "bfloat16"),
        help="precision; auto: by device",
    )
    parser.add_argument(
        "--against",
        default="auto",
        choices=("auto", "eager", "trainer", "nothing"),
        help="auto: eager on a CPU, trainer on a GPU",
    )
    parser.add_argument("--remat", default="none", help="ours: none, save_attention, full")
    parser.add_argument("--attention", default="auto", help="ours: auto, einsum, cudnn")
    parser.add_argument("--moments", default="float32", help="ours: dtype of AdamW's first moment")
    parser.add_argument("--lora", type=int, default=0, help="ours: LoRA rank; 0: full training")
    parser.add_argument(
        "--their_remat", action="store_true", help="PyTorch: gradient checkpointing"
    )
    parser.add_argument("--loss_chunk", type=int, default=0)
    parser.add_argument("--scan_unroll", type=int, default=1)
    parser.add_argument("--output", help="file for the results, JSON")
    flags = parser.parse_args()
    if flags.lora and flags.against != "nothing":
        parser.error("--lora has no other side yet: --against nothing")
    return flags


def resolve(flags: argparse.Namespace, platform: str) -> None:
    """Chooses what is `auto` by the platform."""
    on_gpu = platform == "gpu"
    if flags.dtype == "auto":
        flags.dtype = "bfloat16" if on_gpu else "float32"
    if flags.against == "auto":
        flags.against = "trainer" if on_gpu else "eager"


def main() -> None:
    """Prints a table and writes JSON if a file is given, after every process."""
    flags = parse()
    platform, device = memory.alone(machine) or ("", "")
    resolve(flags, platform)
    other = {"eager": "torch", "trainer": "trainer"}.get(flags.against)
    seconds: dict[str, list[float]] = {"ours": []} | ({other: []} if other else {})
    unfit: set[str] = set()
    peak = None
    for _ in range(flags.rounds):
        for name in [name for name in seconds if name not in unfit]:
            if name == "ours":
                found = memory.alone(our_side, flags)
                measured, peak = found or (None, peak)
            else:
                measured = memory.alone(their_side, flags)
            if measured is None:
                unfit.add(name)
            else:
                seconds[name] += measured
            report(flags, seconds, unfit, peak, device)


if __name__ == "__main__":
    main()
