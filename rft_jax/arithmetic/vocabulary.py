"""The vocabulary of arithmetic: every digit, sign and bracket is a token of its own."""

from __future__ import annotations

from pathlib import Path

from rft_jax.tokenizers.word_level import SPECIAL, build_word_level

TOKENIZER_FOLDER = Path(__file__).parent / "tokenizer"
CHARACTERS = "0123456789.%+-*/=()[]{},<x \n"
"""Of all formats; `x`, space and newline for equations in texts of others."""
_PATTERN = r"[\s\S]"


def vocabulary() -> tuple[str, ...]:
    """All tokens; a token's index is its id. 0 is padding, 1 ends a text."""
    return (*SPECIAL, *CHARACTERS)


def build_tokenizer(folder: str | Path) -> None:
    """Writes the tokenizer's files, as Hugging Face reads them."""
    build_word_level(folder, vocabulary(), _PATTERN, model_max_length=512)
