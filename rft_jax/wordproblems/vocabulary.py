"""The word-level vocabulary of the embedded data and the tokenizer that is built from it.

A token is a word with the space before it, a digit, or a sign. Every digit is a token of its own,
with or without a space before the number, so that numbers look the same in a question and in an
equation. A text is the plain concatenation of its tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rft_jax.tokenizers.word_level import SPECIAL, build_word_level
from rft_jax.wordproblems.cast import COLOURS, NAMES, NOUNS

TOKENIZER_FOLDER = Path(__file__).parent / "tokenizer"
PATTERN = r"\n#### | ?<<|>>| \$| ?[A-Za-z]+|\n|[^\n]"
"""A token, as a regular expression; the leftmost alternative first."""
SIGNS = (*"0123456789+-*/()=.,?", " ", "\n", " $", "\n#### ", "<<", " <<", ">>")

_TEXT_WORDS = (
    "A", "Each", "Half", "He", "How", "In", "Monday", "Now", "One", "She", "So", "Sunday", "That",
    "The", "Then", "There", "These", "Together", "a", "add", "all", "and", "are", "as", "away",
    "bag", "bags", "before", "box", "boxes", "but", "buys", "by", "cheaper", "collect",
    "collects", "comes", "cost", "costs", "day", "days", "difference", "do", "does", "each",
    "earns", "evening", "evenly", "fewer", "fifth", "finds", "for", "friend", "friends", "from",
    "get", "gets", "gift", "gifts", "give", "gives", "had", "half", "has", "have", "he", "hold",
    "in", "into", "is", "it", "leaves", "left", "loses", "makes", "many", "miles", "money",
    "more", "morning", "much", "new", "now", "of", "on", "one", "ones", "or", "pack", "packs",
    "pages", "part", "pay", "pays", "price", "quarter", "read", "reads", "rest", "run", "runs",
    "sell", "sells", "shared", "she", "spend", "splits", "starts", "take", "takes", "than",
    "that", "the", "them", "then", "these", "they", "things", "third", "this", "times", "to",
    "today", "together", "total", "twice", "walk", "walks", "wants", "with",
)  # fmt: skip
_FIRST_WORDS = ("Each", "In", "Now", "One", "So", "That", "The", "There", "These", "Together")

_TOKEN = re.compile(PATTERN)


def vocabulary() -> tuple[str, ...]:
    """All tokens; a token's index is its id. 0 is padding, 1 ends a text."""
    inside = sorted({*_TEXT_WORDS, *NAMES, *NOUNS, *COLOURS})
    first = sorted({*_FIRST_WORDS, *NAMES})
    return (*SPECIAL, *SIGNS, *(f" {word}" for word in inside), *first)


def split_tokens(text: str) -> list[str]:
    """The text's tokens, as the tokenizer splits it."""
    return _TOKEN.findall(text)


def count_tokens(query: str, response: str) -> int:
    """The number of tokens of a training row, including its EOS."""
    return len(split_tokens(query)) + len(split_tokens(response)) + 1


def build_tokenizer(
    folder: str | Path,
    tokens: Sequence[str] | None = None,
    pattern: str = PATTERN,
    model_max_length: int = 256,
) -> None:
    """Writes the tokenizer's files, as Hugging Face reads them.

    Args:
      folder: where they are written.
      tokens: the vocabulary; `vocabulary()` by default.
      pattern: a token, as a regular expression.
      model_max_length: for the tokenizer's configuration.
    """
    build_word_level(folder, tokens or vocabulary(), pattern, model_max_length)
