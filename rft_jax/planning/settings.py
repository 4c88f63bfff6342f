"""Settings of `rft plan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rft_jax.checked_settings import CheckedSettings


@dataclass(frozen=True)
class PlanSettings(CheckedSettings):
    """Settings of `rft plan`: the data set, and the expected efficiencies.

    Attributes:
      num_problems: number of training problems; the default is GSM8K's.
      prompt_tokens: mean tokens per prompt; the default is that of GSM8K questions with LLaMA's
        tokenizer and no template (arXiv 2308.01825).
      response_tokens: mean tokens per response.
      paths_per_problem: distinct paths per problem in RFT, with the reference solution; the default
        is that of the paper's 7B model with 100 samples.
      correct_share: expected share of samples that are correct, for RFT without deduplication.
      num_test_problems: number of test problems of a run; the default is GSM8K's.
      fill: share of the positions in packed rows that hold tokens.
      train_efficiency: expected MFU in training, for the device hours.
      sample_efficiency: expected share of the roofline in sampling, for the device hours.
      sample_tensor: chips per copy of the model in sampling; 0: the fewest with which the slice
        decodes the most samples at a time.
      compile: compile the train step and the decode step for a TPU topology, which needs libtpu; if
        false, use formulas alone.
    """

    gin_name: ClassVar[str] = "plan"

    num_problems: int = 7473
    prompt_tokens: float = 66.0
    response_tokens: float = 130.0
    paths_per_problem: float = 5.25
    correct_share: float = 0.4
    num_test_problems: int = 1319
    fill: float = 0.95
    train_efficiency: float = 0.4
    sample_efficiency: float = 0.5
    sample_tensor: int = 0
    compile: bool = True

    def __post_init__(self) -> None:
        self._check_at_least(1, "num_problems", "prompt_tokens", "response_tokens")
        self._check_at_least(1, "paths_per_problem")
        self._check_at_least(1, "num_test_problems")
        self._check_share("correct_share", "fill", "train_efficiency", "sample_efficiency")
        self._check_at_least(0, "sample_tensor")
