"""Arithmetic from random weights: answers alone, steps, steps reversed, at equal cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rft_jax.arithmetic.files import generate_problems
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.arithmetic.vocabulary import vocabulary
from rft_jax.checked_settings import CheckedSettings
from rft_jax.checkpoints.names import DIGIT_TOKENIZER
from rft_jax.errors import UserError
from rft_jax.files.names import checkpoint_of
from rft_jax.models.config import LlamaConfig
from rft_jax.pipeline.experiments.small_models import embedded_shape
from rft_jax.pipeline.measures import ExamplesAt, Plot
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import ExamplesOf, Given, OutputOf, Stage
from rft_jax.training.settings import TrainSettings

MODEL = "init:wordproblems"
CURVES = ("steps", "reversed", "direct")
"""Conditions whose intermediate checkpoints are measured."""
POINTS = 4
"""Points of such a curve, the last of them the end of training."""


@dataclass(frozen=True)
class ArithmeticSteps(CheckedSettings):
    """Accuracy by the number of operations, one of them and one digit more than in training.

    Also accuracy on lines as in training, against the number of examples that were read. All values
    of the lines are whole numbers. The lines of all forms are the same.

    Attributes:
      tokens: tokens of each training, but for the answers at equal examples.
      width: hidden size of the models.
      small_width: hidden size of a smaller model, trained on steps alone; 0 for none.
      operations: weights of 1, 2, … operations.
      largest: largest value of a line.
      lines: test lines for each number of operations, and of more digits.
    """

    gin_name: ClassVar[str] = "arithmetic_steps"

    tokens: int = 9_500_000
    width: int = 128
    small_width: int = 64
    operations: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    largest: int = 999
    lines: int = 400

    def __post_init__(self) -> None:
        self._check_at_least(1, "tokens", "width", "lines")
        _ = self.mix

    @property
    def mix(self) -> ArithmeticSettings:
        """The lines' settings."""
        return ArithmeticSettings(operations=self.operations, whole=1.0, largest=self.largest)

    def add_to(self, plan: Plan) -> None:
        """Every model is measured on lines of each number of operations, and of more digits."""
        sets = dict(self._sets(plan))
        mixed, every = self._problems(plan, "test", self.mix), self._checkpoints(plan)
        labels: dict[str, None] = {}
        measured: set[str] = set()
        for seed in plan.seeds:
            for arm, label, model in self._models(plan, seed, every):
                labels[label] = None
                if arm in CURVES:
                    _measure_curve(plan, arm, seed, model, label, mixed, every)
                for name, (problems, operations) in sets.items():
                    row = plan.measure(
                        *(_arm(arm, name), seed, model, f"{label}: {name}"),
                        series=label if operations else (),
                        problems=problems,
                        facts={"operations": operations} if operations else {},
                    )
                    measured.add(row.arm)
        for name in sets:
            for pair in _COMPARED:
                a, b = (_arm(one, name) for one in pair)
                if {a, b} <= measured:
                    plan.compare(a, b)
        plan.plots += _plots(tuple(labels))

    def _checkpoints(self, plan: Plan) -> int:
        """Steps between two checkpoints that are measured; 0 where trainings are too short."""
        settings = plan.config.get(TrainSettings)
        if not settings.batch_size:
            raise UserError(f"train.batch_size is 0; {plan.settings.experiment} needs a number")
        return self.tokens // (settings.batch_size * settings.max_length * POINTS)

    def _sets(self, plan: Plan) -> Iterator[tuple[str, tuple[Given, int]]]:
        """Name, problems and number of operations (0 for mixed ones) of each set of test lines."""
        most = len(self.operations)
        for count in (n for n, weight in enumerate(self.operations, start=1) if weight):
            only = replace(self.mix, operations=(*(0.0,) * (count - 1), 1.0))
            yield f"{count} operations", (self._problems(plan, "test", only), count)
        beyond = self._problems(plan, "test-operations", self.mix)
        yield f"{most + 1} operations", (beyond, most + 1)
        yield "more digits", (self._problems(plan, "test-digits", self.mix), 0)

    def _problems(self, plan: Plan, split: str, mix: ArithmeticSettings) -> Given:
        problems = list(generate_problems(split, self.lines, 0, mix))
        return plan.file(f"arithmetic-{split}-{len(mix.operations)}", problems)

    def _models(self, plan: Plan, seed: int, every: int) -> Iterator[tuple[str, str, Stage]]:
        """Condition, label and training of each model; those of CURVES come first.

        Args:
          every: steps between two checkpoints.
        """
        kept: dict[str, Any] = (
            {"save_every_steps": every, "keep_checkpoints": POINTS + 2} if every else {}
        )
        shapes: Mapping[str, LlamaConfig] = {
            arm: replace(embedded_shape(width), vocab_size=len(vocabulary()))
            for arm, width in (("", self.width), ("small_", self.small_width))
            if width
        }

        def train(arm: str, form: str, limit: ExamplesOf | None = None, size: str = "") -> Stage:
            data = plan.lines("lines", seed, form, self.tokens, self.mix)
            return plan.train(
                *(arm, seed, data, Given(MODEL)),
                limit=limit,
                shape=shapes[size],
                tokenizer=DIGIT_TOKENIZER,
                template="none",
                num_epochs=1,
                **kept,
            )

        steps = train("steps", "steps")
        yield "steps", "steps", steps
        yield "reversed", "steps, digits reversed", train("reversed", "reversed")
        yield "direct", "answers, equal tokens", train("direct", "direct")
        fewer = train("direct_examples", "direct", ExamplesOf(steps))
        yield "direct_examples", "answers, equal examples", fewer
        if self.small_width:
            small = train("small_steps", "steps", size="small_")
            yield "small_steps", "steps, smaller model", small


def _measure_curve(
    plan: Plan, arm: str, seed: int, model: Stage, label: str, problems: Given, every: int
) -> None:
    """A row for each intermediate checkpoint, and one for the end of training."""
    for point in range(1, POINTS if every else 1):
        step = point * every
        plan.measure(
            *(f"{arm}_at_{point}_{POINTS}", seed, OutputOf(model, checkpoint_of(step))),
            f"{label}: lines as in training, after {point}/{POINTS} of them",
            label,
            problems=problems,
            facts={"examples": ExamplesAt(model, step)},
        )
    plan.measure(
        *(f"{arm}_at_the_end", seed, model, f"{label}: lines as in training", label),
        problems=problems,
        facts={"examples": ExamplesAt(model)},
    )


def _plots(labels: tuple[str, ...]) -> list[Plot]:
    """Accuracy by operations, and against examples for the first models."""
    return [
        Plot(
            name="operations",
            title="Accuracy by the number of operations",
            x="operations",
            y="accuracy",
            series=labels,
            x_label="operations; the last are more than in training",
        ),
        Plot(
            name="examples",
            title="Accuracy against training examples",
            x="examples",
            y="accuracy",
            series=labels[: len(CURVES)],
            x_label="examples read; lines as in training",
        ),
    ]


def _arm(condition: str, name: str) -> str:
    return f"{condition}_{name.replace(' ', '_')}"


_COMPARED = (
    ("steps", "direct"),
    ("steps", "direct_examples"),
    ("reversed", "steps"),
    ("small_steps", "direct"),
)
