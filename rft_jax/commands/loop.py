"""run: the whole loop."""

from __future__ import annotations

import argparse

from rft_jax.commands.base import Command
from rft_jax.commands.stages import COLLECT, EVALUATE, SAMPLE, TRAIN
from rft_jax.gin_settings import Config, flag_value
from rft_jax.pipeline.experiments import EXPERIMENTS

DEFAULT_GIN_FILE = "runs/quickstart.gin"


def _flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="M", help="the pretrained model's folder, the same as --gin.run.model=M"
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="folder of the run; run the same command again to go on after an interruption",
    )


def _run(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.pipeline.run import run

    run(flags.output, config)


def _dry_run(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.pipeline.run import commands

    print(f"\n# commands, in {flags.output}:")
    print("\n".join(commands(flags.output, config)))


RUN = Command(
    name="run",
    summary="the whole loop, from data to the table of results",
    description=(
        "Fine-tunes (SFT), samples, collects, fine-tunes the pretrained model again (RFT), "
        "evaluates, and does the same for controls. Each stage is a command of its own, run in DIR "
        "as a child process; --dry_run prints them. Stages are named by the hash of their inputs, "
        "so a run goes on where it stopped, and a changed setting runs again only what depends on "
        "it. Leaves results.json and report/index.html.\n\n"
        f"Without --gin_file it is the embedded experiment ({DEFAULT_GIN_FILE}), about ten minutes "
        "on two cores. A scope binds a setting for one arm only: sft/train.num_epochs = 3.\n\n"
        "Started on several hosts, with JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and "
        "JAX_PROCESS_ID in the environment, it trains, samples and evaluates on all of them."
    ),
    examples=(
        "rft run --output runs/quickstart",
        "rft run --output runs/seeds --gin_file experiments/quickstart_seeds.gin",
        "rft run --output runs/gsm8k --gin_file experiments/gsm8k_smollm2_135m.gin "
        "--model models/smollm2-135m",
        "rft run --output runs/quickstart --gin.sample.num_samples=32 --dry_run",
    ),
    add_flags=_flags,
    run=_run,
    settings={
        "run": "rft_jax.pipeline.settings:RunSettings",
        **{name: where for name, where in TRAIN.settings.items() if name != "llama"},
        **SAMPLE.settings,
        **COLLECT.settings,
        **EVALUATE.settings,
        **EXPERIMENTS,
    },
    gin_files=lambda flags: flags.gin_file or [DEFAULT_GIN_FILE],
    bindings=lambda flags: [f"run.model={flag_value(flags.model)}"] if flags.model else [],
    scoped=True,
    dry_run=_dry_run,
)
