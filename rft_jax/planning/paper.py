"""The FLOP counts of the paper (Yuan et al., arXiv 2308.01825, appendix on FLOPs of SFT and RFT).

They follow Kaplan et al. (arXiv 2001.08361): N = 12 × layers × width² parameters, no embeddings, no
attention in training. They stand beside ours for comparison with the published tables.
"""

from __future__ import annotations

from rft_jax.models.config import LlamaConfig


def num_params(config: LlamaConfig) -> float:
    """N: twelve times layers times width squared."""
    return 12.0 * config.num_layers * config.hidden_size**2


def train_flops(config: LlamaConfig, tokens: float) -> float:
    """6 N a token."""
    return 6.0 * num_params(config) * tokens


def sampling_flops(config: LlamaConfig, prompt: float, response: float) -> float:
    """FLOPs of one sample with its own prefill.

    2 N + 2 × layers × context × width for a token of the prompt; for a token of the response the
    projections to keys and values, 4 × layers × width², are taken off, since they are cached.
    """
    layers, width = config.num_layers, config.hidden_size
    whole = 2 * num_params(config)
    cached = whole - 4.0 * layers * width**2
    prefill = prompt * (whole + 2 * layers * prompt * width)
    return prefill + response * (cached + 2 * layers * (prompt + response / 2) * width)
