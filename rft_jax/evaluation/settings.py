"""Settings of `rft evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.verify.answers import ANSWER_MODES

VOTE_KINDS = ("value", "paper")


@dataclass(frozen=True)
class EvaluateSettings:
    """How a model is asked (with --model) and how its answers are counted.

    Attributes:
      num_samples: samples a problem; 1 at temperature 0 gives `accuracy`, more give `mean@1`.
      temperature: of sampling; 0 is greedy.
      top_p: keep the smallest set of tokens with this much probability; 1 keeps all.
      top_k: keep this many likeliest tokens; 0 keeps all.
      max_new_tokens: longest response, in tokens.
      seed: of the draws.
      limit: ask the first so many problems only; 0 asks all.
      k: of `maj@k` and `pass@k`; 0 takes all samples.
      curve: further values of k, written under `curve`, e.g. (1, 3, 10).
      votes: `value` counts answers by value and shares ties, over all subsets of k samples;
        `paper` counts answer strings of the first k samples, ties to the first seen.
      answers: how an answer is read: first, last, boxed, the_answer_is, strict or flexible.
      bootstrap_resamples: of the question-level bootstrap.
      bootstrap_seed: of the same.
    """

    num_samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 256
    seed: int = 0
    limit: int = 0
    k: int = 0
    curve: tuple[int, ...] = ()
    votes: str = "value"
    answers: str = "first"
    bootstrap_resamples: int = 10_000
    bootstrap_seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "curve", tuple(self.curve))  # gin gives lists
        for name in ("num_samples", "max_new_tokens", "bootstrap_resamples"):
            if getattr(self, name) < 1:
                raise UserError(f"evaluate.{name} = {getattr(self, name)}: at least 1 is needed")
        for name in ("limit", "k", "top_k", "temperature"):
            if getattr(self, name) < 0:
                raise UserError(f"evaluate.{name} = {getattr(self, name)} is negative")
        for name, known in (("votes", VOTE_KINDS), ("answers", ANSWER_MODES)):
            if getattr(self, name) not in known:
                raise UserError(
                    f"evaluate.{name} = {getattr(self, name)!r}: one of {', '.join(known)} is needed"
                )
        if not 0 < self.top_p <= 1:
            raise UserError(f"evaluate.top_p = {self.top_p}: above 0 and at most 1 is needed")
        if any(k < 1 for k in self.curve):
            raise UserError(f"evaluate.curve = {self.curve}: every k must be at least 1")
