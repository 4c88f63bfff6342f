"""`rft train`: fine-tuning (SFT, RFT) or pretraining, resumable to the bit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rft_jax import partitioning
from rft_jax.checkpoints.huggingface import export_model
from rft_jax.checkpoints.load import describe_checkpoints, load_model
from rft_jax.checkpoints.train_state import TrainStateCheckpoints
from rft_jax.errors import Preempted, UserError
from rft_jax.identity import input_identity
from rft_jax.jsonl import write_json
from rft_jax.mesh_settings import MeshSettings
from rft_jax.model_names import tokenizer_folder
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_adapters, init_params
from rft_jax.models.lora import with_adapters
from rft_jax.outputs import OutputFolder, open_output
from rft_jax.progress import Progress
from rft_jax.prompts import Template, get_template
from rft_jax.signals import sigterm_flag
from rft_jax.tokenizers import Tokenizer, load_tokenizer
from rft_jax.training.batches import Batches
from rft_jax.training.data import load_training_data
from rft_jax.training.metrics import MetricsLog
from rft_jax.training.optimizers import learning_rate
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import TrainState, init_state, state_shardings, train_step

COMPUTED = ("dtype", "attention", "remat", "scan_unroll")  # settings of how, not of what


@dataclass(frozen=True)
class Run:
    """What stays the same through a training run."""

    config: LlamaConfig
    settings: TrainSettings
    mesh: Mesh
    batches: Batches
    num_steps: int
    folder: Path
    frozen: Params


def train(
    model: str | LlamaConfig,
    data: list[str],
    output: str,
    settings: TrainSettings,
    mesh: MeshSettings | None = None,
) -> None:
    """Trains a model; the output folder is a model folder once it is finished.

    Args:
      model: a model folder, or a shape to start from random weights.
      data: problems or paths JSONL files, named problem sets, seqio tasks, or a folder of token
        arrays.
      output: folder for the model, checkpoints and metrics; run again, it goes on from there.
      settings: the recipe.
      mesh: sizes of the device mesh.

    Raises:
      UserError: the data, the model or the folder don't fit the settings.
      Preempted: SIGTERM came; the state is saved.
    """
    mesh_settings = mesh or MeshSettings()
    start = asdict(model) if isinstance(model, LlamaConfig) else input_identity(model)
    made_with = {"command": "train", "model": start, "data": [input_identity(d) for d in data]}
    with open_output(output, made_with | asdict(settings)) as folder, sigterm_flag() as stopped:
        if folder.is_complete:
            print(f"train: {output} is finished already")
            return
        device_mesh = partitioning.make_mesh(mesh_settings)
        with jax.set_mesh(device_mesh):
            _train(model, data, folder, settings, device_mesh, stopped)


def _train(
    model: str | LlamaConfig,
    data: list[str],
    folder: OutputFolder,
    settings: TrainSettings,
    mesh: Mesh,
    stopped: Callable[[], bool],
) -> None:
    config, params, tokenizer, template = _start(model, settings, mesh)
    config.check_length(settings.max_length)
    arrays = load_training_data(data, tokenizer, template, settings)
    write_json(folder.path / "data.json", dict(arrays.manifest))
    batches = Batches(
        arrays,
        settings.batch_size,
        settings.max_length,
        settings.seed,
        settings.pack,
        tokenizer.pad_id,
    )
    num_steps = settings.num_steps or batches.num_steps(settings.num_epochs)
    frozen: Params = {}
    if settings.lora is not None:
        config = replace(config, lora=settings.lora)
        frozen, params = params, init_adapters(config, jax.random.key(settings.seed))
    else:
        describe_checkpoints(folder.path / "checkpoints", config, tokenizer, template)
    run = Run(config, settings, mesh, batches, num_steps, folder.path, frozen)
    print(_summary(run), flush=True)
    trained = with_adapters(frozen, _run_steps(run, params, stopped).params)
    export_model(folder.path, config, trained, tokenizer, template, settings.export_dtype)
    folder.commit()


def _start(
    model: str | LlamaConfig, settings: TrainSettings, mesh: Mesh
) -> tuple[LlamaConfig, Params, Tokenizer, Template]:
    """The model that training starts from, float32 parameters laid over the mesh."""
    computed = {name: getattr(settings, name) for name in COMPUTED}
    if isinstance(model, LlamaConfig):
        config = replace(model, **computed)
        tokenizer = load_tokenizer(tokenizer_folder(settings.tokenizer))
        if tokenizer.vocab_size > config.vocab_size:
            raise UserError(
                f"the tokenizer in {settings.tokenizer} has {tokenizer.vocab_size} tokens, the "
                f"model's vocab_size is {config.vocab_size}"
            )
        key = jax.random.key(settings.seed)
        shapes = jax.eval_shape(lambda: init_params(config, key))
        shardings = partitioning.param_shardings(shapes, mesh)
        params = jax.jit(lambda: init_params(config, key), out_shardings=shardings)()
        return config, params, tokenizer, get_template(settings.template or "plain")
    loaded = load_model(model, mesh)
    template = get_template(settings.template) if settings.template else loaded.template
    return replace(loaded.config, **computed), loaded.params, loaded.tokenizer, template


def _summary(run: Run) -> str:
    manifest, settings = run.batches.arrays.manifest, run.settings
    columns = run.batches.arrays.lengths.sum() - len(run.batches.arrays)
    rows = len(run.batches.epoch_rows(0))
    left_out = ", ".join(f"{manifest[n]} {n}" for n in ("dropped", "cut") if manifest.get(n))
    return (
        f"train: {run.config.num_params:,} parameters; {len(run.batches.arrays):,} examples"
        f"{f' ({left_out})' if left_out else ''}; {run.num_steps:,} steps of "
        f"{settings.batch_size} × {settings.max_length}, "
        f"{columns / (rows * settings.max_length):.0%} filled"
    )


def _run_steps(run: Run, params: Params, stopped: Callable[[], bool]) -> TrainState:
    """All steps that are left. A step's figures are fetched while the next one is computed."""
    state = jax.jit(init_state, static_argnums=1)(params, run.settings)
    state = jax.device_put(state, state_shardings(state, run.mesh))
    checkpoints = TrainStateCheckpoints(run.folder / "checkpoints", run.settings.keep_checkpoints)
    state = checkpoints.restore_latest(state) or state
    first = int(state.step)
    log = MetricsLog(run.folder, first)
    steps = _Steps(run, log, checkpoints, first)
    with Progress("train", run.num_steps, "steps", initial=first) as progress:
        for step in range(first, run.num_steps):
            state = steps.advance(state, step, progress)
            if step + 1 == run.num_steps or (step + 1) % run.settings.save_every_steps == 0:
                steps.save(state, step + 1, progress)
            if stopped():
                steps.save(state, step + 1, progress)
                checkpoints.close()
                raise Preempted(f"train: stopped after step {step + 1}, saved; run it again")
    checkpoints.close()
    steps.write_timing()
    return state


class _Steps:
    """The loop's bookkeeping: the figures not fetched yet, the last save, the clock."""

    def __init__(
        self, run: Run, log: MetricsLog, checkpoints: TrainStateCheckpoints, first: int
    ) -> None:
        self._run, self._log, self._checkpoints = run, log, checkpoints
        self._pending: tuple[int, float, dict[str, jax.Array]] | None = None
        self._saved, self._first = first, first
        self._begin: float | None = None  # set after the first step, which compiles

    def advance(self, state: TrainState, step: int, progress: Progress) -> TrainState:
        run = self._run
        rate = learning_rate(run.settings, step, run.num_steps)
        batch = run.batches.batch(step, jax.process_index(), jax.process_count())
        state, figures = train_step(
            state,
            partitioning.global_batch(batch, run.mesh),
            jnp.float32(rate),
            config=run.config,
            settings=run.settings,
            mesh=run.mesh,
            frozen=run.frozen,
        )
        self.fetch(progress)
        self._pending = (step + 1, rate, figures)
        return state

    def fetch(self, progress: Progress) -> None:
        """Takes the last step's figures off the device, and stops at a loss that is no number."""
        if self._pending is None:
            return
        step, rate, figures = self._pending
        self._pending = None
        numbers = {name: float(value) for name, value in figures.items()}
        if not (np.isfinite(numbers["loss"]) and np.isfinite(numbers["grad_norm"])):
            raise UserError(
                f"step {step}: loss {numbers['loss']}, gradient norm {numbers['grad_norm']}; the "
                f"last good checkpoint is step {self._saved} in {self._run.folder}/checkpoints; "
                "lower train.learning_rate"
            )
        self._log.add(step, numbers | {"learning_rate": rate})
        self._begin = self._begin or time.monotonic()
        progress.update(step, loss=numbers["loss"], **self._speed(step))

    def _speed(self, step: int) -> dict[str, float]:
        done = step - self._first - 1
        if not done or self._begin is None:
            return {}
        tokens = done * self._run.settings.batch_size * self._run.settings.max_length
        return {"tokens/s": tokens / (time.monotonic() - self._begin)}

    def save(self, state: TrainState, step: int, progress: Progress) -> None:
        """Saves once a step; the metrics up to it go first, so they are never behind."""
        self.fetch(progress)
        if step > self._saved:
            self._log.write()
            self._checkpoints.save(step, state)
            self._saved = step

    def write_timing(self) -> None:
        """Leaves how fast it went; apart from everything that is compared."""
        speed: dict[str, Any] = dict(self._speed(self._run.num_steps))
        speed["device"] = jax.devices()[0].device_kind
        write_json(self._run.folder / "timing.json", speed)
