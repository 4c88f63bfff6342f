"""policy: on-policy training, the stage after RFT."""

from __future__ import annotations

import argparse

from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.base import Command, input_flag, rows_flag
from rft_jax.commands.common import MESH, MODEL_HELP, output_folder_flag, problems_flag
from rft_jax.commands.lengths import lengths
from rft_jax.gin_settings import Config


def _policy_flags(parser: argparse.ArgumentParser) -> None:
    input_flag(parser, "--model", "M", f"where training starts: {MODEL_HELP}", required=True)
    problems_flag(parser)
    output_folder_flag(parser)
    text = "what the divergence is measured from, with the same tokenizer (default: M)"
    input_flag(parser, "--reference_model", "M2", text)
    text = "a model to learn from instead of rewards, with the same tokenizer (distillation)"
    input_flag(parser, "--teacher", "M3", text)
    text = "problems that accuracy is measured on (default: policy.held_out of --problems)"
    rows_flag(parser, "--held_out", "P2", text)


def _policy(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.policy.inputs import Inputs
    from rft_jax.policy.run import train_policy

    inputs = Inputs(
        model=model_folder(flags.model),
        problems=flags.problems,
        reference_model=flags.reference_model and model_folder(flags.reference_model),
        teacher=flags.teacher and model_folder(flags.teacher),
        held_out=flags.held_out,
    )
    train_policy(
        inputs,
        flags.output,
        config["policy"],
        config["train"],
        config["sample"],
        config["mesh"],
        config.text(),
    )


POLICY = Command(
    name="policy",
    summary="train a model on its own samples by verified rewards (GRPO and relatives)",
    description=(
        "Every step samples several responses to some problems from the current weights, rewards "
        "them by the grader's verdict (or by your own function), and updates the weights by "
        "their advantages. policy.preset names the objective: grpo, dr_grpo, dapo, rloo, raft or "
        "reinforce_rej; --help-all lists the settings that it sets. With --teacher and "
        "policy.preset = 'distillation' the policy learns from another model instead of rewards."
        "\n\n"
        "The output is a model folder as rft train writes it, with metrics.jsonl (a row a step), "
        "samples/ (every step's) and ledger.jsonl (each sample's verdict and reward). The steps "
        "are on-policy: the temperature is 1, and top-p and top-k are off."
    ),
    examples=(
        "rft policy --model runs/rft --problems gsm8k:train --output runs/grpo "
        "--gin.policy.learning_rate=1e-6",
        "rft policy --model runs/sft --problems mine.jsonl --output runs/dapo "
        "--gin.policy.preset=dapo --gin.policy.held_out=16",
        "rft policy --model runs/sft --problems mine.jsonl --output runs/brief "
        "--gin.policy.reward=brevity:reward",
        "rft policy --model runs/sft --teacher runs/rft --problems gsm8k:train "
        "--output runs/distilled --gin.policy.preset=distillation",
    ),
    add_flags=_policy_flags,
    run=_policy,
    settings={
        "policy": "rft_jax.policy.settings:PolicySettings",
        "train": "rft_jax.policy.shared_settings:UpdateSettings",
        "sample": "rft_jax.policy.shared_settings:RolloutSettings",
        **MESH,
    },
    defaults=lengths("train.max_length", "sample.max_new_tokens"),
    next=(
        "rft evaluate --model {output} --problems P --output EVALUATION",
        "rft report {output} --output REPORT",
    ),
)
