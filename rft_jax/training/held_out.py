"""The loss on held-out data during training, and the checkpoint in which it is lowest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from rft_jax.checkpoints.train_state import TrainStateCheckpoints, restore_params
from rft_jax.devices import partitioning
from rft_jax.files.jsonl import read_rows
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params
from rft_jax.training.batches import Batches
from rft_jax.training.losses import summed_loss
from rft_jax.training.metrics import FILE_NAME
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import forward

METRIC = "eval_loss"
BEST = "checkpoints/best"
"""The folder, in a training's output, of the parameters with the lowest held-out loss."""


@flax.struct.dataclass
class Best:
    """What is kept of the best step: its number and its parameters (the adapters alone of LoRA)."""

    step: Int[Array, ""]
    params: Params


class HeldOut:
    """Measures the loss of response tokens on data that is not trained on; changes no state.

    Args:
      batches: of the data, each example once per epoch.
      config: the model's shape, adapters included.
      settings: how often it is measured, and whether the best step is kept.
      mesh: devices of parameters and batches.
      folder: of the training.
      num_steps: optimizer steps in all.
      frozen: parameters that are not trained, if adapters are; else empty.

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
    ) -> None:
        self._batches, self._config, self._settings = batches, config, settings
        self._mesh, self._folder, self._num_steps = mesh, folder, num_steps
        self._frozen = frozen
        self._losses: dict[int, float] = {}
        self.keeps_best = settings.export_checkpoint == "best"
        self._best = TrainStateCheckpoints(folder / BEST) if self.keeps_best else None

    def measure(self, params: Params, step: int) -> dict[str, float]:
        """The held-out loss after optimizer step `step`, where it is to be measured.

        Args:
          params: those that are trained.
        """
        if step % self._settings.eval_every_steps and step != self._num_steps:
            return {}
        self._losses = self._losses or dict(self._earlier(step))
        lowest = min(self._losses.values(), default=math.inf)
        self._losses[step] = loss = self._loss(params)
        if loss < lowest:  # of equal ones the first
            self._keep(params, step)
        return {METRIC: loss}

    def _earlier(self, step: int) -> Iterator[tuple[int, float]]:
        """Losses of the starts before this one."""
        path = self._folder / FILE_NAME
        for _, row in read_rows(path) if path.exists() else ():
            if METRIC in row and row["step"] < step:
                yield row["step"], row[METRIC]

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
