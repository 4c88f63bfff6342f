"""Names of models and tokenizers that come with the package, and their folders."""

from __future__ import annotations

from pathlib import Path

from rft_jax.checkpoints import hub
from rft_jax.files.links import followed, table_of
from rft_jax.files.remote import fetched

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDER = _PACKAGE / "wordproblems"
EMBEDDED, MIXED, LARGE = "wordproblems:model", "wordproblems:mixed", "wordproblems:large"
MODELS = {EMBEDDED: _FOLDER / "model", MIXED: _FOLDER / "mixed", LARGE: _FOLDER / "large"}
"""The small pretrained models: of texts, of texts and programs, and a wider one of texts."""
TOKENIZER, MIXED_TOKENIZER = "wordproblems:tokenizer", "wordproblems:mixed-tokenizer"
DIGIT_TOKENIZER = "arithmetic:tokenizer"
TOKENIZERS = {
    TOKENIZER: _FOLDER / "tokenizer",
    MIXED_TOKENIZER: _FOLDER / "mixed_tokenizer",
    DIGIT_TOKENIZER: _PACKAGE / "arithmetic" / "tokenizer",
}


def model_folder(name: str) -> str:
    """The folder that `--model` names: a path, a URL, a Hub name, or one of the package.

    Raises:
      UserError: the Hub has no such model.
    """
    if name in MODELS:
        return str(MODELS[name])
    if hub.is_hub_name(name):
        return hub.download(name)
    folder = fetched(name)
    return folder if Path(folder).exists() else followed(folder, table_of(folder)) or folder


def tokenizer_folder(name: str) -> str:
    """The folder that `train.tokenizer` names: a path, or a tokenizer of the package."""
    return str(TOKENIZERS.get(name, name))
