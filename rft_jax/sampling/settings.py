"""Settings of `rft sample`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rft_jax.errors import UserError

OVER_LONG = ("skip", "cut")
BUDGETS = ("fixed", "until", "difficulty")
DTYPES = ("float32", "bfloat16")
# Logits divided by much less are so far apart that float32 cannot tell their differences.
_LEAST_TEMPERATURE = 1e-4


@dataclass(frozen=True)
class SampleSettings:
    """What is drawn, and how the device's memory is divided; the defaults are the paper's.

    Attributes:
      num_samples: samples a problem; with another budget than 'fixed' the most it can get.
      budget: 'fixed' gives every problem num_samples; 'until' stops at `enough` distinct correct
        paths; 'difficulty' gives every problem round_size, and what is left of the total to
        problems in proportion to the share of wrong samples among those.
      enough: distinct correct paths at which 'until' stops.
      round_size: samples between two decisions.
      average: samples a problem on average, with 'difficulty'; the total is that of all problems.
      temperature: logits are divided by it before a draw; 0 takes the likeliest token (greedy).
      top_p: draw from the smallest set of tokens with this much probability; 1 keeps all.
      top_k: draw from this many likeliest tokens; 0 keeps all.
      max_new_tokens: longest response, in tokens, the end token included.
      seed: of the draws.
      stop: a response ends before the first of these strings, besides at the model's end token.
      max_prompt_length: longest prompt, in tokens.
      over_long: what becomes of a longer prompt: 'skip' leaves the problem out, 'cut' keeps the
        last tokens; counted and reported either way.
      common_prefix: whether the tokens that all prompts begin with (few-shot examples, a long
        system message) are read once and held once for all slots; `run.json` says how many.
      slots: samples drawn at a time; 0 for a number that fits model and device.
      group: slots that draw for one problem together and share its prompt; 0 for a good number.
      chunk: most decoding steps between two looks at the results.
      limit: only the first this many problems; 0 for all.
      template: prompt template ('plain', 'alpaca', 'chatml', 'none'); '' for the model's own.
      dtype: of weights, activations and cache: 'float32' or 'bfloat16'; logits are float32.
      cache_dtype: of the cache alone: '' for dtype, or 'int8'.
      shard_weights: whether the mesh's fsdp axis splits the weights, for a model too large for a
        device, or the slots.
      span_hosts: one mesh over all hosts, for a model too large for one; off, every host draws for
        problems of its own.
    """

    num_samples: int = 100
    budget: str = "fixed"
    enough: int = 4
    round_size: int = 8
    average: float = 32.0
    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 256
    seed: int = 0
    stop: tuple[str, ...] = ()
    max_prompt_length: int = 512
    over_long: str = "skip"
    common_prefix: bool = False
    slots: int = 0
    group: int = 0
    chunk: int = 64
    limit: int = 0
    template: str = ""
    dtype: str = "float32"
    cache_dtype: str = ""
    shard_weights: bool = False
    span_hosts: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", tuple(self.stop))  # gin gives lists
        positive = ("num_samples", "max_new_tokens", "max_prompt_length", "chunk")
        for name in (*positive, "enough", "round_size"):
            if getattr(self, name) < 1:
                raise UserError(f"sample.{name} = {getattr(self, name)}: at least 1 is needed")
        for name in ("temperature", "top_k", "slots", "group", "limit"):
            if getattr(self, name) < 0:
                raise UserError(f"sample.{name} = {getattr(self, name)} is negative")
        if self.temperature != 0 and not _LEAST_TEMPERATURE <= self.temperature < math.inf:
            raise UserError(
                f"sample.temperature = {self.temperature}: 0 (greedy), or at least "
                f"{_LEAST_TEMPERATURE} and finite"
            )
        if not 0 < self.top_p <= 1:
            raise UserError(f"sample.top_p = {self.top_p}: above 0 and at most 1 is needed")
        if not all(self.stop):
            raise UserError("sample.stop holds an empty string, which would end every response")
        if self.budget not in BUDGETS:
            raise UserError(f"sample.budget = {self.budget!r}: one of {', '.join(BUDGETS)}")
        if self.budget == "difficulty" and not (
            self.round_size <= self.average <= self.num_samples
        ):
            raise UserError(
                f"sample.average = {self.average} must lie between sample.round_size = "
                f"{self.round_size} and sample.num_samples = {self.num_samples}"
            )
        if self.over_long not in OVER_LONG:
            raise UserError(f"sample.over_long = {self.over_long!r}: 'skip' or 'cut' is needed")
        if self.dtype not in DTYPES:
            raise UserError(f"sample.dtype = {self.dtype!r}: 'float32' or 'bfloat16' is needed")
        if self.cache_dtype not in ("", "int8"):
            raise UserError(f"sample.cache_dtype = {self.cache_dtype!r}: '' or 'int8' is needed")
        if self.slots and self.group and self.slots % self.group:
            raise UserError(
                f"sample.slots = {self.slots} is not divisible by sample.group = {self.group}"
            )

    @property
    def samples_at_a_time(self) -> int:
        """Samples of a problem that are drawn before anything is decided by them."""
        return (
            min(self.round_size, self.num_samples) if self.budget == "until" else self.num_samples
        )
