"""The interface of tokenizers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

_SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for lone surrogates: JSON can write them, no tokenizer reads them."""
    return _SURROGATE.sub("\ufffd", text)


class Tokenizer(Protocol):
    """Text to ids and back; the ids of special tokens."""

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""

    @property
    def pad_id(self) -> int:
        """Padding, which counts for nothing; never one of `eos_ids`."""

    @property
    def bos_id(self) -> int | None:
        """The token before every text, or None if the tokenizer adds none."""

    @property
    def eos_id(self) -> int:
        """The end of every response in training."""

    @property
    def eos_ids(self) -> frozenset[int]:
        """Each of these ends a generation; `eos_id` is one of them."""

    @property
    def config_ids(self) -> Mapping[str, Any]:
        """`bos_token_id`, `eos_token_id` and `pad_token_id` for a model's `config.json`.

        The padding is None where the folder declares none: an ordinary token in its place would
        get no gradient in transformers.
        """

    @property
    def fingerprint(self) -> str:
        """Equal for tokenizers that make the same ids of every text (SHA-256, hex)."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text after BOS; neither BOS nor EOS is added."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, on all cores where the library can."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens, ids outside the vocabulary, and a last EOS."""

    def save(self, folder: str | Path) -> None:
        """Writes the files it was loaded from; `generation_config.json` with all of `eos_ids`."""
