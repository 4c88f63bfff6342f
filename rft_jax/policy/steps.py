"""The steps of policy training: sample, judge, update, record; what the training loop runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from rft_jax.devices.distributed import is_main
from rft_jax.models.llama import Params
from rft_jax.policy.learner import Learner, Weights
from rft_jax.policy.metrics import divergence, held_out_accuracy, sample_metrics
from rft_jax.policy.records import StepFiles
from rft_jax.policy.responses import PerResponse
from rft_jax.policy.rewards import Judge
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
      held_out: which of them accuracy is measured on.
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
    held_out: Sequence[int]
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
        if self.held_out and step + 1 == self.num_steps:
            metrics["final_held_out_accuracy"] = self._accuracy(state)
        return state, metrics | learned

    def _sample(self, state: TrainState, step: int) -> StepSamples:
        """The step's samples, from the weights before it."""
        params = self.whole(state.params)
        policy = self.policy
        seed, first = step_seed(policy.seed, step), step * policy.samples_per_problem
        chosen, others = problems_of_step(self.trained, step, policy.problems_per_step, policy.seed)

        def sample(places: Sequence[int]) -> list[Scored]:
            return self._judged(self.rollouts.sample(params, places, seed, first, self.folder.name))

        return sample_step(chosen, others, policy.resample_rounds or 0, sample)

    def _judged(self, rollouts: Sequence[Rollout]) -> list[Scored]:
        found = []
        for one in rollouts:
            sample = one.sample
            judged = self.judge.judge(
                self.problems[one.place], sample.response, sample.finish_reason
            )
            found.append((one, judged, self.rollouts.trained_tokens(one, judged.end)))
        if jax.process_count() > 1:  # a comparison may time out in one process alone
            rewards = np.array([np.nan if j.reward is None else j.reward for _, j, _ in found])
            same = multihost_utils.broadcast_one_to_all(rewards)
            decided = [None if np.isnan(reward) else float(reward) for reward in same]
            found = [
                (one, judged._replace(reward=reward), length)
                for (one, judged, length), reward in zip(found, decided, strict=True)
            ]
        return [Scored(*one) for one in found]

    def _reference_logprobs(self, scored: Sequence[Scored], step: int) -> PerResponse | None:
        """Those of a step's samples, where the objective has or the metrics need them."""
        needed = self.policy.kl != "none" or step % self.policy.measure_every_steps == 0
        if self.reference is None or not needed or not scored:
            return None
        return self.learner.logprobs(self.reference, scored)

    def _held_out(self, state: TrainState, step: int) -> dict[str, float]:
        if not self.held_out or step % self.policy.measure_every_steps:
            return {}
        return {"held_out_accuracy": self._accuracy(state)}

    def _accuracy(self, state: TrainState) -> float:
        """Greedy accuracy on the problems that are held out."""
        responses = self.rollouts.greedy(self.whole(state.params), self.held_out)
        judged = [
            self.judge.judge(self.problems[place], sample.response, sample.finish_reason)
            for place, sample in responses
        ]
        return held_out_accuracy(judged)
