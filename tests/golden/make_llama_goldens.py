"""Writes llama.npz: logits and gradients by transformers, for machines without torch.

    python -m tests.golden.make_llama_goldens

Needs the `hf` extra. The weights of the tiny random models are those of tests/llama_twin.py, so
they are not stored. A gradient is stored as its norm and its product with a direction (as random
as the weights), for each tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.llama_twin import (
    LINEAR_ROPE,
    LLAMA3_ROPE,
    draw,
    plain_rope,
    random_tensors,
    random_tokens,
    tiny_config,
)

PATH = Path(__file__).with_name("llama.npz")
CASES: dict[str, dict[str, Any]] = {
    "multi_head": tiny_config(4, 4),
    "grouped_tied_theta_1e5": tiny_config(9, 3, tied=True, rope=plain_rope(1e5), vocab_size=97),
    "llama3_scaling": tiny_config(8, 2, rope=LLAMA3_ROPE, vocab_size=33),
    "linear_scaling_tied": tiny_config(6, 1, tied=True, rope=LINEAR_ROPE),
}


def summary(gradients: Mapping[str, np.ndarray]) -> np.ndarray:
    """Norm and product with the tensor's direction; tensors in the order of their names × 2."""
    rows = []
    for name in sorted(gradients):
        gradient = gradients[name].astype(np.float64)
        direction = draw(f"direction of {name}", gradient.shape).astype(np.float64)
        rows.append((np.linalg.norm(gradient), np.vdot(gradient, direction)))
    return np.array(rows)


def main() -> None:
    import torch
    import transformers

    goldens = {}
    for name, content in CASES.items():
        config = transformers.AutoConfig.for_model(**content)
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        tensors = {key: torch.tensor(value) for key, value in random_tensors(content).items()}
        model.load_state_dict(tensors, strict=False)
        model.tie_weights()
        ids = torch.tensor(random_tokens(content), dtype=torch.long)
        logits = model(input_ids=ids).logits
        goldens[name] = logits.detach().numpy()
        shifted = logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
        torch.nn.functional.cross_entropy(*shifted).backward()
        gradients = {key: value.grad.numpy() for key, value in model.named_parameters()}
        goldens[f"{name} gradients"] = summary(gradients)
    np.savez_compressed(PATH, **goldens)


if __name__ == "__main__":
    main()
