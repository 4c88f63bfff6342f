"""Settings of `rft train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rft_jax.checked_settings import CheckedSettings
from rft_jax.files.identity import added_setting, setting_known_as, setting_like
from rft_jax.models.config import CHOICES, DTYPES, STORED_DTYPES, Lora
from rft_jax.models.families import KERNELS
from rft_jax.prompts import template_identity

BEST_LOSS, BEST_ACCURACY = "best", "best_accuracy"
"""The values of `export_checkpoint` that keep the best step."""
COMPUTED = ("dtype", "attention", "remat", "scan_unroll")
"""Settings of how the model is computed, which `LlamaConfig` has too."""


@dataclass(frozen=True)
class TrainSettings(CheckedSettings):
    """How a model is fine-tuned; the defaults are the paper's recipe (arXiv 2308.01825, § 3).

    Attributes:
      learning_rate: peak learning rate, reached at the end of the warm-up; 0 chooses by the model's
        size.
      schedule: learning-rate schedule after the warm-up: 'cosine', 'linear' or 'constant'.
      final_learning_rate_ratio: learning rate at the end of the schedule, over the peak; the step
        after the last would have it, so the last step's is a little higher.
      warmup_ratio: share of all steps in which the learning rate rises linearly to its peak; not
        used with warmup_steps.
      warmup_steps: number of linear warm-up steps; 0: use warmup_ratio.
      curriculum: stages, one after the other: of each its share of the steps, then the share of its
        rows that each --data has, in their order; [(1, 1, 0), (2, 1, 3)] is a third of num_steps on
        the first of two files, then a quarter on it and three quarters on the second. (): all
        data in one random order.
      num_epochs: passes over the data; not used with num_steps.
      num_steps: optimizer steps; 0: use num_epochs.
      batch_size: rows of max_length tokens per optimizer step, over all devices; with packing a row
        holds several examples; 0 chooses by the number of questions, for about 100 steps.
      gradient_accumulation: microbatches per optimizer step, computed one after the other.
      max_length: tokens per row; longer examples are dropped or truncated (see over_long); where
        the model has fewer positions than the default, all of them.
      over_long: examples longer than a row: 'drop', or 'cut' (truncate the prompt on the left);
        their number is reported.
      question_weights: 'none': every response token has the same weight in the loss; 'equal': an
        example's weight is divided by the number of examples of its question, so that easy
        questions, which have many distinct paths, don't dominate.
      pack: whether several examples share a row; if not, each example is a row.
      weight_decay: decoupled weight decay (AdamW) of all kernels; norms and the embedding don't
        decay.
      beta1: AdamW's decay rate of the first moment.
      beta2: AdamW's decay rate of the second moment.
      epsilon: AdamW's addend to the square root of the second moment; above 0.
      max_grad_norm: global norm to which gradients are clipped; 0: no clipping.
      seed: seed of the order of examples, and of random weights (--model init:CONFIG, LoRA).
      limit: train on the first this many examples only; 0: on all. Of files they are counted before
        empty and over-long ones are left out, of token arrays behind that.
      template: prompt template ('plain', 'alpaca', 'chatml', 'smollm2', 'none', or 'chat' for the
        model's chat template); '' for the model's own.
        Rows whose form is 'program' get the cue for a program after the question.
      tokenizer: folder of the tokenizer, or 'wordproblems:tokenizer', 'arithmetic:tokenizer'; only
        for --model init:CONFIG.
      dtype: dtype of activations, 'float32' or 'bfloat16'; the optimizer's weights are float32.
      moment_dtype: dtype of AdamW's first moment, 'float32' or 'bfloat16'; the second is float32.
      lora_rank: rank of low-rank adapters, which are then trained alone; 0: train all parameters.
      lora_alpha: scale of the adapters: their product is multiplied by lora_alpha / lora_rank.
      lora_targets: kernels with an adapter, of q, k, v, o, gate, up, down.
      export_dtype: dtype of the finished model's files: 'float32', 'bfloat16' or 'float16'; '' for
        that of dtype.
      attention: attention kernel: 'cudnn' (NVIDIA), 'splash' (TPU), 'einsum', or 'auto' for the
        device's.
      remat: what the backward pass computes again: 'none', 'full' (everything but each block's
        input) or 'save_attention' (everything but that and attention's output).
      scan_unroll: blocks per iteration of the loop over layers; more compile longer and run faster
        on a CPU.
      loss_chunk: positions whose logits exist at the same time; 0: all of a row.
      save_every_steps: optimizer steps between two checkpoints.
      keep_checkpoints: number of newest checkpoints to keep.
      keep_optimizer_state: whether the checkpoints of a finished training keep AdamW's moments; if
        not, they keep the parameters alone.
      profile_steps: number of steps, from the third after a start on, that are traced for
        TensorBoard's profiler; 0: none.
      wandb: project on Weights & Biases that gets the metrics too (needs wandb); '' for none.
      wandb_name: name of the run on Weights & Biases; '' for the output folder's name.
      wandb_group: group of runs on Weights & Biases that it belongs to; '' for none.
      eval_data: problems or paths (as --data) whose loss is measured during training and which
        are not trained on; '' for none.
      eval_problems: problems of eval_data that are also answered greedily, for the accuracy by the
        settings evaluate.*; 0: none.
      eval_every_steps: optimizer steps between two measurements on eval_data; the last step is
        measured too.
      export_checkpoint: weights of the finished model: 'last', 'best', those with the lowest loss
        on eval_data, or 'best_accuracy', those with the highest accuracy on it (of equal ones the
        lowest loss).
    """

    gin_name: ClassVar[str] = "train"
    COMMON: ClassVar[tuple[str, ...]] = (
        "learning_rate",
        "num_epochs",
        "num_steps",
        "batch_size",
        "gradient_accumulation",
        "max_length",
        "template",
        "dtype",
        "lora_rank",
        "remat",
        "loss_chunk",
        "seed",
        "limit",
        "save_every_steps",
        "eval_data",
        "eval_problems",
        "eval_every_steps",
        "export_checkpoint",
        "wandb",
    )

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
    template: str = setting_known_as(template_identity)
    tokenizer: str = ""
    dtype: str = "float32"
    moment_dtype: str = "float32"
    lora_rank: int = 0
    lora_alpha: float = 32.0
    lora_targets: tuple[str, ...] = KERNELS
    export_dtype: str = setting_like("dtype")
    attention: str = "auto"
    remat: str = "none"
    scan_unroll: int = 1
    loss_chunk: int = 0
    save_every_steps: int = 100
    keep_checkpoints: int = 1
    profile_steps: int = 0
    wandb: str = ""
    curriculum: tuple[tuple[float, ...], ...] = added_setting(())
    wandb_name: str = added_setting("")
    wandb_group: str = added_setting("")
    eval_data: str = added_setting("")
    eval_every_steps: int = added_setting(50)
    export_checkpoint: str = added_setting("last")
    keep_optimizer_state: bool = added_setting(False)
    eval_problems: int = added_setting(0)

    @property
    def keeps_most_accurate(self) -> bool:
        """Whether the best step is the one with the highest accuracy."""
        return self.export_checkpoint == BEST_ACCURACY

    @property
    def stored_dtype(self) -> str:
        """The dtype of the finished model's files."""
        return self.export_dtype or self.dtype

    @property
    def lora(self) -> Lora | None:
        """The adapters to train, or None."""
        if self.lora_rank == 0:
            return None
        return Lora(self.lora_rank, self.lora_alpha, self.lora_targets)

    def __post_init__(self) -> None:
        self._check_at_least(0, "lora_rank")
        _ = self.lora  # raises on invalid adapters
        for name in ("dtype", "attention", "remat"):
            self._check_choice(name, CHOICES[name])
        self._check_choice("schedule", ("cosine", "linear", "constant"))
        self._check_choice("over_long", ("drop", "cut"))
        self._check_choice("question_weights", ("none", "equal"))
        self._check_choice("moment_dtype", DTYPES)
        if self.export_dtype:
            self._check_choice("export_dtype", STORED_DTYPES)
        self._check_at_least(0, "num_steps", "warmup_steps", "limit", "loss_chunk", "profile_steps")
        self._check_at_least(0, "seed", "learning_rate", "final_learning_rate_ratio")
        self._check_at_least(0, "weight_decay", "max_grad_norm", "batch_size")
        self._check_at_least(1, "gradient_accumulation", "scan_unroll")
        self._check_at_least(1, "save_every_steps", "keep_checkpoints")
        self._check_at_least(1, "eval_every_steps")
        self._check_at_least(0, "eval_problems")
        self._check_choice("export_checkpoint", ("last", BEST_LOSS, BEST_ACCURACY))
        self._check_at_least(2, "max_length")
        # Without an epsilon, a gradient of 0 makes a weight NaN.
        self._check_above(0, "epsilon", "lora_alpha")
        self._check_curriculum()
        for name in ("warmup_ratio", "beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                self._refuse(name, "at least 0 and below 1 is needed")
        if self.num_steps == 0 and self.num_epochs < 1:
            self._refuse("num_epochs", "at least 1 is needed, or train.num_steps")
        self._check_multiple("batch_size", "gradient_accumulation")
        if self.loss_chunk:
            self._check_multiple("max_length", "loss_chunk")

    def check_held_out(self) -> None:
        """Refuses measurements without the data that they need.

        Raises:
          UserError: names the setting, and the one that is missing.
        """
        if self.eval_problems and not self.eval_data:
            self._refuse("eval_problems", "train.eval_data is needed, whose problems they are")
        needed = "eval_problems" if self.keeps_most_accurate else "eval_data"
        if self.export_checkpoint != "last" and not getattr(self, needed):
            self._refuse("export_checkpoint", f"train.{needed} is needed to choose by")

    def _check_curriculum(self) -> None:
        """Refuses stages without steps or rows, and settings that stages leave no meaning."""
        object.__setattr__(self, "curriculum", tuple(map(tuple, self.curriculum)))
        if not self.curriculum:
            return
        for stage in self.curriculum:
            if len(stage) < 2 or not all(0 <= share < float("inf") for share in stage):
                self._refuse("curriculum", "a stage has a share of the steps and one per --data")
            if not (stage[0] > 0 and sum(stage[1:]) > 0):
                self._refuse("curriculum", "a stage without steps, or without rows, trains nothing")
        if self.num_steps == 0:
            self._refuse("curriculum", "its stages are shares of train.num_steps, so set that")
        if self.limit:
            self._refuse("curriculum", f"not with train.limit = {self.limit}; set that to 0")
