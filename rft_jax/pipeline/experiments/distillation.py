"""A larger model teaches a smaller one: on-policy distillation against RFT on its samples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from rft_jax.checkpoints.names import LARGE
from rft_jax.pipeline.measured_steps import check_rising, models_after
from rft_jax.pipeline.measures import accuracy_against_samples
from rft_jax.pipeline.plan import Plan, model_input
from rft_jax.pipeline.stages import OutputOf, Stage
from rft_jax.policy.settings import DISTILLATION

_LINES = {"distilled": "distillation", "rft_teacher": "RFT, teacher's samples", "rft": "RFT"}


@dataclass(frozen=True)
class Distillation:
    """Accuracy against samples: a student distilled on its own, RFT on the teacher's, RFT.

    Attributes:
      teacher: the larger pretrained model, with the student's tokens; it teaches after RFT.
      teacher_k: samples per problem of the teacher's own RFT.
      steps: steps of distillation after which the student is measured, in order.
    """

    teacher: str = LARGE
    teacher_k: int = 15
    steps: tuple[int, ...] = (20, 40, 60)

    def __post_init__(self) -> None:
        check_rising("distillation.steps", self.steps)

    def add_to(self, plan: Plan) -> None:
        """The student starts from SFT; RFT trains the student's pretrained model."""
        for seed in plan.seeds:
            sft, own = plan.sft(seed)
            teacher = self._teacher(plan, seed)
            largest = self._per_problem(plan, self.steps[-1])
            theirs = plan.sample("teacher", seed, OutputOf(teacher), num_samples=largest)
            plan.measure("sft", seed, sft, "SFT", tuple(_LINES), facts={"samples": 0})
            plan.measure("teacher", seed, teacher, "Teacher: the larger model, RFT")
            for arm, samples in (("rft_teacher", theirs), ("rft", own)):
                self._add_rft(plan, arm, seed, samples)
            self._add_distilled(plan, seed, sft, teacher)
        last = self.steps[-1]
        for one, other in combinations(_LINES, 2):
            plan.compare(f"{one}_{last}", f"{other}_{last}")
        plan.plots.append(accuracy_against_samples(tuple(_LINES)))

    def _teacher(self, plan: Plan, seed: int) -> Stage:
        """SFT and RFT of the larger model."""
        pretrained = model_input(self.teacher, "distillation.teacher")
        _, samples = plan.sft(seed, "teacher_sft", pretrained, self.teacher_k)
        return plan.rft("teacher", seed, samples, self.teacher_k, pretrained)

    def _drawn(self, plan: Plan, steps: int) -> int:
        """Samples of so many steps of distillation."""
        return steps * plan.samples_per_step("distilled")

    def _per_problem(self, plan: Plan, steps: int) -> int:
        """The same as samples per problem, rounded."""
        return max(1, round(self._drawn(plan, steps) / len(plan.train_list)))

    def _add_rft(self, plan: Plan, arm: str, seed: int, samples: Stage) -> None:
        for steps in self.steps:
            k = self._per_problem(plan, steps)
            model = plan.rft(f"{arm}_{steps}", seed, samples, k)
            facts = {"samples": k * len(plan.train_list)}
            label = f"{_LINES[arm]}, k = {k}"
            plan.measure(f"{arm}_{steps}", seed, model, label, arm, facts=facts)

    def _add_distilled(self, plan: Plan, seed: int, sft: Stage, teacher: Stage) -> None:
        start, above = OutputOf(sft), OutputOf(teacher)
        trained = plan.policy("distilled", seed, start, self.steps, above, preset=DISTILLATION)
        for steps, model in models_after(trained, self.steps):
            facts = {"samples": self._drawn(plan, steps)}
            label = f"Distilled, {steps} steps"
            plan.measure(f"distilled_{steps}", seed, model, label, "distilled", facts=facts)
