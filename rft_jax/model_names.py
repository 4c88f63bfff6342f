"""Names that stand for a model folder of the package."""

from __future__ import annotations

from pathlib import Path

EMBEDDED = "wordproblems:model"
EMBEDDED_FOLDER = Path(__file__).resolve().parent / "wordproblems" / "model"


def model_folder(name: str) -> str:
    """The folder that `--model` names: a path, or the small pretrained model of the package."""
    return str(EMBEDDED_FOLDER) if name == EMBEDDED else name
