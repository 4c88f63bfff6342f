"""Writes llama.npz: logits of tiny random models by transformers, for machines without torch.

    python -m tests.golden.make_llama_goldens

Needs the `hf` extra. The weights are those of tests/llama_twin.py, so only logits are stored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.llama_twin import (
    LINEAR_ROPE,
    LLAMA3_ROPE,
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


def main() -> None:
    import torch
    import transformers

    logits = {}
    for name, content in CASES.items():
        config = transformers.AutoConfig.for_model(**content)
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        tensors = {key: torch.tensor(value) for key, value in random_tensors(content).items()}
        model.load_state_dict(tensors, strict=False)
        model.tie_weights()
        ids = torch.tensor(random_tokens(content), dtype=torch.long)
        with torch.no_grad():
            logits[name] = model(input_ids=ids).logits.numpy()
    np.savez_compressed(PATH, **logits)


if __name__ == "__main__":
    main()
