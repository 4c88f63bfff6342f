"""Settings of `rft plan`."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError


@dataclass(frozen=True)
class PlanSettings:
    """The data that is planned for, and how near to the bounds one hopes to come.

    Attributes:
      num_problems: training problems; GSM8K's number.
      prompt_tokens: tokens of a prompt, on average; of a GSM8K question as LLaMA's tokenizer has it
        (arXiv 2308.01825). A longer template adds its own.
      response_tokens: tokens of a response, on average.
      paths_per_problem: distinct paths that RFT trains on for a problem, the human one included;
        5.25 is what the paper's 7B found in 100 samples.
      fill: share of the positions in packed rows that hold tokens.
      train_efficiency: expected share of the chips' peak in training (MFU), for device hours.
      sample_efficiency: expected share of the roofline in sampling, for device hours.
      sample_tensor: chips that share one copy of the model in sampling; 0 for the fewest that hold
        it and its cache with a third of their memory to spare.
      compile: compile the train step and the decode step for the topology (TPU, needs libtpu); off,
        only the formulas are worked out.
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
