"""PyTorch side of benchmarks/training.py: Hugging Face's LLaMA, eager or with its Trainer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rft_jax.models.config import LlamaConfig

_WARM_UP_STEPS = 5


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


def eager_step(config: LlamaConfig, tokens: np.ndarray) -> Callable[[], Any]:
    """A function that runs one step of PyTorch eager."""
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
    config: LlamaConfig, tokens: np.ndarray, steps: int, remat: bool, dtype: str
) -> list[float]:
    """Seconds of each step of the Hugging Face Trainer after the first five.

    Args:
      remat: whether it checkpoints gradients.
      dtype: of its autocast; 'float32' for none.
    """
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    on_gpu = torch.cuda.is_available()
    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_args: Any, **_named: Any) -> None:
            if on_gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter())

    rows = [{"input_ids": row.tolist(), "labels": row.tolist()} for row in tokens]
    total = steps + _WARM_UP_STEPS
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=len(tokens),
            max_steps=total,
            learning_rate=1e-4,
            bf16=dtype == "bfloat16",
            gradient_checkpointing=remat,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            optim="adamw_torch_fused",
            disable_tqdm=True,
            use_cpu=not on_gpu,
        )
        model = torch_model(config)
        Trainer(model, arguments, train_dataset=rows * total, callbacks=[Clock()]).train()
    return list(np.diff(times)[_WARM_UP_STEPS - 1 :])
