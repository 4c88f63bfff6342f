"""Settings of `rft evaluate`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from rft_jax.errors import UserError
from rft_jax.sampling.settings import SampleSettings
from rft_jax.verify.answers import ANSWER_MODES

VOTE_KINDS = ("value", "paper")


@dataclass(frozen=True)
class EvaluateSettings:
    """How a model is asked (with --model) and how its answers are counted.

    Attributes:
      num_samples: samples a problem; 1 at temperature 0 gives `accuracy`, others `mean@1`.
      temperature: logits are divided by it before a draw; 0 takes the likeliest token (greedy).
      top_p: draw from the smallest set of tokens with this much probability; 1 keeps all.
      top_k: draw from this many likeliest tokens; 0 keeps all.
      max_new_tokens: longest response, in tokens, the end token included.
      seed: of the draws.
      stop: a response ends before the first of these strings, besides at the model's end token.
      max_prompt_length: longest prompt, in tokens; of a longer one the last tokens are kept.
      common_prefix: whether the tokens that all prompts begin with (few-shot examples) are read
        once and held once for all slots.
      slots: samples drawn at a time; 0 for a number that fits model and device.
      group: slots that draw for one problem together and share its prompt; 0 for a good number.
      limit: only the first this many problems; 0 for all.
      template: prompt template ('plain', 'alpaca', 'chatml', 'none'); '' for the model's own.
      dtype: of weights, activations and cache: 'float32' or 'bfloat16'; logits are float32.
      k: of `maj@k` and `pass@k`; 0 takes all samples.
      curve: further values of k, written under `curve`, e.g. (1, 3, 10).
      votes: 'value' counts answers by value and shares ties, over all subsets of k samples;
        'paper' counts answer strings of the first k samples, ties to the first seen.
      answers: how an answer is read: 'first', 'last' (`#### n`), 'boxed', 'the_answer_is',
        'strict' or 'flexible' (lm-evaluation-harness).
      timeout: seconds that one symbolic comparison of answers may take.
      bootstrap_resamples: of the question-level bootstrap.
      bootstrap_seed: of the same.
    """

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
    template: str = ""
    dtype: str = "float32"
    k: int = 0
    curve: tuple[int, ...] = ()
    votes: str = "value"
    answers: str = "first"
    timeout: float = 5.0
    bootstrap_resamples: int = 10_000
    bootstrap_seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "curve", tuple(self.curve))  # gin gives lists
        object.__setattr__(self, "stop", tuple(self.stop))
        with sampling_errors():
            self.sampling()
        for name, known in (("votes", VOTE_KINDS), ("answers", ANSWER_MODES)):
            if getattr(self, name) not in known:
                raise UserError(
                    f"evaluate.{name} = {getattr(self, name)!r}; there are {', '.join(known)}"
                )
        if self.k < 0 or any(k < 1 for k in self.curve):
            raise UserError(
                f"evaluate.k = {self.k}, evaluate.curve = {self.curve}: a k is at least 1 "
                "(0 takes all samples)"
            )
        if self.timeout <= 0:
            raise UserError(f"evaluate.timeout = {self.timeout}: more than 0 seconds are needed")
        if self.bootstrap_resamples < 1:
            raise UserError(
                f"evaluate.bootstrap_resamples = {self.bootstrap_resamples}: at least 1 is needed"
            )
        if self.bootstrap_seed < 0:
            raise UserError(f"evaluate.bootstrap_seed = {self.bootstrap_seed} is negative")

    def check_drawing(self) -> None:
        """Refuses a k that the samples to be drawn could never serve.

        Raises:
          UserError: names both.
        """
        for k in (self.k, *self.curve):
            if k > self.num_samples:
                raise UserError(
                    f"evaluate.k or evaluate.curve asks for k = {k}, evaluate.num_samples draws "
                    f"{self.num_samples}; draw more or lower k"
                )

    def check_not_drawing(self) -> None:
        """Refuses settings of drawing beside samples that are there already.

        Raises:
          UserError: names the setting.
        """
        for name in sorted(_SHARED - {"limit"}):
            value = getattr(self, name)
            if value != getattr(type(self), name):
                raise UserError(
                    f"evaluate.{name} = {value!r} is about drawing, and the samples are there; "
                    "leave it out (evaluate.k says how many of them vote)"
                )

    def sampling(self) -> SampleSettings:
        """The sampler's settings: prompts that are too long are cut, so that none is left out."""
        return SampleSettings(over_long="cut", **{name: getattr(self, name) for name in _SHARED})


_SHARED = {f.name for f in fields(SampleSettings)} & {f.name for f in fields(EvaluateSettings)}
_SAMPLE_SETTING = re.compile(rf"\bsample\.(?=(?:{'|'.join(sorted(_SHARED))})\b)")


@contextmanager
def sampling_errors() -> Iterator[None]:
    """Within the block the sampler's mistakes go by the names that they have here."""
    try:
        yield
    except UserError as error:
        raise UserError(_SAMPLE_SETTING.sub("evaluate.", str(error))) from error
