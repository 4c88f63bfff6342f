"""Word problems after pretraining with and without arithmetic; calculations direct or in steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from rft_jax.checked_settings import CheckedSettings
from rft_jax.checkpoints.names import TOKENIZER
from rft_jax.derive.write import STEPS, WORDS, WORDS_AND_ARITHMETIC
from rft_jax.pipeline.experiments.error_rows import (
    arm_on,
    check_embedded,
    errors_plot,
    measure_errors,
    wrong_equations_plot,
)
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, Given, OutputOf, Stage

MODEL = "init:wordproblems"
TEXTS = {"with": WORDS_AND_ARITHMETIC, "without": WORDS}
"""Whether the pretraining text has arithmetic -> its kind."""
FORMS = ("direct", STEPS)
"""How calculations are written."""
STAGES = {"base": "pretrained", "sft": "SFT", "rft": "RFT"}


@dataclass(frozen=True)
class ArithmeticWords(CheckedSettings):
    """Four bases, pretrained on equal tokens; each is measured, and again after SFT and RFT.

    Attributes:
      tokens: tokens of each pretraining.
      pretraining_rate: peak learning rate of pretraining.
      k: samples per problem for RFT.
      test_large: test problems with larger numbers, beside `run.test_problems`.
    """

    gin_name: ClassVar[str] = "arithmetic_words"

    tokens: int = 6_000_000
    pretraining_rate: float = 2.5e-3
    k: int = 8
    test_large: str = "wordproblems:test-large"

    def __post_init__(self) -> None:
        self._check_at_least(1, "tokens", "k")

    def add_to(self, plan: Plan) -> None:
        """Training problems have ordinary numbers; both kinds of numbers are in the text."""
        check_embedded(plan)
        large = plan.further_file(self.test_large, "test-large")
        sets = {"ordinary numbers": None, "large numbers": large}
        inputs = {"problems": plan.train_problems}
        expanded = plan.derive(STEPS, "expanded", 0, inputs)
        data: dict[str, Argument] = {"direct": plan.train_problems, STEPS: expanded}
        for seed in plan.seeds:
            for text, form in product(TEXTS, FORMS):
                models = self._models(plan, seed, text, form, data[form])
                for (stage, model), (name, problems) in product(models.items(), sets.items()):
                    condition = (_condition(stage, text, form), name)
                    label = f"{STAGES[stage]} {text} arithmetic, {form}"
                    measure_errors(
                        *(plan, condition, seed, model, label, problems), has_equations=True
                    )
        for name, stage, (one, other) in product(sets, ("rft", "sft"), _COMPARED):
            plan.compare(*(arm_on(_condition(stage, *of), name) for of in (one, other)))
        plan.plots += [errors_plot(), wrong_equations_plot()]

    def _models(
        self, plan: Plan, seed: int, text: str, form: str, data: Argument
    ) -> Mapping[str, Stage]:
        """The base, SFT and RFT."""
        name = f"{text}_{form}"
        base = plan.train(
            *(f"base_{name}", seed),
            plan.derive(TEXTS[text], f"text_{name}", seed, {}, self.tokens, form),
            Given(MODEL),
            tokenizer=TOKENIZER,
            template="none",
            num_epochs=1,
            learning_rate=self.pretraining_rate,
            warmup_ratio=0.02,
            beta2=0.99,
        )
        start = OutputOf(base)
        sft = plan.train(f"sft_{name}", seed, data, start)
        samples = plan.sample(f"sft_{name}", seed, OutputOf(sft), num_samples=self.k)
        rft = plan.rft(f"rft_{name}", seed, samples, self.k, start, problems=data)
        return {"base": base, "sft": sft, "rft": rft}


def _condition(stage: str, text: str, form: str) -> str:
    return f"{stage}_{text}_{form}"


_COMPARED = (
    *((("with", form), ("without", form)) for form in FORMS),
    *(((text, STEPS), (text, "direct")) for text in TEXTS),
)
