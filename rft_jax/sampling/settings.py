"""Settings of `rft sample`, and those that it shares with `rft evaluate`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from rft_jax.checked_settings import CheckedSettings
from rft_jax.files.identity import added_setting, setting_known_as
from rft_jax.models.config import DTYPES
from rft_jax.prompts import template_identity

OVER_LONG = ("skip", "cut")
BUDGETS = ("fixed", "uniform", "proportional")
_FORMER_BUDGETS = {"until": "uniform", "difficulty": "proportional"}  # up to version 0.1.0
# Setting -> the budgets that read it.
_OF_BUDGETS = {
    "enough": ("uniform",),
    "average": ("proportional",),
    "round_size": ("uniform", "proportional"),
    "answers": ("uniform", "proportional"),
}
# Logits divided by much less are so far apart that float32 cannot tell their differences.
_LEAST_TEMPERATURE = 1e-4


@dataclass(frozen=True)
class DecodingSettings(CheckedSettings):
    """How responses are sampled from a model, whichever command does it.

    Attributes:
      num_samples: samples per problem.
      temperature: what logits are divided by before a token is sampled; 0 takes the most likely
        token (greedy).
      top_p: sample from the smallest set of tokens with this much probability; 1 keeps all.
      top_k: sample from the most likely tokens, this many; 0 keeps all.
      max_new_tokens: longest response, in tokens, the end token included; where the model has no
        room for the default, half of its positions.
      seed: seed of all random draws.
      stop: strings, or names of special tokens, that end a response, as the model's end tokens do;
        the response ends before the first of them.
      max_prompt_length: longest prompt, in tokens.
      common_prefix: whether the tokens that all prompts begin with (few-shot examples, a long
        system message) are prefilled once and held once for all slots; `run.json` says how many.
      slots: samples that are decoded at a time; 0 chooses a number for model and device.
      group: slots that decode samples of the same problem and share its prompt; 0 chooses.
      limit: use only this many problems, the first ones; 0 for all.
      template: prompt template ('plain', 'alpaca', 'chatml', 'smollm2', 'none', or 'chat' for the
        model's chat template); '' for the model's own;
        '+program' after the name, or alone, asks for a program.
      dtype: dtype of weights, activations and cache, 'float32' or 'bfloat16'; logits are float32.
      calculator: whether the exact result and `>>` are inserted after the `=` of an annotation,
        `<<12*3=`; the model resumes there. Results are rounded to six decimals; what cannot be
        calculated is left to the model.
    """

    COMMON: ClassVar[tuple[str, ...]] = (
        "num_samples",
        "temperature",
        "top_p",
        "max_new_tokens",
        "seed",
        "stop",
        "template",
        "slots",
        "limit",
        "dtype",
    )

    num_samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 256
    seed: int = 0
    stop: tuple[str, ...] = ()
    max_prompt_length: int = 512
    common_prefix: bool = False
    slots: int = 0
    group: int = 0
    limit: int = 0
    template: str = setting_known_as(template_identity)
    dtype: str = "float32"
    calculator: bool = added_setting(False)

    def __post_init__(self) -> None:
        stop: Any = self.stop  # gin gives lists; one string alone is one string
        object.__setattr__(self, "stop", (stop,) if isinstance(stop, str) else tuple(stop))
        self._check_at_least(1, "num_samples", "max_new_tokens")
        self._check_at_least(2, "max_prompt_length")
        self._check_at_least(0, "top_k", "slots", "group", "limit")
        if self.temperature != 0 and not _LEAST_TEMPERATURE <= self.temperature < math.inf:
            self._refuse("temperature", f"0 (greedy), or at least {_LEAST_TEMPERATURE} and finite")
        self._check_share("top_p")
        if not all(self.stop):
            self._refuse("stop", "an empty string would end every response; remove it")
        self._check_choice("dtype", DTYPES)
        if self.group:
            self._check_multiple("slots", "group")


@dataclass(frozen=True)
class SampleSettings(DecodingSettings):
    """What is sampled, and how the device's memory is divided; the defaults are the paper's.

    Attributes:
      num_samples: samples per problem; with a budget other than 'fixed', the most it can get.
      budget: how many samples a problem gets: 'fixed' num_samples each; 'uniform' (DART-Math) as
        many as it takes until sample.enough distinct correct paths are found; 'proportional'
        (DART-Math's Prop2Diff) a first round for all, then the rest of sample.average times the
        number of problems in proportion to the incorrect samples of that round.
      enough: distinct correct paths at which the 'uniform' budget stops sampling a problem.
      round_size: samples of a problem between two decisions of a 'uniform' budget, or in the first
        round of a 'proportional' one.
      average: samples per problem on average with the 'proportional' budget.
      answers: how a 'uniform' or 'proportional' budget reads answers, as collect.answers does.
      over_long: what to do with a prompt that is too long: 'skip' leaves its problem out, 'cut'
        removes its first tokens; `run.json` lists them either way.
      chunk: maximum decoding steps of one jitted call.
      cache_dtype: dtype of the key-value cache: '' for sample.dtype, or 'int8'.
      shard_weights: whether the mesh's fsdp axis splits the weights, for a model too large for one
        device, instead of the slots.
      span_hosts: one mesh over all hosts, for a model too large for one; off, every host samples
        problems of its own.
    """

    gin_name: ClassVar[str] = "sample"
    COMMON: ClassVar[tuple[str, ...]] = (*DecodingSettings.COMMON, "budget", "answers")

    num_samples: int = 100
    budget: str = "fixed"
    enough: int = 4
    round_size: int = 8
    average: float = 32.0
    temperature: float = 0.7
    over_long: str = "skip"
    chunk: int = 64
    cache_dtype: str = ""
    shard_weights: bool = False
    span_hosts: bool = False
    answers: str = added_setting("first")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_at_least(1, "chunk", "enough", "round_size")
        self._check_choice("over_long", OVER_LONG)
        self._check_choice("cache_dtype", ("", "int8"))
        if self.budget not in _FORMER_BUDGETS:
            self._check_choice("budget", BUDGETS)
        self._check_settings_of_budgets()
        average_fits = self.round_size <= self.average <= self.num_samples
        if self.budget_kind == "proportional" and not average_fits:
            least, most = self.round_size, self.num_samples
            self._refuse("average", f"from round_size = {least} to num_samples = {most} is needed")
        if self.budget_kind == "uniform" and self.span_hosts:
            self._refuse("budget", "sample.span_hosts = False is needed")

    def _check_settings_of_budgets(self) -> None:
        """Refuses settings of another budget than this one, which would have no effect."""
        for name, budgets in _OF_BUDGETS.items():
            is_set = getattr(self, name) != getattr(type(self), name)
            if is_set and self.budget_kind not in budgets:
                needed = " or ".join(map(repr, budgets))
                self._refuse(
                    name,
                    f"it has no effect with sample.budget = {self.budget!r}; leave it out, or set "
                    f"sample.budget to {needed}",
                )

    @property
    def budget_kind(self) -> str:
        """The budget's name, also where it was set by its former one."""
        return _FORMER_BUDGETS.get(self.budget, self.budget)

    @property
    def samples_at_a_time(self) -> int:
        """Samples of a problem that are decoded before anything is decided by them."""
        is_uniform = self.budget_kind == "uniform"
        return min(self.round_size, self.num_samples) if is_uniform else self.num_samples
