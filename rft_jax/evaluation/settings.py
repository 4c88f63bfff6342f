"""Settings of `rft evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from rft_jax.files.identity import added_setting
from rft_jax.prompts import PROGRAM_SUFFIX, plain_name
from rft_jax.records import PROGRAM, Problem
from rft_jax.sampling.settings import DecodingSettings, SampleSettings
from rft_jax.verify.answers import answer_formats, answers_for
from rft_jax.verify.programs.reading import EVALUATOR, RUNNERS

VOTE_KINDS = ("value", "paper")
HYBRID = "hybrid"


@dataclass(frozen=True)
class EvaluateSettings(DecodingSettings):
    """How a model is sampled (with --model) and how its answers are counted.

    Attributes:
      num_samples: samples per problem; 1 at temperature 0 gives `accuracy`, others `mean@1`.
      max_prompt_length: longest prompt, in tokens; a longer one loses its first tokens.
      k: the k of `maj@k` and `pass@k`; 0 takes all samples.
      curve: further values of k, written under `curve`, e.g. (1, 3, 10).
      votes: 'value' counts answers by value and shares ties, over all subsets of k samples;
        'paper' counts answer strings of the first k samples, ties to the first seen.
      answers: how an answer is read: 'first', 'last' (`#### n`), 'boxed', 'the_answer_is',
        'strict' or 'flexible' (lm-evaluation-harness); 'arithmetic': after the last `=`, which
        'first' means too where all questions are expressions such as `12+3*4=`; 'program': the
        last line that the response's program prints; 'hybrid': the same, and where a program
        gives no answer, a text for the same problem (with --model sampled by the same template
        without '+program').
      timeout: CPU seconds that one symbolic comparison of answers may take.
      bootstrap_resamples: random subsets of samples for maj@k of more than 256 samples.
      bootstrap_seed: seed of the random subsets.
      programs: what becomes of programs: 'evaluator' evaluates them within counted budgets and
        executes nothing; 'sandbox' executes them by Python with numpy and sympy under bubblewrap
        (`bwrap`), without network and files, within limits of time and memory.
      workers: number of processes where programs are graded; 0 for one per CPU core. The result
        does not depend on it.
    """

    gin_name: ClassVar[str] = "evaluate"
    COMMON: ClassVar[tuple[str, ...]] = (*DecodingSettings.COMMON, "answers", "k")

    k: int = 0
    curve: tuple[int, ...] = ()
    votes: str = "value"
    answers: str = "first"
    timeout: float = 5.0
    bootstrap_resamples: int = 10_000
    bootstrap_seed: int = 0
    programs: str = added_setting(EVALUATOR)
    workers: int = added_setting(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "curve", tuple(self.curve))  # gin gives lists
        self._check_choice("votes", VOTE_KINDS)
        self._check_choice("answers", (*answer_formats(), HYBRID))
        self._check_choice("programs", RUNNERS)
        if any(k < 1 for k in self.curve):
            self._refuse("curve", "every k is at least 1")
        self._check_above(0, "timeout")
        self._check_at_least(1, "bootstrap_resamples")
        self._check_at_least(0, "k", "bootstrap_seed", "workers")

    def check_sampling(self) -> None:
        """Refuses a k for which too few samples would be made.

        Raises:
          UserError: names both.
        """
        for k in (self.k, *self.curve):
            if k > self.num_samples:
                self._refuse("num_samples", f"evaluate.k or .curve asks for k = {k}, at least that")

    def check_not_sampling(self) -> None:
        """Refuses settings of sampling beside samples that are given.

        Raises:
          UserError: names the setting.
        """
        for field in fields(DecodingSettings):
            if getattr(self, field.name) != field.default and field.name != "limit":
                why = "it is about sampling, and --samples are given"
                self._refuse(field.name, f"{why}; leave it out (evaluate.k says how many vote)")

    def reading(self, problems: Sequence[Problem]) -> EvaluateSettings:
        """The same with the answer format of these problems."""
        questions = [problem.question for problem in problems]
        return replace(self, answers=answers_for(questions, self.answers))

    def without_sampling(self) -> EvaluateSettings:
        """The same for samples that exist."""
        sampling: dict[str, Any] = {field.name: field.default for field in fields(DecodingSettings)}
        return replace(self, **(sampling | {"limit": self.limit}))

    def greedy(self) -> EvaluateSettings:
        """The same for one greedy response to each problem, as during a training.

        Raises:
          UserError: programs fall back on texts, which are sampled after them.
        """
        if self.is_hybrid:
            self._refuse("answers", "not during training; 'program' or 'first' is needed")
        return replace(self, num_samples=1, temperature=0.0, k=0, curve=(), limit=0)

    @property
    def is_hybrid(self) -> bool:
        """Whether texts are sampled where programs give no answer."""
        return self.answers == HYBRID

    @property
    def graded_by(self) -> str:
        """Where responses say their answers, as a `Grader` takes it."""
        return PROGRAM if self.is_hybrid else self.answers

    def sampling(self) -> SampleSettings:
        """The sampler's settings: prompts that are too long are cut, so that none is left out.

        With hybrid decoding, the prompts ask for programs.
        """
        shared = {field.name: getattr(self, field.name) for field in fields(DecodingSettings)}
        if self.is_hybrid:
            shared["template"] = plain_name(self.template) + PROGRAM_SUFFIX
        return _EvaluationSampling(over_long="cut", **shared)

    def text_sampling(self) -> SampleSettings:
        """The sampler's settings of hybrid decoding's texts, for a file of problems."""
        return replace(self.sampling(), template=plain_name(self.template), limit=0)


class _EvaluationSampling(SampleSettings):
    """The sampler's settings, with the names that they have here in messages."""

    gin_name: ClassVar[str] = "evaluate"
