"""Defaults of lengths for models that are too short for the usual ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json
from rft_jax.gin_settings import Config


def _of_flag(flags: argparse.Namespace, _config: Config) -> str:
    return flags.model or ""


def lengths(
    *settings: str, model: Callable[[argparse.Namespace, Config], str] = _of_flag
) -> Callable[[argparse.Namespace, Config], list[str]]:
    """A command's `defaults`: bindings of those lengths that its model has no room for.

    Args:
      settings: `train.max_length`, which becomes all of the model's positions, and
        `NAME.max_new_tokens`, which become half of them.
      model: names the model of a command line, given its flags and settings; by default --model.
    """

    def bind(flags: argparse.Namespace, config: Config) -> list[str]:
        name = model(flags, config)
        positions = _positions(name) if name else None
        if positions is None:
            return []
        return [f"{one}={fit}" for one in settings if (fit := _fitting(one, positions))]

    return bind


def _fitting(setting: str, positions: int) -> int:
    """The setting's value for a model with so many positions; 0 for its own default."""
    from rft_jax.sampling.settings import DecodingSettings
    from rft_jax.training.settings import TrainSettings

    if setting == "train.max_length":
        return positions if TrainSettings.max_length > positions else 0
    leaves_a_prompt = DecodingSettings.max_new_tokens + 2 <= positions
    return 0 if leaves_a_prompt else positions // 2


def _positions(model: str) -> int | None:
    """`max_position_embeddings` of a model on this machine; None where a command finds out."""
    from rft_jax.checkpoints.folders import find_description
    from rft_jax.checkpoints.names import MODELS

    try:
        folder, _ = find_description(Path(MODELS.get(model, model)))
        content = read_json(folder / "config.json")
    except UserError:
        return None
    found = content.get("max_position_embeddings") if isinstance(content, dict) else None
    return (
        found if isinstance(found, int) and found > 2 and not content.get("rope_scaling") else None
    )
