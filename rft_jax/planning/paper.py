"""The FLOP counts of the paper (Yuan et al., arXiv 2308.01825, appendix on FLOPs of SFT and RFT).

They follow Kaplan et al. (arXiv 2001.08361): N = 12 × layers × width² parameters, no embeddings, no
attention in training. They are for comparison with the published tables.
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


def kaplan_params(config: LlamaConfig) -> float:
    """N, the parameters without embeddings: 12 × layers × width²."""
    return 12.0 * config.num_layers * config.hidden_size**2


def paper_train_flops(config: LlamaConfig, tokens: float) -> float:
    """FLOPs of training on so many tokens: 6 N per token."""
    return 6.0 * kaplan_params(config) * tokens


def paper_sampling_flops(config: LlamaConfig, prompt: float, response: float) -> float:
    """FLOPs of one sample with its own prefill.

    2 N + 2 × layers × context × width per prompt token; 4 × layers × width² less per response
    token, since the projections to keys and values are cached.

    Args:
      config: the model.
      prompt: tokens of the prompt.
      response: tokens of the response.
    """
    layers, width = config.num_layers, config.hidden_size
    whole = 2 * kaplan_params(config)
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
        sft = paper_train_flops(config, tokens)
        sample = paper_sampling_flops(config, data.prompt_tokens, data.response_tokens)
        samples = _SAMPLES * data.num_problems * sample
        costs[name] = {"sft": sft, "rft_inference": samples, "rft_u33b": _U33B_PATHS * sft}
    return costs
