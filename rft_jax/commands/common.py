"""What several commands have in common: help texts, settings and flags."""

from __future__ import annotations

import argparse

from rft_jax.arithmetic.splits import PROBLEM_SPLITS as ARITHMETIC_SPLITS
from rft_jax.commands.base import columns_flag, output_flag, rows_flag
from rft_jax.errors import UserError
from rft_jax.wordproblems.splits import PROBLEM_SPLITS

MODEL_HELP = (
    "a Hugging Face folder (LLaMA, Mistral, Qwen2/2.5/3, OLMo 2, Granite 3) or a name on the Hub, "
    "a folder that rft train wrote, a URL of a folder, or wordproblems:model, wordproblems:mixed "
    "or wordproblems:large (the small pretrained models of this package)"
)
PROBLEMS_HELP = (
    "a JSONL or Parquet file (or its URL), or gsm8k:train|test, "
    f"wordproblems:{'|'.join(PROBLEM_SPLITS)}, arithmetic:{'|'.join(ARITHMETIC_SPLITS)}"
)
SHAPED = "with a model that has its shape in config.json"
"""Why `llama` settings have no effect."""
MESH = {"mesh": "rft_jax.devices.mesh_settings:MeshSettings"}


def output_folder_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--output`, a folder."""
    text = "folder (or URL) to write; run the same command again to resume"
    output_flag(parser, "--output", "DIR", text, required=True)


def problems_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--problems` and `--columns`."""
    rows_flag(parser, "--problems", "P", PROBLEMS_HELP, required=True)
    columns_flag(parser)


def check_samples_format(flags: argparse.Namespace) -> None:
    """Refuses `--samples_format` without `--samples`."""
    if flags.samples_format and not flags.samples:
        raise UserError("--samples_format is for --samples; name some, or leave it out")
