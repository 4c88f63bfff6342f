"""The updates of a step: advantages, batches and gradients of its samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import Float

from rft_jax.devices.partitioning import global_batch
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params
from rft_jax.policy.objective import advantages, response_weights
from rft_jax.policy.responses import PerResponse, join_responses, split_responses, token_arrays
from rft_jax.policy.scored import (
    Scored,
    has_equal_rewards,
    problem_indices,
    rewards_of,
    split_updates,
)
from rft_jax.policy.switches import SIGNED, Objective
from rft_jax.policy.update import (
    Rows,
    Sums,
    add_gradients,
    apply_gradients,
    logprobs_of,
    no_sums,
    without_update,
)
from rft_jax.training.batches import Batches
from rft_jax.training.settings import TrainSettings
from rft_jax.training.token_arrays import TokenArrays
from rft_jax.training.train_step import TrainState


@dataclass(frozen=True, eq=False)
class Weights:
    """A model that computes log-probabilities.

    Attributes:
      params: trained parameters.
      config: the model's shape.
      frozen: the rest of the parameters if `params` are adapters alone.
    """

    params: Params
    config: LlamaConfig
    frozen: Params | None = None


@dataclass(frozen=True, eq=False)
class Learner:
    """Trains on samples.

    Attributes:
      objective: its switches.
      settings: of the optimizer and of the microbatches.
      config: the model's shape, adapters included.
      mesh: the devices.
      pad_id: token of columns that no sample fills.
      longest: maximum tokens of a response.
      updates: optimizer steps by the samples of a step.
      drops: whether zero-variance groups were dropped, and are in no divisor of the loss.
      frozen: parameters that are not trained, if adapters are; else empty.
      teacher: what is learnt from in the place of rewards, with the same tokens; or None.
    """

    objective: Objective
    settings: TrainSettings
    config: LlamaConfig
    mesh: Mesh
    pad_id: int
    longest: int
    updates: int = 1
    drops: bool = False
    frozen: Params | None = None
    teacher: Weights | None = None

    def logprobs(self, weights: Weights, scored: Sequence[Scored]) -> PerResponse:
        """The log-probabilities of samples under some weights."""
        arrays = token_arrays(scored)
        batches = self._batches(arrays)
        chunk = self.settings.loss_chunk
        computed = (
            _gathered(logprobs_of(weights.params, rows, weights.config, chunk, weights.frozen))
            for rows in self._rows(batches)
        )
        return split_responses(arrays, batches.per_token(computed))

    def update(
        self,
        state: TrainState,
        scored: Sequence[Scored],
        learning_rate: float,
        reference: PerResponse | None = None,
    ) -> tuple[TrainState, dict[str, float]]:
        """The state after a step's updates, and what is measured on the way.

        Args:
          state: before; donated.
          scored: the samples; undecided ones are left out.
          learning_rate: of all of the step's updates.
          reference: log-probabilities of the samples under the reference model, where the
            objective has a divergence.
        """
        number = int(state.step)
        step = np.int32(number + 1)
        if not scored:  # all groups had equal rewards and were dropped
            return without_update(state, step, self.mesh), self._summary([])
        advantage = self.advantages(scored, reference)
        values: dict[str, PerResponse] = {
            "advantages": [np.full(s.length, a) for s, a in zip(scored, advantage, strict=True)],
            "sampled_logprobs": [one.rollout.logprobs[: one.length] for one in scored],
        }
        if self.objective.kl == "loss":
            assert reference is not None
            values["reference_logprobs"] = reference
        if self.updates > 1 and self.teacher is None:
            now = Weights(state.params, self.config, self.frozen)
            values["old_logprobs"] = self.logprobs(now, scored)
        reports = []
        for mine in split_updates(scored, self.updates, number, self.settings.seed):
            weights = self.weights(scored, advantage, mine)
            if weights.any():
                state, report = self._one_update(
                    state, scored, weights, values, np.float32(learning_rate), step
                )
                reports.append(report)
        if not reports:
            state = without_update(state, step, self.mesh)
        return state, self._summary(reports)

    def advantages(
        self, scored: Sequence[Scored], reference: PerResponse | None
    ) -> Float[np.ndarray, " M"]:
        """The advantage of every sample; 0 of an undecided one."""
        rewards = rewards_of(scored)
        if self.objective.kl == "reward":
            assert reference is not None
            sampled = [one.rollout.logprobs[: one.length] for one in scored]
            pairs = zip(sampled, reference, strict=True)
            divergence = [np.sum(ours - theirs, dtype=np.float64) for ours, theirs in pairs]
            rewards = rewards - self.objective.kl_coefficient * np.array(divergence)
        decided = np.isfinite(rewards)
        result = np.zeros(len(scored))
        result[decided] = advantages(
            rewards[decided], problem_indices(scored)[decided], self.objective
        )
        return result

    def weights(
        self, scored: Sequence[Scored], advantage: np.ndarray, mine: np.ndarray
    ) -> Float[np.ndarray, " M"]:
        """The weight of every token of each sample in the update by some of the samples.

        Args:
          scored: all samples.
          advantage: of each.
          mine: which of them the update is by.
        """
        counted = mine & np.isfinite(rewards_of(scored))
        if self.objective.mask_truncated:
            ends = [one.rollout.sample.finish_reason for one in scored]
            counted &= np.array([end != "length" for end in ends], bool)
        if self.objective.positive_only:
            counted &= advantage > 0
        moves = np.ones(len(scored), bool)
        if self.objective.baseline != "none":
            moves = ~has_equal_rewards(scored)
        if self.drops or self.objective.baseline == SIGNED:
            counted &= moves
        lengths = np.array([one.length for one in scored])
        weights = response_weights(lengths, counted, self.objective, self.longest)
        return np.where(moves, weights, 0.0)

    def _one_update(
        self,
        state: TrainState,
        scored: Sequence[Scored],
        weights: np.ndarray,
        values: dict[str, PerResponse],
        learning_rate: np.float32,
        step: np.int32,
    ) -> tuple[TrainState, dict[str, float]]:
        used = np.flatnonzero(weights).tolist()
        chosen = [scored[i] for i in used]
        arrays = token_arrays(chosen)
        each = [np.full(scored[i].length, weights[i]) for i in used]
        flat = {"loss_weights": join_responses(arrays, each)}
        for name, of_all in values.items():
            flat[name] = join_responses(arrays, [of_all[i] for i in used])
        sums: Sums = no_sums(state.params, mesh=self.mesh)
        for rows in self._rows(self._batches(arrays, flat)):
            sums = add_gradients(
                sums,
                state.params,
                rows,
                config=self.config,
                objective=self.objective,
                chunk=self.settings.loss_chunk,
                mesh=self.mesh,
                frozen=self.frozen,
                teacher=self.teacher and self.teacher.params,
                teacher_config=self.teacher and self.teacher.config,
            )
        measures = sums.measures
        state, norm = apply_gradients(
            state, sums.grads, learning_rate, step, settings=self.settings, mesh=self.mesh
        )
        report = {name: float(value) for name, value in vars(measures).items()}
        return state, report | {"grad_norm": float(norm)}

    def _summary(self, reports: Sequence[dict[str, float]]) -> dict[str, float]:
        """The metrics of a step, of all its updates together."""
        if not reports:
            return {"loss": 0.0, "grad_norm": 0.0, "tokens": 0.0}
        total: dict[str, Any] = {name: sum(r[name] for r in reports) for name in reports[0]}
        shares = {"clip_share": "clipped"} if self.teacher is None else {"teacher_kl": "divergence"}
        if self.objective.importance_cap:
            shares["capped_share"] = "capped"
        # A teacher's later updates have no log-probabilities of the policy that sampled.
        compared = reports if self.teacher is None else reports[:1]
        return {
            "loss": total["loss"] / len(reports),
            "grad_norm": total["grad_norm"] / len(reports),
            "tokens": total["tokens"],
            **{name: total[summed] / total["tokens"] for name, summed in shares.items()},
            "logprob_difference": max(report["difference"] for report in compared),
        }

    def _batches(self, arrays: TokenArrays, values: dict[str, np.ndarray] | None = None) -> Batches:
        settings = self.settings
        shape = settings.batch_size, settings.max_length
        return Batches(arrays, *shape, 0, settings.pack, self.pad_id, token_values=values or {})

    def _rows(self, batches: Batches) -> Iterator[Rows]:
        for number in range(batches.epoch_steps(0)):
            batch = batches.batch(number, jax.process_index(), jax.process_count())
            yield global_batch(batch, self.mesh)


def _gathered(values: jax.Array) -> np.ndarray:
    if jax.process_count() == 1:
        return np.asarray(values)
    return np.asarray(multihost_utils.process_allgather(values, tiled=True))
