"""The interface of tokenizers, and what both kinds have in common."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import atomic_write
from rft_jax.tokenizers.files import (
    GENERATION_CONFIG,
    SENTENCEPIECE_MODEL,
    TOKENIZER_JSON,
    TokenizerFiles,
)
from rft_jax.tokenizers.special import SpecialIds


@dataclass(frozen=True)
class Tokenizer(SpecialIds, ABC):
    """Text to ids and back; the ids of special tokens.

    Attributes:
      files: of the folder, for a copy.
      backend: the library's tokenizer.
    """

    files: TokenizerFiles
    backend: Any

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """One more than the largest id."""

    @property
    @abstractmethod
    def bos(self) -> str:
        """The text of BOS; '' if none stands before texts."""

    @property
    @abstractmethod
    def special_tokens(self) -> dict[str, int]:
        """Ids of the tokens that `decode` leaves out, by their names."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of a text after BOS, which it may begin with; neither BOS nor EOS is added."""

    @abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, on all cores where the library can."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens, ids outside the vocabulary, and a last EOS."""

    @property
    def fingerprint(self) -> str:
        """Equal for tokenizers that make the same ids of every text (SHA-256, hex)."""
        content = self.files.content
        main = content.get(TOKENIZER_JSON) or content[SENTENCEPIECE_MODEL]
        ids = json.dumps([self.bos_id, self.eos_id, self.pad_id]).encode()
        return hashlib.sha256(hashlib.sha256(main).digest() + ids).hexdigest()

    def save(self, folder: str | Path) -> None:
        """Writes the files byte for byte, but `generation_config.json` with all of `eos_ids`."""
        generation = {GENERATION_CONFIG: self.generation_config(self.files)}
        for name, content in {**self.files.content, **generation}.items():
            with atomic_write(Path(folder) / name, "wb") as file:
                file.write(content)

    def _after_bos(self, ids: list[int]) -> list[int]:
        return ids[1:] if ids and ids[0] == self.bos_id else ids

    def _before_eos(self, ids: Sequence[int]) -> list[int]:
        numbers = list(map(int, ids))
        return numbers[:-1] if numbers and numbers[-1] in self.eos_ids else numbers
