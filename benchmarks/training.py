"""The train step against PyTorch: same shapes, same tokens, same precision, side by side.

On a CPU the other side is Hugging Face's LLaMA in PyTorch eager, float32, with PyTorch's AdamW. On
a GPU it is the Hugging Face Trainer, bf16 over float32 weights, SDPA attention. Medians are
compared; compiling and the first steps don't count. Needs torch and transformers, on a GPU
accelerate too, and no TensorFlow.

  python benchmarks/training.py                                        a small model on the CPU
  python benchmarks/training.py --model wordproblems --length 144 --scan_unroll 4
  python benchmarks/training.py --model tinyllama_1b --batch 8 --length 2048 --remat save_attention
  python benchmarks/training.py --model tinyllama_1b --batch 8 --length 2048 --ours_only
"""

from __future__ import annotations

import argparse
import json
import os
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
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # two frameworks share the GPU

import jax  # noqa: E402
import numpy as np  # noqa: E402

from rft_jax import partitioning  # noqa: E402
from rft_jax.chips import chip_of  # noqa: E402
from rft_jax.mesh_settings import MeshSettings  # noqa: E402
from rft_jax.models.config import LlamaConfig  # noqa: E402
from rft_jax.models.llama import init_params  # noqa: E402
from rft_jax.models.shapes import train_flops_per_token  # noqa: E402
from rft_jax.training.settings import COMPUTED, TrainSettings  # noqa: E402
from rft_jax.training.train_step import init_state, state_shardings, train_step  # noqa: E402

SHAPES = {
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
}


def our_step(config: LlamaConfig, settings: TrainSettings, tokens: np.ndarray) -> Callable[[], Any]:
    """A call that makes one step of ours and waits for it."""
    mesh = partitioning.make_mesh(MeshSettings(), jax.devices()[:1])
    rows, length = tokens.shape
    batch = {
        "tokens": tokens,
        "targets": np.roll(tokens, -1, 1),
        "positions": np.tile(np.arange(length, dtype=np.int32), (rows, 1)),
        "segment_ids": np.ones((rows, length), np.int32),
        "loss_weights": np.ones((rows, length), np.float32),
    }
    with jax.set_mesh(mesh):
        state = init_state(init_params(config, jax.random.key(0)), settings)
        state = jax.device_put(state, state_shardings(state, mesh))

    def step() -> None:
        nonlocal state
        with jax.set_mesh(mesh):
            state, figures = train_step(
                state,
                partitioning.global_batch(batch, mesh),
                np.float32(1e-4),
                config=config,
                settings=settings,
                mesh=mesh,
            )
            jax.block_until_ready(figures)

    return step


def torch_model(config: LlamaConfig) -> Any:
    """Hugging Face's model of the same shape, random float32 weights."""
    import torch
    from transformers import LlamaConfig as TheirConfig
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    theirs = TheirConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        tie_word_embeddings=config.tie_word_embeddings,
        attn_implementation="sdpa",
        use_cache=False,
    )
    return LlamaForCausalLM(theirs).train()


def torch_cpu_step(config: LlamaConfig, tokens: np.ndarray) -> Callable[[], Any]:
    """A call that makes one step of PyTorch eager."""
    import torch

    model = torch_model(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
    ids = torch.from_numpy(tokens.astype(np.int64))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def trainer_seconds(
    config: LlamaConfig, tokens: np.ndarray, steps: int, remat: bool
) -> list[float]:
    """Seconds of each step of the Hugging Face Trainer after the first five."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_args: Any, **_named: Any) -> None:
            torch.cuda.synchronize()
            times.append(time.perf_counter())

    rows = [{"input_ids": row.tolist(), "labels": row.tolist()} for row in tokens]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=len(tokens),
            max_steps=steps + 5,
            learning_rate=1e-4,
            bf16=True,
            gradient_checkpointing=remat,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            optim="adamw_torch_fused",
            disable_tqdm=True,
        )
        trainer = Trainer(
            torch_model(config), arguments, train_dataset=rows * (steps + 5), callbacks=[Clock()]
        )
        trainer.train()
    return list(np.diff(times)[4:])


def measure(steps: dict[str, Callable[[], Any]], repeats: int, warm: int) -> dict[str, list[float]]:
    """Seconds of every side's step, in turns."""
    for step in steps.values():
        for _ in range(warm):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def report(config: LlamaConfig, tokens: int, length: int, seconds: dict[str, list[float]]) -> dict:
    """A table on the terminal, and the same as JSON."""
    chip = chip_of(jax.devices()[0].device_kind)
    flops = train_flops_per_token(config, length)
    rows = {}
    for name, values in seconds.items():
        median = statistics.median(values)
        rows[name] = {
            "seconds": median,
            "spread": [min(values), max(values)],
            "tokens_per_second": tokens / median,
            "tflops": tokens * flops / median / 1e12,
            "mfu": tokens * flops / median / chip.peak if chip else None,
        }
        mfu = f"{rows[name]['mfu']:7.1%} MFU" if chip else ""
        print(
            f"{name:<8} {median * 1e3:9.1f} ms  {tokens / median:12,.0f} tokens/s  "
            f"{rows[name]['tflops']:8.3f} TFLOP/s {mfu}"
        )
    if len(rows) == 2:
        ours, theirs = (rows[name]["seconds"] for name in seconds)
        print(f"ours is {theirs / ours:.2f} times as fast")
    return {"device": jax.devices()[0].device_kind, "rows": rows}


def main() -> None:
    """Prints a table and writes JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=SHAPES, default="small")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--remat", default="none", help="ours: none, save_attention, full")
    parser.add_argument("--attention", default="auto", help="ours: auto, einsum, cudnn")
    parser.add_argument("--their_remat", action="store_true", help="gradient checkpointing")
    parser.add_argument("--loss_chunk", type=int, default=0)
    parser.add_argument("--scan_unroll", type=int, default=1)
    parser.add_argument("--ours_only", action="store_true")
    parser.add_argument("--output", help="JSON file")
    flags = parser.parse_args()
    on_gpu = jax.default_backend() == "gpu"
    settings = TrainSettings(
        batch_size=flags.batch,
        max_length=flags.length,
        dtype="bfloat16" if on_gpu else "float32",
        remat=flags.remat,
        attention=flags.attention,
        loss_chunk=flags.loss_chunk,
        scan_unroll=flags.scan_unroll,
    )
    computed = {name: getattr(settings, name) for name in COMPUTED}
    config = replace(SHAPES[flags.model], **computed)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, config.vocab_size, (flags.batch, flags.length), dtype=np.int32)
    sides = {"ours": our_step(config, settings, tokens)}
    if not (on_gpu or flags.ours_only):
        sides["torch"] = torch_cpu_step(config, tokens)
    seconds = measure(sides, flags.repeats, warm=3)
    if on_gpu and not flags.ours_only:
        sides.clear()  # frees our memory
        seconds["trainer"] = trainer_seconds(config, tokens, flags.repeats, flags.their_remat)
    result = report(config, tokens.size, flags.length, seconds) | {"flags": vars(flags)}
    if flags.output:
        Path(flags.output).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
