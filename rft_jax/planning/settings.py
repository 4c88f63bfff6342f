"""Settings of `rft plan`."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError


@dataclass(frozen=True)
class PlanSettings:
    """Settings of `rft plan`: the data set, and the expected efficiencies.

    Attributes:
      num_problems: number of training problems; the default is GSM8K's.
      prompt_tokens: mean tokens per prompt; the default is that of GSM8K questions with LLaMA's
        tokenizer and no template (arXiv 2308.01825).
      response_tokens: mean tokens per response.
      paths_per_problem: distinct paths per problem in RFT, with the reference solution; the default
        is that of the paper's 7B model with 100 samples.
      fill: share of the positions in packed rows that hold tokens.
      train_efficiency: expected MFU in training, for the device hours.
      sample_efficiency: expected share of the roofline in sampling, for the device hours.
      sample_tensor: chips per copy of the model in sampling; 0: the fewest with which the slice
        decodes the most samples at a time.
      compile: compile the train step and the decode step for a TPU topology, which needs libtpu; if
        false, use formulas alone.
    """

    num_problems: int = 7473
    prompt_tokens: float = 66.0
    response_tokens: float = 130.0
    paths_per_problem: float = 5.25
    fill: float = 0.95
    train_efficiency: float = 0.4
    sample_efficiency: float = 0.5
    sample_tensor: int = 0
    compile: bool = True

    def __post_init__(self) -> None:
        if self.num_problems < 1:
            raise UserError(f"plan.num_problems is {self.num_problems}; at least 1 is needed")
        for name in ("prompt_tokens", "response_tokens", "paths_per_problem"):
            if getattr(self, name) < 1:
                raise UserError(f"plan.{name} is {getattr(self, name)}; at least 1 is needed")
        for name in ("fill", "train_efficiency", "sample_efficiency"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(
                    f"plan.{name} is {getattr(self, name)}; above 0 and at most 1 is needed"
                )
        if self.sample_tensor < 0:
            raise UserError(f"plan.sample_tensor is {self.sample_tensor}; 0 or more is needed")
