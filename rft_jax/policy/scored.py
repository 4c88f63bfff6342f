"""A step's samples with their rewards: which problems are sampled, and which again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from rft_jax.errors import UserError
from rft_jax.policy.objective import zero_variance
from rft_jax.policy.rewards import Judged
from rft_jax.policy.rollouts import Rollout
from rft_jax.policy.settings import PolicySettings
from rft_jax.training.batches import shuffled


@dataclass(frozen=True, eq=False)
class Scored:
    """One sample of the policy, judged.

    Attributes:
      rollout: the sample.
      judged: its reward, and why.
      length: how many of its tokens are trained on: those up to the end of its answer.
    """

    rollout: Rollout
    judged: Judged
    length: int

    @property
    def reward(self) -> float:
        """The reward; NaN where it is undecided."""
        return np.nan if self.judged.reward is None else self.judged.reward


def problem_indices(scored: Sequence[Scored]) -> Int[np.ndarray, " M"]:
    """The index of each sample's problem."""
    return np.array([one.rollout.index for one in scored], np.int64)


def rewards_of(scored: Sequence[Scored]) -> Float[np.ndarray, " M"]:
    """The reward of each sample."""
    return np.array([one.reward for one in scored], np.float64)


@dataclass(frozen=True, eq=False)
class StepSamples:
    """All samples of a step.

    Attributes:
      kept: those whose problems are trained on.
      dropped: those of problems with equal rewards, which others replaced as far as there were any.
    """

    kept: list[Scored]
    dropped: list[Scored]

    @property
    def every(self) -> list[Scored]:
        """All of them."""
        return self.kept + self.dropped


def problems_of_step(
    indices: Sequence[int], step: int, count: int, seed: int
) -> tuple[list[int], list[int]]:
    """The problems of a step, and those that may replace them, a function of seed and step alone.

    Problems come in a new order in every epoch; those that don't fill a step wait for another one.

    Args:
      indices: of all problems.
      step: from 0.
      count: problems of a step.
      seed: the run's.
    """
    count = min(count, len(indices))
    epoch, number = divmod(step, len(indices) // count)
    order = shuffled(len(indices), seed, epoch, 0)[number * count : (number + 1) * count]
    chosen = [indices[at] for at in order]
    others = [indices[at] for at in shuffled(len(indices), seed, step, 1)]
    taken = set(chosen)
    return chosen, [index for index in others if index not in taken]


def split_updates(
    scored: Sequence[Scored], count: int, step: int, seed: int
) -> list[Bool[np.ndarray, " M"]]:
    """Which samples each of a step's updates is by; a sample is in one of them.

    A problem's samples stay together, so that the baseline which they share cancels in an update
    as it does in a step. Problems are in a random order, a function of seed and step: those of a
    file may be sorted, by difficulty for example.

    Args:
      scored: all samples of the step, in any order.
      count: of the updates; the last ones are empty where there are fewer problems.
      step: from 0.
      seed: the run's.
    """
    indices = problem_indices(scored)
    problems = np.unique(indices)
    order = problems[shuffled(len(problems), seed, step, 3)]
    return [np.isin(indices, share) for share in np.array_split(order, count)]


def has_equal_rewards(scored: Sequence[Scored]) -> Bool[np.ndarray, " M"]:
    """Whether the decided samples of a sample's problem have equal rewards, or there are none."""
    rewards, indices = rewards_of(scored), problem_indices(scored)
    decided = np.isfinite(rewards)
    differ = ~zero_variance(rewards[decided], indices[decided])
    return ~np.isin(indices, indices[decided][differ])


def sample_step(
    chosen: Sequence[int],
    others: Sequence[int],
    rounds: int,
    sample: Callable[[Sequence[int]], list[Scored]],
) -> StepSamples:
    """Samples problems; those of equal rewards are replaced, in so many rounds at most.

    What the last round leaves of equal rewards is dropped too.

    Args:
      chosen: indices of the problems.
      others: those that may replace them, in order.
      rounds: 0 replaces and drops none.
      sample: samples and judges problems.
    """
    kept, dropped = sample(chosen), []
    if not rounds:
        return StepSamples(kept, [])
    waiting = list(others)
    for number in range(rounds + 1):
        equal = has_equal_rewards(kept)
        dropped += [one for one, is_equal in zip(kept, equal, strict=True) if is_equal]
        kept = [one for one, is_equal in zip(kept, equal, strict=True) if not is_equal]
        missing = len(chosen) - len(set(problem_indices(kept).tolist()))
        fresh, waiting = waiting[:missing], waiting[missing:]
        if number == rounds or not fresh:
            break
        kept += sample(fresh)
    return StepSamples(kept, dropped)


def split_held_out(
    indices: Sequence[int], settings: PolicySettings, apart: int | None = None
) -> tuple[list[int], list[int]]:
    """The problems that are trained on, and those that are held out.

    Args:
      indices: of all problems that can be sampled.
      settings: of policy training.
      apart: from which index on problems are for holding out alone; None: some of all are.

    Raises:
      UserError: fewer are left than a step needs, or there is none to hold out.
    """
    choice = [index for index in indices if apart is None or index >= apart]
    if apart is not None and not choice:
        raise UserError("--held_out: its problems are all too long for sample.max_prompt_length")
    order = shuffled(len(choice), settings.seed, 0, 2)
    held_out = sorted(choice[at] for at in order[: settings.held_out])
    left_out = {*held_out} if apart is None else {*choice}
    trained = [index for index in indices if index not in left_out]
    if len(trained) < settings.problems_per_step:
        raise UserError(
            f"policy.problems_per_step is {settings.problems_per_step}; of {len(indices)} problems "
            f"{len(left_out)} are held out (policy.held_out), which leaves {len(trained)}"
        )
    return trained, held_out
