"""run: the whole loop."""

from __future__ import annotations

import argparse

from rft_jax.checkpoints.names import EMBEDDED
from rft_jax.commands.base import Command, columns_flag, output_flag
from rft_jax.commands.collect import COLLECT
from rft_jax.commands.evaluate import EVALUATE
from rft_jax.commands.lengths import lengths
from rft_jax.commands.policy import POLICY
from rft_jax.commands.sample import SAMPLE
from rft_jax.commands.train import TRAIN
from rft_jax.gin_settings import Config, flag_value
from rft_jax.pipeline.experiments import EXPERIMENTS

DEFAULT_GIN_FILE = "runs/quickstart.gin"
OWN_GIN_FILE = "runs/own_data.gin"
RUN_LENGTHS = ("train.max_length", "sample.max_new_tokens", "evaluate.max_new_tokens")
"""What `lengths` binds for a run's stages."""
_INPUTS = ("run.model", "run.train_problems", "run.test_problems")
_PACKAGE = "wordproblems:"


def _flags(parser: argparse.ArgumentParser) -> None:
    # Not an `input_flag`: it binds run.model, and a run fetches what its settings name.
    parser.add_argument(
        "--model",
        metavar="M",
        help="the pretrained model's folder, URL or name on the Hub; the same as --gin.run.model=M",
    )
    columns_flag(parser, dest="run_columns")  # binds run.columns
    text = "folder (or URL) of the run; run the same command again to resume"
    output_flag(parser, "--output", "DIR", text, required=True)


def _gin_files(flags: argparse.Namespace) -> list[str]:
    """The recipe of the embedded experiment is for its own model and problems alone."""
    inputs = [flags.model or ""]
    for binding in flags.gin:
        name, _, value = binding.partition("=")
        inputs += [value.strip("'\"")] if name.strip() in _INPUTS else []
    is_own = any(value and not value.startswith(_PACKAGE) for value in inputs)
    return flags.gin_file or [OWN_GIN_FILE if is_own else DEFAULT_GIN_FILE]


def _bindings(flags: argparse.Namespace) -> list[str]:
    given = {"run.model": flags.model, "run.columns": flags.run_columns}
    return [f"{name}={flag_value(value)}" for name, value in given.items() if value]


def _model(_flags: argparse.Namespace, config: Config) -> str:
    return config["run"].model or EMBEDDED


def _run(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.pipeline.run import run

    run(flags.output, config)


def _dry_run(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.pipeline.run import commands

    lines = commands(flags.output, config)
    print("\n".join([f"\n# commands, in {flags.output}:", *lines]))


RUN = Command(
    name="run",
    summary="the whole loop, from data to the table of results",
    description=(
        "Fine-tunes (SFT), samples, collects, fine-tunes the pretrained model again (RFT), "
        "evaluates, and does the same for controls. Each stage is a command, run in DIR "
        "as a child process; --dry_run prints them. Stages are named by the hash of their inputs: "
        "run again, the command resumes, and a changed setting recreates only the stages that "
        "depend on it. Writes results.json and report/index.html.\n\n"
        f"Without --gin_file it runs the embedded experiment ({DEFAULT_GIN_FILE}), about ten "
        f"minutes on two cores; with your own model or problems, {OWN_GIN_FILE}, which chooses "
        "batch size and learning rate. A scope binds a setting for one condition only: "
        "sft/train.num_epochs = 3.\n\n"
        "Started on several hosts, with JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and "
        "JAX_PROCESS_ID in the environment, it trains, samples and evaluates on all of them."
    ),
    examples=(
        "rft run --output runs/quickstart",
        "rft run --output runs/mine --model models/mine --gin.run.train_problems=data/train.jsonl "
        "--gin.run.test_problems=data/test.jsonl",
        "rft run --output runs/mapped --model models/mine --gin.run.train_problems=mine.parquet "
        "--gin.run.test_problems=mine.parquet --columns question=text,answer=meta.target",
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
        "policy": POLICY.settings["policy"],
        **EXPERIMENTS,
    },
    rare=("policy", *EXPERIMENTS),  # of some experiments only
    gin_files=_gin_files,
    bindings=_bindings,
    defaults=lengths(*RUN_LENGTHS, model=_model),
    scoped=True,
    dry_run=_dry_run,
)
