"""The FLOP counts of the paper (Yuan et al., arXiv 2308.01825, appendix on FLOPs of SFT and RFT).

They follow Kaplan et al. (arXiv 2001.08361): N = 12 × layers × width² parameters, no embeddings, no
attention in training. They stand beside ours for comparison with the published tables.
"""

from __future__ import annotations

from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.settings import PlanSettings

# The models of the paper's table of costs, by their files in configs/models.
_MODELS = {
    "7B": "llama_7b",
    "13B": "llama_13b",
    "33B": "llama_33b",
    "65B": "llama_65b",
    "70B-2": "llama2_70b",
}
# Distinct paths per question in the paper's union of models up to 33B; its recipe.
_U33B_PATHS, _EPOCHS, _SAMPLES = 13.65, 3, 100


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


def paper_costs() -> dict[str, dict[str, float]]:
    """The paper's table of FLOPs by its own formulas: model -> stage -> FLOPs.

    `sft`: three epochs on GSM8K; `rft_inference`: 100 samples per question; `rft_u33b`: RFT on the
    union of its models.
    """
    data, costs = PlanSettings(), {}
    for name, file in _MODELS.items():
        config = load_config({"llama": LlamaConfig}, [f"models/{file}.gin"]).get(LlamaConfig)
        tokens = _EPOCHS * data.num_problems * (data.prompt_tokens + data.response_tokens)
        sft = train_flops(config, tokens)
        sample = sampling_flops(config, data.prompt_tokens, data.response_tokens)
        samples = _SAMPLES * data.num_problems * sample
        costs[name] = {"sft": sft, "rft_inference": samples, "rft_u33b": _U33B_PATHS * sft}
    return costs
