"""train: fine-tuning and pretraining."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.base import Command, columns_flag, input_flag, rows_flag
from rft_jax.commands.common import MESH, MODEL_HELP, SHAPED, output_folder_flag
from rft_jax.commands.lengths import lengths
from rft_jax.errors import UserError
from rft_jax.gin_settings import Config

if TYPE_CHECKING:
    from rft_jax.evaluation.held_out import HeldOutAccuracy

INIT = "init:"


def _train_flags(parser: argparse.ArgumentParser) -> None:
    model_help = f"{MODEL_HELP}; or init:CONFIG for random weights, CONFIG as in configs/models"
    input_flag(parser, "--model", "M", model_help, required=True)
    data_help = "a problems or paths file, a seqio task, or a folder of token arrays; repeatable"
    rows_flag(parser, "--data", "D", data_help, required=True, action="append")
    columns_flag(parser)
    output_folder_flag(parser)


def _train(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.training.trainer import train

    fresh = flags.model.startswith(INIT)
    train(
        config["llama"] if fresh else model_folder(flags.model),
        flags.data,
        flags.output,
        config["train"],
        config["mesh"],
        config.text(),
        _accuracy(config),
    )


def _accuracy(config: Config) -> HeldOutAccuracy | None:
    """How accuracy is measured during training, if it is.

    Raises:
      UserError: it isn't, and settings of it are set.
    """
    from rft_jax.evaluation.held_out import HeldOutAccuracy
    from rft_jax.evaluation.settings import EvaluateSettings

    settings, plain = config["evaluate"], EvaluateSettings()
    if config["train"].eval_problems:
        return HeldOutAccuracy(settings)
    for name, value in asdict(settings).items():
        if value != getattr(plain, name):
            raise UserError(f"evaluate.{name} has no effect without train.eval_problems; set both")
    return None


def _train_unused(flags: argparse.Namespace) -> dict[str, str]:
    return {} if flags.model.startswith(INIT) else {"llama": SHAPED}


def _train_gin_files(flags: argparse.Namespace) -> list[str]:
    if not flags.model.startswith(INIT):
        return flags.gin_file
    return [f"models/{flags.model.removeprefix(INIT)}", *flags.gin_file]


def _train_defaults(flags: argparse.Namespace, config: Config) -> list[str]:
    measured = ("evaluate.max_new_tokens",) if config["train"].eval_problems else ()
    return lengths("train.max_length", *measured)(flags, config)


TRAIN = Command(
    name="train",
    summary="fine-tune (or pretrain) a model",
    description=(
        "Trains on questions and their reasoning paths; the loss counts the response alone. The "
        "output is a model folder in Hugging Face's layout (with tokenizer and prompt template) "
        "that --model takes, with its checkpoints and metrics.jsonl."
    ),
    examples=(
        "rft train --model models/7b --data gsm8k:train --output runs/sft --gin_file runs/sft.gin",
        "rft train --model wordproblems:model --data runs/collected/paths.jsonl --output runs/rft",
        "rft train --model init:wordproblems --data pretrain.jsonl.gz --output runs/pretrained "
        "--gin_file runs/pretrain_wordproblems.gin",
    ),
    add_flags=_train_flags,
    run=_train,
    settings={
        "train": "rft_jax.training.settings:TrainSettings",
        "evaluate": "rft_jax.evaluation.settings:EvaluateSettings",
        "llama": "rft_jax.models.config:LlamaConfig",
        **MESH,
    },
    rare=("llama", "evaluate"),
    unused=_train_unused,
    gin_files=_train_gin_files,
    defaults=_train_defaults,
    next=(
        "rft sample --model {output} --problems P --output SAMPLES",
        "rft evaluate --model {output} --problems P --output EVALUATION",
        "rft export-hf {output} EXPORTED --dtype bfloat16",
    ),
)
