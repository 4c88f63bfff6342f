"""Where a model's config.json and tokenizer are: in its folder, or beside a training's steps."""

from __future__ import annotations

from pathlib import Path

from rft_jax.checkpoints.huggingface_config import CONFIG_JSON
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_object
from rft_jax.files.outputs import SETTINGS

DESCRIPTION = "model"
"""Folder beside the steps of a training, with what every step needs to be a model."""


def find_description(folder: Path) -> tuple[Path, int | None]:
    """The folder of a model's config.json and tokenizer, and the step that `folder` names."""
    candidates: dict[Path, int | None] = {folder: None, folder / DESCRIPTION: None}
    if folder.name.isdecimal():
        candidates[folder.parent / DESCRIPTION] = int(folder.name)
    for candidate, step in candidates.items():
        if (candidate / CONFIG_JSON).is_file():
            return candidate, step
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise UserError(f"{folder}: {what}; a model is a folder with {CONFIG_JSON}")
    raise UserError(f"{folder}: no {CONFIG_JSON} in it; {_instead_of(folder)}")


def _instead_of(folder: Path) -> str:
    """What to name in the place of a folder that is not a model."""
    for run in (folder, folder.parent, folder.parent.parent):
        made_with = read_object(run / SETTINGS) if (run / SETTINGS).is_file() else {}
        if made_with.get("lora_rank") or made_with.get("train.lora_rank"):
            return (
                "a LoRA training saves adapters alone, without the weights that they change; "
                f"finish it (run it again) and name {run}, which has them merged"
            )
        if made_with.get("command") in ("train", "policy"):
            return "its training is not finished; run it again, or name its checkpoints folder"
    return "a model is a Hugging Face folder or the output of rft train"
