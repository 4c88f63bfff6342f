"""plan: estimates of what a run needs, for hardware you don't have."""

from __future__ import annotations

import argparse

from rft_jax.commands.base import Command
from rft_jax.commands.loop import RUN
from rft_jax.gin_settings import Config


def _flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topology",
        required=True,
        metavar="T",
        help="a TPU slice (v5e:4x4, v5p:4x4x4), a product (v5e-16, v5p-128), or GPUs (h100:8)",
    )


def _plan(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.planning.plan import plan

    settings = (config[name] for name in ("llama", "train", "sample", "plan", "mesh"))
    print(plan(flags.topology, *settings))


PLAN = Command(
    name="plan",
    summary="estimate memory, step time and device hours for hardware you don't have",
    description=(
        "Estimates by formula what training and sampling need on a slice of TPUs or on GPUs: bytes "
        "per chip, FLOPs, roofline time of a step, device hours for a data set, and what to change "
        "when it does not fit. For a TPU slice it also compiles the real train step and the real "
        "decode step with libtpu (extra `tpu`), which needs no TPU: minutes on a CPU.\n\n"
        "The model's shape comes from a gin file of configs/models."
    ),
    examples=(
        "rft plan --gin_file models/llama2_7b.gin --gin_file runs/sft.gin --topology v5e:4x4",
        "rft plan --gin_file models/llama2_70b.gin --gin_file runs/rft.gin --topology v5p-128 "
        "--gin.train.batch_size=64 --gin.train.remat=full",
        "rft plan --gin_file models/llama2_7b.gin --topology h100:8 --gin.train.dtype=bfloat16",
    ),
    add_flags=_flags,
    run=_plan,
    settings={
        "plan": "rft_jax.planning.settings:PlanSettings",
        "llama": "rft_jax.models.config:LlamaConfig",
        **RUN.settings,  # so that a run's gin file can be given as it is
    },
    scoped=True,
)
