"""Names of models and tokenizers that come with the package, and their folders."""

from __future__ import annotations

from pathlib import Path

from rft_jax.checkpoints import hub
from rft_jax.files.remote import fetched

EMBEDDED = "wordproblems:model"
EMBEDDED_FOLDER = Path(__file__).resolve().parents[1] / "wordproblems" / "model"
TOKENIZER = "wordproblems:tokenizer"
TOKENIZER_FOLDER = EMBEDDED_FOLDER.with_name("tokenizer")


def model_folder(name: str) -> str:
    """The folder that `--model` names: a path, a URL, a Hub name, or the package's small model."""
    if name == EMBEDDED:
        return str(EMBEDDED_FOLDER)
    return hub.download(name) if hub.is_hub_name(name) else fetched(name)


def tokenizer_folder(name: str) -> str:
    """The folder that `train.tokenizer` names: a path, or the package's own tokenizer."""
    return str(TOKENIZER_FOLDER) if name == TOKENIZER else name
