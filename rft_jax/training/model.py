"""The model of a training: where it starts, what of it is trained, the folder that it becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
from jax.sharding import Mesh

from rft_jax.chat_templates import DEFAULT_TEMPLATE
from rft_jax.checkpoints.huggingface import export_model
from rft_jax.checkpoints.load import LoadedModel, describe_checkpoints, load_model
from rft_jax.checkpoints.names import tokenizer_folder
from rft_jax.checkpoints.peft import FOLDER as ADAPTER
from rft_jax.checkpoints.peft import export_adapters
from rft_jax.checkpoints.train_state import remove_optimizer_states
from rft_jax.devices import partitioning
from rft_jax.devices.distributed import is_main
from rft_jax.files.names import CHECKPOINTS_FOLDER
from rft_jax.files.outputs import OutputFolder
from rft_jax.files.remote import send_output
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_adapters, init_params
from rft_jax.models.lora import with_adapters
from rft_jax.prompts import get_template
from rft_jax.tokenizers import load_tokenizer
from rft_jax.training.settings import COMPUTED, TrainSettings


def starting_model(model: str | LlamaConfig, settings: TrainSettings, mesh: Mesh) -> LoadedModel:
    """The model that training starts from, float32 parameters distributed over the mesh.

    Args:
      model: a model folder, or a shape to start from random weights.
    """
    computed = {name: getattr(settings, name) for name in COMPUTED}
    if isinstance(model, str):
        loaded = load_model(model, mesh)
    else:
        tokenizer = load_tokenizer(tokenizer_folder(settings.tokenizer), model.vocab_size)
        init = partial(init_params, replace(model, **computed), jax.random.key(settings.seed))
        shardings = partitioning.param_shardings(jax.eval_shape(init), mesh)
        params = jax.jit(init, out_shardings=shardings)()
        loaded = LoadedModel(model, params, tokenizer, get_template(DEFAULT_TEMPLATE))
    template = loaded.template_named(settings.template)
    return replace(loaded, config=replace(loaded.config, **computed), template=template)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What is trained of a model: all its parameters, or adapters beside them.

    Attributes:
      start: the model that training starts from.
      settings: of the training.
      config: the model's shape, adapters included.
      params: the parameters that are trained, where training starts.
      frozen: those that are not; empty if all are trained.
    """

    start: LoadedModel
    settings: TrainSettings
    config: LlamaConfig
    params: Params
    frozen: Params

    @classmethod
    def of(cls, start: LoadedModel, settings: TrainSettings) -> TrainedModel:
        """The one that `train.lora_rank` says; new adapters change nothing."""
        if settings.lora is None:
            return cls(start, settings, start.config, start.params, {})
        config = replace(start.config, lora=settings.lora)
        adapters = init_adapters(config, jax.random.key(settings.seed))
        return cls(start, settings, config, adapters, start.params)

    def describe(self, checkpoints: Path) -> None:
        """Makes models of a folder's checkpoints, unless they are adapters alone."""
        if self.config.lora is None:
            described = self.config, self.start.tokenizer, self.start.template
            describe_checkpoints(checkpoints, *described, self.settings.stored_dtype)

    def finish(self, folder: OutputFolder, params: Params) -> None:
        """Makes the output a model folder, and marks it finished; all processes call it.

        Args:
          folder: of the training.
          params: the parameters that were trained.
        """
        start, settings = self.start, self.settings
        whole = with_adapters(self.frozen, params)
        carried = start.tokenizer, start.template, settings.stored_dtype
        export_model(folder.path, self.config, whole, *carried)
        if self.config.lora:
            export_adapters(folder.path / ADAPTER, self.config, whole, start.source)
        folder.commit()
        if is_main():
            _tidy_checkpoints(folder, settings)


def is_finished(folder: OutputFolder, settings: TrainSettings, label: str) -> bool:
    """Whether an earlier start finished a training, whose checkpoints are tidied then.

    Args:
      label: the command's name, for the line that says so.
    """
    if folder.is_complete and is_main():
        _tidy_checkpoints(folder, settings)  # if the process was killed just after the end
        print(f"{label}: {folder.path} is finished already")
    return folder.is_complete


def _tidy_checkpoints(folder: OutputFolder, settings: TrainSettings) -> None:
    """Removes what only resuming needs from the checkpoints of a finished training."""
    if not settings.keep_optimizer_state:
        send_output(folder.path)  # that it is finished, before it can't be resumed
        remove_optimizer_states(folder.path / CHECKPOINTS_FOLDER)


def train_further(output: str, *lengths: str, and_other: str = "") -> dict[str, str]:
    """What to do where a training is to be longer than it was, by the settings that say how long.

    Args:
      output: its folder.
      lengths: names of these settings in the folder's identity.
      and_other: further flags and settings to change.
    """
    fix = (
        "a training keeps its length, which its schedule and files depend on; finish it with the "
        f"earlier one, then train further from it: --model {output} and another --output"
    )
    return dict.fromkeys(lengths, fix + and_other)
