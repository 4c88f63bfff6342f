"""The vocabulary of the second embedded model, which writes solutions as text and as programs.

It begins with the first model's vocabulary, so that token ids of text are the same for both. What
is added are the tokens of programs (an identifier is its first word, then `_word` by `_word`), of
the request for a program, and of questions for a name.
"""

from __future__ import annotations

import re
from pathlib import Path

from rft_jax.wordproblems import vocabulary as first
from rft_jax.wordproblems.cast import COLOURS, NAMES, NOUNS

TOKENIZER_FOLDER = Path(__file__).parent / "mixed_tokenizer"
PATTERN = first.PATTERN.replace(
    "| ?[A-Za-z]+", "| [-+*/%=<>]+ | (?:if|else) |_[a-z]+| ?[A-Za-z]+", 1
)
"""A token, as a regular expression; the leftmost alternative first."""

_SIGNS = (" = ", " + ", " - ", " * ", " // ", " > ", " < ", " if ", " else ", "_", '"', "'")
_WORDS = ("Let", "s", " Let", " Who", " program", " write", "print")
# Words of variables besides names, nouns and colours: first ones, and later ones.
_STARTS = (
    "all", "away", "bags", "box", "cost", "day", "days", "difference", "dollars", "friend",
    "friends", "gift", "gifts", "leaves", "miles", "new", "one", "pages", "part", "pays", "rest",
    "things", "together", "total",
)  # fmt: skip
_LATER = (
    "add", "all", "buys", "cost", "costs", "days", "dollars", "hold", "left", "miles", "more",
    "ones", "pages", "part", "pays", "price", "spend", "starts", "things", "together",
)  # fmt: skip

_TOKEN = re.compile(PATTERN)


def vocabulary() -> tuple[str, ...]:
    """All tokens; a token's index is its id. The first model's come first."""
    cast = (*(name.lower() for name in NAMES), *NOUNS, *COLOURS)
    starts = sorted({*cast, *_STARTS})
    later = sorted({*cast, *_LATER})
    added = (*_SIGNS, *_WORDS, *starts, *(f"_{word}" for word in later))
    return (*first.vocabulary(), *added)


def split_tokens(text: str) -> list[str]:
    """The text's tokens, as the tokenizer splits it."""
    return _TOKEN.findall(text)


def count_tokens(query: str, response: str) -> int:
    """The number of tokens of a training row, including its EOS."""
    return len(split_tokens(query)) + len(split_tokens(response)) + 1


def build_tokenizer(folder: str | Path) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json`, as Hugging Face reads them."""
    first.build_tokenizer(folder, vocabulary(), PATTERN, model_max_length=512)
