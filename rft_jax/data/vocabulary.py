"""Tokenizers of model folders as seqio vocabularies; errors raised inside TensorFlow datasets."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import rft_jax.data.quiet_tensorflow  # noqa: F401  (before TensorFlow)

# isort: split
import numpy as np
import seqio
import tensorflow as tf

from rft_jax.errors import UserError
from rft_jax.tokenizers import Tokenizer, load_tokenizer

mistakes: list[UserError] = []
"""Those noted; TensorFlow raises an error of its own in their place, with their text in it."""


@contextmanager
def noting() -> Iterator[None]:
    """Keeps a UserError that ends the block, which runs inside TensorFlow."""
    try:
        yield
    except UserError as error:
        mistakes.append(error)
        raise


class TokenizerVocabulary(seqio.Vocabulary):
    """The tokenizer of a model folder as a seqio vocabulary; loaded when first used."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the folder."""
        return load_tokenizer(self.folder)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "tokenizer"}

    @property
    def bos_id(self) -> int | None:
        return self.tokenizer.bos_id

    @property
    def eos_id(self) -> int:
        return self.tokenizer.eos_id

    @property
    def unk_id(self) -> None:
        return None

    @property
    def _base_vocab_size(self) -> int:
        return self.tokenizer.vocab_size

    def _encode(self, s: str) -> list[int]:
        ids = self.tokenizer.encode(s)
        if 0 in ids:
            raise UserError(
                f"{self.folder}: the text {s!r:.60} contains token 0, which seqio uses for "
                "padding; train from the JSONL file instead of a task"
            )
        return ids

    def _decode(self, ids: Iterable[int]) -> str:
        return self.tokenizer.decode(list(ids))

    def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
        def encode(text: bytes | np.ndarray) -> np.ndarray:
            data = text.item() if isinstance(text, np.ndarray) else text  # eagerly, in a graph
            with noting():
                return np.asarray(self._encode(data.decode("utf-8")), np.int32)

        ids = tf.numpy_function(encode, [tf.convert_to_tensor(s)], tf.int32)
        ids.set_shape([None])
        return ids

    def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
        def decode(numbers: np.ndarray) -> bytes:
            return self._decode(numbers.tolist()).encode("utf-8")

        return tf.numpy_function(decode, [ids], tf.string)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenizerVocabulary) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)
