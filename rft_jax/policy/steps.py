"""The steps of policy training: sample, judge, update, record; what the training loop runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rft_jax.devices.distributed import is_main, of_main, on_main
from rft_jax.evaluation.held_out import GreedyAccuracy
from rft_jax.models.llama import Params
from rft_jax.policy.learner import Learner, Weights
from rft_jax.policy.metrics import divergence, sample_metrics
from rft_jax.policy.records import StepFiles
from rft_jax.policy.responses import PerResponse
from rft_jax.policy.rewards import Judge, Judged
from rft_jax.policy.rollouts import Rollout, Rollouts, step_seed
from rft_jax.policy.scored import Scored, StepSamples, problems_of_step, sample_step
from rft_jax.policy.settings import PolicySettings
from rft_jax.records import Problem
from rft_jax.training.loop import Steps
from rft_jax.training.train_step import TrainState


@dataclass(frozen=True, eq=False)
class PolicySteps(Steps):
    """A run of policy training. A step is a function of the weights before it and of its number.

    Attributes:
      policy: settings of policy training.
      files: of the steps.
      problems: all of them; the following go by their index.
      trained: which of them are trained on.
      held_out: measures accuracy on problems that are not trained on; None without such.
      rollouts: makes samples.
      judge: rewards them.
      learner: trains on them.
      reference: what the divergence is measured from; None where it is not.
      whole: the parameters that are sampled from, of those that are trained.
    """

    label = "policy"
    shown = ("reward", "accuracy", "held_out_accuracy", "entropy")

    policy: PolicySettings
    files: StepFiles
    problems: Sequence[Problem]
    trained: Sequence[int]
    held_out: GreedyAccuracy | None
    rollouts: Rollouts
    judge: Judge
    learner: Learner
    reference: Weights | None
    whole: Callable[[Params], Params]

    def speed(self, steps: int, seconds: float) -> dict[str, float]:
        """Seconds per step, and tokens sampled per second of sampling."""
        counters = self.rollouts.sampler.counters.metrics()
        return {"s/step": seconds / steps, "sampled tokens/s": counters["tokens/s"]}

    def advance(
        self, state: TrainState, step: int, learning_rate: float
    ) -> tuple[TrainState, dict[str, Any]]:
        """Step `step` (from 0): the next state, and the metrics of the policy before it."""
        samples = self._sample(state, step)
        if is_main():
            self.files.write(step, samples)
        metrics = sample_metrics(samples) | self._held_out(state, step)
        reference = self._reference_logprobs(samples.kept, step)
        if reference is not None:
            metrics["kl"] = divergence(samples.kept, reference)
        state, learned = self.learner.update(state, samples.kept, learning_rate, reference)
        return state, metrics | learned

    def measure(self, state: TrainState, step: int) -> dict[str, float]:
        """The held-out accuracy of the last step's policy."""
        if not self.held_out or step < self.num_steps:
            return {}
        return {"final_held_out_accuracy": self.held_out(self.whole(state.params))}

    def _sample(self, state: TrainState, step: int) -> StepSamples:
        """The step's samples, from the weights before it."""
        params = self.whole(state.params)
        policy = self.policy
        seed, first = step_seed(policy.seed, step), step * policy.samples_per_problem
        chosen, others = problems_of_step(self.trained, step, policy.problems_per_step, policy.seed)

        def sample(indices: Sequence[int]) -> list[Scored]:
            return self._judged(
                self.rollouts.sample(params, indices, seed, first, self.folder.name)
            )

        return sample_step(chosen, others, policy.resample_rounds or 0, sample)

    def _judged(self, rollouts: Sequence[Rollout]) -> list[Scored]:
        graded = [self._graded(one) for one in rollouts]
        rewards = self._rewards(rollouts, graded)
        return [
            Scored(
                one, judged._replace(reward=reward), self.rollouts.trained_tokens(one, judged.end)
            )
            for one, judged, reward in zip(rollouts, graded, rewards, strict=True)
        ]

    def _graded(self, rollout: Rollout) -> Judged:
        problem, sample = self.problems[rollout.index], rollout.sample
        return self.judge.grade(problem, sample.response, sample.finish_reason, sample.form)

    def _rewards(self, rollouts: Sequence[Rollout], graded: Sequence[Judged]) -> list[float | None]:
        """By process 0 alone: all would call the users' functions, and decide apart on timeouts."""
        rewards = np.full(len(graded), np.nan)

        def reward_all() -> None:
            for index, (one, judged) in enumerate(zip(rollouts, graded, strict=True)):
                problem, response = self.problems[one.index], one.sample.response
                value = self.judge.reward(problem, response, judged)
                rewards[index] = np.nan if value is None else value

        on_main(reward_all, "rewards", self.folder)
        same = of_main(rewards).tolist()
        return [None if math.isnan(reward) else reward for reward in same]

    def _reference_logprobs(self, scored: Sequence[Scored], step: int) -> PerResponse | None:
        """Those of a step's samples, where the objective has or the metrics need them."""
        needed = self.policy.kl != "none" or step % self.policy.measure_every_steps == 0
        if self.reference is None or not needed or not scored:
            return None
        return self.learner.logprobs(self.reference, scored)

    def _held_out(self, state: TrainState, step: int) -> dict[str, float]:
        if not self.held_out or step % self.policy.measure_every_steps:
            return {}
        return {"held_out_accuracy": self.held_out(self.whole(state.params))}
