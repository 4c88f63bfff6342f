"""`rft train`: fine-tuning (SFT, RFT) or pretraining, resumable to the bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from rft_jax.data.sources import problems_identity
from rft_jax.devices import distributed, partitioning
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.errors import UserError
from rft_jax.files.identity import input_identity, settings_identity
from rft_jax.files.jsonl import write_json
from rft_jax.files.names import CHECKPOINTS_FOLDER, TRAINING_DATA_FILE
from rft_jax.files.outputs import OutputFolder
from rft_jax.models.config import LlamaConfig
from rft_jax.models.families import Features
from rft_jax.prompts import Template
from rft_jax.tokenizers import Tokenizer
from rft_jax.training import recipe
from rft_jax.training.batches import Batches, without_empty_rows
from rft_jax.training.curriculum import staged
from rft_jax.training.data import load_training_data
from rft_jax.training.held_out import BEST, Accuracy, HeldOut
from rft_jax.training.loop import Run, run_steps
from rft_jax.training.memory import resident_bytes
from rft_jax.training.model import TrainedModel, is_finished, starting_model, train_further
from rft_jax.training.outlook import outlook
from rft_jax.training.settings import TrainSettings
from rft_jax.training.token_arrays import (
    TokenArrays,
    equal_question_weights,
    is_token_arrays,
    load_token_arrays,
)

# Settings added later, with the value that keeps the old behaviour, and settings that never affect
# the result: both are left out of the fingerprint, so older folders can be resumed.
_NEUTRAL = {"question_weights": "none", "warmup_steps": 0}
_NEUTRAL_SHAPE = asdict(Features())
del _NEUTRAL_SHAPE["sliding_window"]  # as old as the fingerprint
WITHOUT_EFFECT = ("wandb", "wandb_name", "wandb_group", "profile_steps", "keep_optimizer_state")


def train(
    model: str | LlamaConfig,
    data: list[str],
    output: str,
    settings: TrainSettings,
    mesh: MeshSettings | None = None,
    config_text: str = "",
    accuracy: Accuracy | None = None,
) -> None:
    """Trains a model; the output folder is a model folder once it is finished.

    Args:
      model: a model folder, or a shape to start from random weights.
      data: problems or paths JSONL files, named problem sets, seqio tasks, or a folder of token
        arrays.
      output: folder for the model, checkpoints and metrics; a run that was stopped is resumed.
      settings: the recipe.
      mesh: sizes of the device mesh; None for fsdp over all devices.
      config_text: the resolved settings as a gin file, written into the output.
      accuracy: how accuracy is measured during training; needed with `train.eval_problems`, whose
        command takes `rft_jax.evaluation.held_out.HeldOutAccuracy`.

    Raises:
      UserError: the data, the model or the folder don't fit the settings.
      Preempted: SIGTERM came; the state is saved.
    """
    settings.check_held_out()
    if isinstance(model, str) and settings.tokenizer:
        raise UserError(
            f"train.tokenizer = {settings.tokenizer!r}: {model} has its own tokenizer; leave "
            "train.tokenizer out, or start from random weights with --model init:CONFIG"
        )
    if settings.eval_problems == 0:
        accuracy = None
    elif accuracy is None:
        raise UserError("train.eval_problems: train(accuracy=…) says how accuracy is measured")
    distributed.initialize()
    made_with = partial(_made_with, model, data, settings, accuracy)
    with (
        distributed.open_shared_output(
            output, made_with, config_text, instead=train_further(output, "num_steps", "num_epochs")
        ) as folder,
        distributed.stop_flag() as stopped,
    ):
        if is_finished(folder, settings, "train"):
            return
        device_mesh = partitioning.make_mesh(mesh or MeshSettings())
        partitioning.check_rows(settings.batch_size, device_mesh)
        with jax.set_mesh(device_mesh):
            _train(model, data, folder, settings, device_mesh, stopped, accuracy)


def _made_with(
    model: str | LlamaConfig, data: list[str], settings: TrainSettings, accuracy: Accuracy | None
) -> dict[str, Any]:
    """Everything that decides the result: the content of the inputs, and settings."""
    start: Any = (
        input_identity(model) if isinstance(model, str) else _without(_NEUTRAL_SHAPE, asdict(model))
    )
    inputs = {"command": "train", "model": start, "data": [problems_identity(d) for d in data]}
    tokenizer = settings.tokenizer and input_identity(settings.tokenizer)
    values = settings_identity(settings) | {"tokenizer": tokenizer}
    if settings.eval_data:
        values["eval_data"] = problems_identity(settings.eval_data)
    if accuracy is not None:
        values["evaluate"] = accuracy.identity
    values = {name: value for name, value in values.items() if name not in WITHOUT_EFFECT}
    return inputs | _without(_NEUTRAL, values)


def _without(neutral: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k not in neutral or v != neutral[k]}


def _train(
    model: str | LlamaConfig,
    data: list[str],
    folder: OutputFolder,
    settings: TrainSettings,
    mesh: Mesh,
    stopped: Callable[[int], bool],
    accuracy: Accuracy | None,
) -> None:
    start = starting_model(model, settings, mesh)
    tokenizer, template = start.tokenizer, start.template
    start.config.check_length(settings.max_length)
    arrays = _token_arrays(data, folder.path / "tokens", tokenizer, template, settings)
    unit = mesh.shape["data"] * mesh.shape["fsdp"] * settings.gradient_accumulation
    columns = float(arrays.lengths.mean()) - 1
    settings = recipe.complete(settings, start.config, arrays.num_questions, columns, unit)
    batches = _batches(arrays, settings, tokenizer.pad_id, unit)
    if distributed.is_main():
        made_of = {**arrays.manifest, "batch_rows": batches.batch_size}
        write_json(folder.path / TRAINING_DATA_FILE, made_of)
    num_steps = settings.num_steps or batches.num_steps(settings.num_epochs)
    trained = TrainedModel.of(start, settings)
    config, frozen = trained.config, trained.frozen
    trained.describe(folder.path / CHECKPOINTS_FOLDER)
    held_out = None
    if settings.eval_data:
        others = _held_out_batches(settings, tokenizer, template, unit)
        measure = None
        if accuracy is not None:
            asked = settings.eval_data, settings.eval_problems
            resident = resident_bytes(config, settings, mesh.shape)
            measure = accuracy.prepare(start, *asked, mesh, folder.path, resident)
        held_out = HeldOut(others, config, settings, mesh, folder.path, num_steps, frozen, measure)
        if held_out.keeps_best:
            trained.describe(folder.path / BEST)
    run = Run(settings, mesh, num_steps, folder.path, frozen, config, batches, held_out)
    if distributed.is_main():
        print("\n".join(outlook(run)), flush=True)
    last = run_steps(run, trained.params, stopped).params
    best = held_out.best_params(last) if held_out and held_out.keeps_best else last
    trained.finish(folder, best)


def _batches(arrays: TokenArrays, settings: TrainSettings, pad_id: int, unit: int) -> Batches:
    batches = Batches(
        arrays,
        settings.batch_size,
        settings.max_length,
        settings.seed,
        settings.pack,
        pad_id,
        equal_question_weights(arrays) if settings.question_weights == "equal" else None,
    )
    if settings.curriculum:
        return staged(batches, settings)
    return without_empty_rows(batches, settings.num_steps or settings.num_epochs, unit)


def _held_out_batches(
    settings: TrainSettings, tokenizer: Tokenizer, template: Template, unit: int
) -> Batches:
    """An epoch of the held-out examples, all of them and each weighted alike."""
    whole = replace(settings, limit=0, question_weights="none", curriculum=(), num_steps=1)
    arrays = load_training_data([settings.eval_data], tokenizer, template, whole)
    return _batches(arrays, whole, tokenizer.pad_id, unit)


def _token_arrays(
    data: list[str], cache: Path, tokenizer: Tokenizer, template: Template, settings: TrainSettings
) -> TokenArrays:
    """The examples; tokenized once, and saved for a resumed run or another one."""
    if is_token_arrays(cache):
        return load_token_arrays(cache)
    arrays = load_training_data(data, tokenizer, template, settings)
    if distributed.is_main() and not any(map(is_token_arrays, data)):
        arrays.save(cache)
    return arrays
