"""Loss and accuracy on held-out data during training, and the checkpoint in which one is best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from rft_jax.checkpoints.load import LoadedModel
from rft_jax.checkpoints.train_state import TrainStateCheckpoints, restore_params
from rft_jax.devices import partitioning
from rft_jax.files.jsonl import read_rows
from rft_jax.files.names import STEPS_FILE, checkpoint_of
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params
from rft_jax.models.lora import whole_params
from rft_jax.training.batches import Batches
from rft_jax.training.losses import summed_loss
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import forward

LOSS, ACCURACY = "eval_loss", "eval_accuracy"
BEST = checkpoint_of("best")
"""The folder, in a training's output, of the parameters of the best step."""


class Accuracy(Protocol):
    """Measures accuracy; of a package above this one (`rft_jax.evaluation.held_out`)."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the accuracies, but for model and problems."""
        ...

    def prepare(
        self,
        model: LoadedModel,
        problems: str,
        count: int,
        mesh: Mesh,
        folder: Path,
        resident: int,
    ) -> Callable[[Params], float]:
        """A function from all parameters to their accuracy on `count` of the problems.

        Args:
          resident: bytes of one device that the training holds besides.
        """
        ...


@flax.struct.dataclass
class Best:
    """What is kept of the best step: its number and its parameters (the adapters alone of LoRA)."""

    step: Int[Array, ""]
    params: Params


class HeldOut:
    """Measures loss, and accuracy, on data that is not trained on; changes no state.

    Args:
      batches: of the data, each example once per epoch.
      config: the model's shape, adapters included.
      settings: how often it is measured, and whether the best step is kept.
      mesh: devices of parameters and batches.
      folder: of the training.
      num_steps: optimizer steps in all.
      frozen: parameters that are not trained, if adapters are; else empty.
      accuracy: of all parameters, frozen ones and merged adapters among them; None: not measured.

    Attributes:
      keeps_best: whether the parameters of the best step are kept.
    """

    def __init__(
        self,
        batches: Batches,
        config: LlamaConfig,
        settings: TrainSettings,
        mesh: Mesh,
        folder: Path,
        num_steps: int,
        frozen: Params,
        accuracy: Callable[[Params], float] | None = None,
    ) -> None:
        self._batches, self._config, self._settings = batches, config, settings
        self._mesh, self._folder, self._num_steps = mesh, folder, num_steps
        self._frozen, self._accuracy = frozen, accuracy
        self._ranks: dict[int, tuple[float, ...]] = {}
        self.keeps_best = settings.export_checkpoint != "last"
        self._best = TrainStateCheckpoints(folder / BEST) if self.keeps_best else None

    def measure(self, params: Params, step: int) -> dict[str, float]:
        """The held-out metrics after optimizer step `step`, where they are to be measured.

        Args:
          params: those that are trained.
        """
        if step % self._settings.eval_every_steps and step != self._num_steps:
            return {}
        self._ranks = self._ranks or dict(self._earlier(step))
        best = max(self._ranks.values(), default=())  # less than any other
        metrics = {LOSS: self._loss(params)}
        if self._accuracy is not None:
            metrics[ACCURACY] = self._accuracy(whole_params(self._config, self._frozen, params))
        self._ranks[step] = rank = self._rank(metrics)
        if rank > best:  # of equal ones the first
            self._keep(params, step)
        return metrics

    def _rank(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """By which the best step is the highest."""
        accuracy = (metrics[ACCURACY],) if self._settings.keeps_most_accurate else ()
        return (*accuracy, -metrics[LOSS])

    def _earlier(self, step: int) -> Iterator[tuple[int, tuple[float, ...]]]:
        """Ranks of the steps of the starts before this one."""
        path = self._folder / STEPS_FILE
        for _, row in read_rows(path) if path.exists() else ():
            if LOSS in row and row["step"] < step:
                yield row["step"], self._rank(row)

    def _loss(self, params: Params) -> float:
        total, weight = 0.0, 0.0
        chunk = self._settings.loss_chunk
        for step in range(self._batches.epoch_steps(0)):
            batch = self._batches.batch(step, jax.process_index(), jax.process_count())
            rows = partitioning.global_batch(batch, self._mesh)
            sums = _sums(params, rows, config=self._config, chunk=chunk, frozen=self._frozen)
            total, weight = total + float(sums[0]), weight + float(sums[1])
        return total / weight

    def _keep(self, params: Params, step: int) -> None:
        # Steps from this one on are there if an interruption took training back before them: they
        # come again, and are the same.
        if self._best is not None and step > max(self._best.steps, default=0):
            self._best.save(step, Best(jnp.int32(step), params))
            self._best.wait()  # before a checkpoint whose metrics name it

    def best_params(self, like: Params) -> Params:
        """The parameters of the best step.

        Args:
          like: parameters of the same shapes and shardings.
        """
        return restore_params(self._folder / BEST, like)


@partial(jax.jit, static_argnames=("config", "chunk"))
def _sums(
    params: Params,
    batch: dict[str, Array],
    config: LlamaConfig,
    chunk: int,
    frozen: Params,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Summed loss and number of response tokens of a batch."""
    all_params, hidden = forward(params, batch, config, frozen)
    weights = batch["loss_weights"]
    return summed_loss(all_params, hidden, batch["targets"], weights, chunk), weights.sum()
