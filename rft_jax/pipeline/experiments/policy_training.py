"""Policy training against RFT, at the same number of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rft_jax.errors import UserError
from rft_jax.pipeline.measured_steps import check_rising, models_after
from rft_jax.pipeline.measures import SamplesAt, accuracy_against_samples
from rft_jax.pipeline.plan import Plan, samples_of
from rft_jax.pipeline.stages import OutputOf, Stage

_RFT, _ROUNDS = "RFT", "RFT in rounds"


@dataclass(frozen=True)
class PolicyTraining:
    """Accuracy against samples: objectives from SFT and from RFT, RFT with k, RFT in rounds.

    Attributes:
      steps: steps of policy training after which it is measured, in order.
      presets: objectives that start from SFT; the first starts from RFT too.
      rounds: rounds in which zero-variance groups are replaced, in a further condition; 0: none.
      vote_problems: what the starts and the ends vote on, so that the test problems stay for greedy
        accuracy; '' for the test problems.
    """

    steps: tuple[int, ...] = (20, 40, 60)
    presets: tuple[str, ...] = ("grpo", "dr_grpo", "raft")
    rounds: int = 3
    vote_problems: str = ""

    def __post_init__(self) -> None:
        check_rising("policy_training.steps", self.steps)
        if not self.presets:
            raise UserError("policy_training.presets is empty; name one objective or more")

    def add_to(self, plan: Plan) -> None:
        """All policies of a seed start from the same SFT model; RFT shares its samples."""
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            lines = (_RFT, _ROUNDS, *self.presets, *self._replaced)
            facts = {"samples": 0}
            plan.measure("sft", seed, sft, "SFT", lines, facts=facts, **self._votes(plan))
            first = self._add_rft(plan, seed, samples)
            for preset in self.presets:
                self._add_policy(plan, preset, preset, seed, sft, preset=preset)
            for arm in self._replaced:
                forced: dict[str, Any] = {"preset": self.presets[0], "resample_rounds": self.rounds}
                self._add_policy(
                    plan, arm, f"{self.presets[0]}, groups replaced", seed, sft, **forced
                )
            arm, label = f"rft_{self.presets[0]}", f"{self.presets[0]} from RFT"
            before = self._per_problem(plan, self.steps[0]) * len(plan.train_list)
            self._add_policy(plan, arm, label, seed, first, before, preset=self.presets[0])
        last = self.steps[-1]
        for preset in self.presets:
            plan.compare(f"{preset}_{last}", f"rft_{last}")
        plan.compare(f"{self.presets[0]}_{last}", f"rounds_{last}")
        series = (_RFT, _ROUNDS, *self.presets, *self._replaced, f"rft_{self.presets[0]}")
        plan.plots.append(accuracy_against_samples(series))

    @property
    def _replaced(self) -> tuple[str, ...]:
        return (f"{self.presets[0]}_replaced",) if self.rounds else ()

    def _votes(self, plan: Plan, is_voting: bool = True) -> dict[str, Any]:
        """Arguments of `Plan.measure`: whether a model votes, and on which problems."""
        spec = self.vote_problems
        return {"votes": is_voting, "vote_problems": plan.further_file(spec) if spec else None}

    def _per_problem(self, plan: Plan, steps: int) -> int:
        """Samples per problem of so many steps of the first preset, rounded."""
        drawn = steps * plan.samples_per_step(self.presets[0])
        return max(1, round(drawn / len(plan.train_list)))

    def _add_rft(self, plan: Plan, seed: int, samples: Stage) -> Stage:
        """RFT with as many samples per problem as policies take, at once and in rounds.

        Returns:
          RFT with as many samples as the first measured policy.
        """
        first: Stage | None = None
        of_rounds, before = [samples], 0
        for steps in self.steps:
            k = self._per_problem(plan, steps)
            facts = {"samples": k * len(plan.train_list)}
            model = plan.rft(f"rft_{steps}", seed, samples, k)
            label, is_start = f"RFT, k = {k}", first is None
            votes = self._votes(plan, is_start)
            plan.measure(f"rft_{steps}", seed, model, label, _RFT, facts=facts, **votes)
            first = first or model
            new = max(1, k - before)
            arm = f"rounds_{steps}"
            model = plan.rft(arm, seed, of_rounds, new)
            read = sum(min(new, samples_of(one)) for one in of_rounds)
            facts = {"samples": read * len(plan.train_list)}
            label = f"RFT, {len(of_rounds)} round{'s' if len(of_rounds) > 1 else ''}"
            votes = self._votes(plan, steps == self.steps[-1])
            plan.measure(arm, seed, model, label, _ROUNDS, facts=facts, **votes)
            of_rounds.append(plan.sample(arm, seed, OutputOf(model), num_samples=new))
            before = k
        assert first is not None
        return first

    def _add_policy(
        self,
        plan: Plan,
        arm: str,
        label: str,
        seed: int,
        start: Stage,
        before: int = 0,
        **forced: Any,
    ) -> None:
        """One policy training, measured after some of its steps.

        Args:
          start: the model that it starts from.
          before: samples that its start has cost.
          forced: settings of the condition.
        """
        trained = plan.policy(arm, seed, OutputOf(start), self.steps, **forced)
        for steps, model in models_after(trained, self.steps):
            votes = self._votes(plan, steps == self.steps[-1])
            facts = {"samples": SamplesAt(trained, steps, before)}
            name = f"{label}, {steps} steps"
            plan.measure(f"{arm}_{steps}", seed, model, name, arm, facts=facts, **votes)
