"""Settings of `rft train`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.models.config import DTYPES, LORA_TARGETS, STORED_DTYPES, Lora

COMPUTED = ("dtype", "attention", "remat", "scan_unroll")  # settings of how, not of what
_CHOICES = {
    "schedule": ("cosine", "linear", "constant"),
    "over_long": ("drop", "cut"),
    "question_weights": ("none", "equal"),
    "moment_dtype": DTYPES,
    "export_dtype": STORED_DTYPES,
}
_AT_LEAST = {
    "num_steps": 0,
    "warmup_steps": 0,
    "limit": 0,
    "loss_chunk": 0,
    "profile_steps": 0,
    "batch_size": 1,
    "gradient_accumulation": 1,
    "save_every_steps": 1,
    "keep_checkpoints": 1,
    "scan_unroll": 1,
    "max_length": 2,
    "seed": 0,
}
_FRACTIONS = ("warmup_ratio", "beta1", "beta2")  # of 1; a beta of 1 would never forget
_NOT_NEGATIVE = (
    "learning_rate",
    "final_learning_rate_ratio",
    "weight_decay",
    "max_grad_norm",
)
_POSITIVE = ("epsilon", "lora_alpha")  # without an epsilon, a gradient of 0 makes a weight NaN


@dataclass(frozen=True)
class TrainSettings:
    """How a model is fine-tuned; the defaults are the paper's recipe (arXiv 2308.01825, § 3).

    Attributes:
      learning_rate: the peak.
      schedule: learning-rate schedule after the warm-up: 'cosine', 'linear' or 'constant'.
      final_learning_rate_ratio: learning rate at the end of the schedule, over the peak; the step
        after the last would have it, so the last step's is a little higher.
      warmup_ratio: share of all steps over which the learning rate rises linearly.
      warmup_steps: steps over which it does; 0 for warmup_ratio's share.
      num_epochs: passes over the data.
      num_steps: optimizer steps; 0 for as many as num_epochs gives.
      batch_size: rows of max_length tokens in a step, over all devices; rows hold several examples.
      gradient_accumulation: parts that a batch is computed in, one after the other.
      max_length: tokens in a row.
      over_long: what becomes of an example longer than a row: 'drop' or 'cut'; counted either way.
      question_weights: 'none' counts every response token alike; 'equal' divides the weight of an
        example by the number of examples of its question, so that easy questions, of which many
        paths are kept, don't dominate.
      pack: whether several examples share a row; off, each has its own.
      weight_decay: decoupled weight decay (AdamW) of all kernels; norms and the embedding don't
        decay.
      beta1: AdamW's first decay.
      beta2: AdamW's second decay.
      epsilon: AdamW's.
      max_grad_norm: gradients are scaled down to this global norm; 0 for never.
      seed: of the order of examples, and of the weights with --model init:CONFIG.
      limit: only the first this many examples; 0 for all.
      template: prompt template ('plain', 'alpaca', 'chatml', 'none'); '' for the model's own.
      tokenizer: with --model init:CONFIG, the folder of the tokenizer, or 'wordproblems:tokenizer'.
      dtype: of activations: 'float32' or 'bfloat16'; the optimizer's weights are float32.
      moment_dtype: of AdamW's moments.
      lora_rank: trains low-rank adapters of this rank and no other parameter; 0 for all parameters.
      lora_alpha: the adapters' product counts lora_alpha / lora_rank.
      lora_targets: kernels with an adapter, of q, k, v, o, gate, up, down.
      export_dtype: of the finished model's safetensors.
      attention: 'auto' (cuDNN on NVIDIA, splash on TPU, einsum on CPU), or one of those by name.
      remat: 'none', 'save_attention' or 'full'.
      scan_unroll: blocks in a row within the loop over layers: more to compile, faster on CPU.
      loss_chunk: positions whose logits exist at a time; 0 for all of them.
      save_every_steps: steps between checkpoints.
      keep_checkpoints: how many checkpoints are kept.
      profile_steps: steps of a start, from the third on, whose trace is left for TensorBoard's
        profiler; 0 for none.
      wandb: project on Weights & Biases that gets the metrics too (needs wandb); '' for none.
    """

    learning_rate: float = 2e-5
    schedule: str = "cosine"
    final_learning_rate_ratio: float = 0.0
    warmup_ratio: float = 0.03
    warmup_steps: int = 0
    num_epochs: int = 3
    num_steps: int = 0
    batch_size: int = 128
    gradient_accumulation: int = 1
    max_length: int = 512
    over_long: str = "drop"
    question_weights: str = "none"
    pack: bool = True
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    seed: int = 0
    limit: int = 0
    template: str = ""
    tokenizer: str = ""
    dtype: str = "float32"
    moment_dtype: str = "float32"
    lora_rank: int = 0
    lora_alpha: float = 32.0
    lora_targets: tuple[str, ...] = LORA_TARGETS
    export_dtype: str = "float32"
    attention: str = "auto"
    remat: str = "none"
    scan_unroll: int = 1
    loss_chunk: int = 0
    save_every_steps: int = 100
    keep_checkpoints: int = 1
    profile_steps: int = 0
    wandb: str = ""

    @property
    def lora(self) -> Lora | None:
        """The adapters to train, or None."""
        if self.lora_rank == 0:
            return None
        return Lora(self.lora_rank, self.lora_alpha, self.lora_targets)

    def __post_init__(self) -> None:
        _ = self.lora  # refuses adapters that make no sense
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(
                    f"train.{name} {getattr(self, name)!r}: one of {', '.join(choices)} is needed"
                )
        for name, least in _AT_LEAST.items():
            if getattr(self, name) < least:
                raise UserError(
                    f"train.{name} is {getattr(self, name)}; at least {least} is needed"
                )
        for name in _NOT_NEGATIVE:
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"train.{name} is {getattr(self, name)}; 0 or more is needed")
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"train.{name} is {getattr(self, name)}; above 0 is needed")
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) < 1:
                raise UserError(
                    f"train.{name} is {getattr(self, name)}; at least 0 and below 1 is needed"
                )
        if self.num_steps == 0 and self.num_epochs < 1:
            raise UserError(
                f"train.num_steps {self.num_steps} with num_epochs {self.num_epochs}: no work"
            )
        if self.batch_size % self.gradient_accumulation:
            raise UserError(
                f"train.batch_size {self.batch_size} is not divisible by "
                f"gradient_accumulation {self.gradient_accumulation}"
            )
        if self.loss_chunk and self.max_length % self.loss_chunk:
            raise UserError(
                f"train.max_length {self.max_length} is not divisible by loss_chunk "
                f"{self.loss_chunk}"
            )
