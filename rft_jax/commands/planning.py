"""plan: estimates of what a run needs, for hardware you don't have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.base import Command, input_flag
from rft_jax.commands.common import SHAPED
from rft_jax.commands.lengths import lengths
from rft_jax.commands.loop import RUN, RUN_LENGTHS
from rft_jax.gin_settings import Config

if TYPE_CHECKING:
    from rft_jax.models.config import LlamaConfig
    from rft_jax.planning.loop import Loop


def _flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topology",
        required=True,
        metavar="T",
        help="a TPU slice (v5e:4x4, v5p:4x4x4), a product (v5e-16, v5p-128), or GPUs (h100:8)",
    )

    text = (
        "a model's folder, or one with its config.json alone (default: the shape in the gin files)"
    )
    input_flag(parser, "--model", "M", text)


def _plan(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.planning.plan import plan

    shape = _shape(flags.model) if flags.model else config["llama"]
    train, sample, data, mesh = (config[name] for name in ("train", "sample", "plan", "mesh"))
    print(plan(flags.topology, shape, train, sample, data, mesh, _loop(config)))


def _shape(model: str) -> LlamaConfig:
    """The shape of the model that `--model` names, or of a folder with a config.json alone."""
    from rft_jax.checkpoints.folders import find_description
    from rft_jax.checkpoints.huggingface_config import read_config

    folder, _ = find_description(Path(model_folder(model)))
    return read_config(folder)


def _loop(config: Config) -> Loop | None:
    """The run that the settings describe; None where they name no conditions."""
    from rft_jax.evaluation.settings import EvaluateSettings
    from rft_jax.pipeline.builder import VOTE
    from rft_jax.planning.loop import Loop

    run = config["run"]
    if not run.arms:
        return None
    votes = config.get(EvaluateSettings, VOTE).num_samples
    return Loop(run.arms, run.vote_arms, votes, config["sample"].num_samples, len(run.seeds))


def _unused(flags: argparse.Namespace) -> dict[str, str]:
    return {"llama": SHAPED} if flags.model else {}


_READ = {
    "plan": "rft_jax.planning.settings:PlanSettings",
    "llama": "rft_jax.models.config:LlamaConfig",
}
_PLANNED = {"run", "train", "sample", "mesh"}

PLAN = Command(
    name="plan",
    summary="estimate memory, step time and device hours for hardware you don't have",
    description=(
        "Estimates by formula what training and sampling need on a slice of TPUs or on GPUs: bytes "
        "per chip, FLOPs, roofline time of a step, device hours for a data set, and what to change "
        "when it does not fit. For a TPU slice it also compiles the real train step and the real "
        "decode step with libtpu (extra `tpu`), which needs no TPU: minutes on a CPU.\n\n"
        "The model's shape comes from its folder, or a gin file of configs/models. With the gin "
        "file of a run the whole run is planned: its conditions, votes and disk."
    ),
    examples=(
        "rft plan --gin_file models/llama2_7b.gin --gin_file runs/sft.gin --topology v5e:4x4",
        "rft plan --gin_file models/llama2_70b.gin --gin_file runs/rft.gin --topology v5p-128 "
        "--gin.train.batch_size=64 --gin.train.remat=full",
        "rft plan --model models/7b --gin_file runs/gsm8k.gin --topology h100:8",
    ),
    add_flags=_flags,
    run=_plan,
    unused=_unused,
    settings={**_READ, **RUN.settings},  # so that a run's gin file can be given as it is
    rare=(RUN.settings.keys() - _PLANNED) | {"llama"},
    defaults=lengths(*RUN_LENGTHS),
    scoped=True,
)
