"""The two kinds of tokenizer, loaded from a model folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.surrogates import replace_surrogates
from rft_jax.tokenizers.base import Tokenizer
from rft_jax.tokenizers.files import (
    CONVERT,
    SENTENCEPIECE_MODEL,
    TOKENIZER_CONFIG,
    TOKENIZER_JSON,
    TokenizerFiles,
)
from rft_jax.tokenizers.special import settle_special_ids


@dataclass(frozen=True)
class HuggingFaceTokenizer(Tokenizer):
    """A `tokenizer.json`, by the `tokenizers` library; a special token in a text is read as one."""

    @property
    def vocab_size(self) -> int:
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1

    @property
    def bos(self) -> str:
        return "" if self.bos_id is None else self.backend.id_to_token(self.bos_id) or ""

    @property
    def special_tokens(self) -> dict[str, int]:
        added = self.backend.get_added_tokens_decoder()
        return {token.content: number for number, token in added.items() if token.special}

    def encode(self, text: str) -> list[int]:
        text = replace_surrogates(text)
        with _naming(self.files, "encode a text"):
            return self._after_bos(self.backend.encode(text, add_special_tokens=False).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        clean = list(map(replace_surrogates, texts))
        with _naming(self.files, "encode a text"):
            encodings = self.backend.encode_batch(clean, add_special_tokens=False)
        return [self._after_bos(encoding.ids) for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        with _naming(self.files, "decode tokens"):
            return self.backend.decode(self._before_eos(ids), skip_special_tokens=True)


@dataclass(frozen=True)
class SentencePieceTokenizer(Tokenizer):
    """A `tokenizer.model`, by the `sentencepiece` library.

    A text cannot contain special tokens, but for the BOS that a template begins with.
    """

    @property
    def vocab_size(self) -> int:
        return max(self.backend.get_piece_size(), self.pad_id + 1)

    @property
    def bos(self) -> str:
        has_piece = self.bos_id is not None and self.bos_id < self.backend.get_piece_size()
        return self.backend.id_to_piece(self.bos_id) if has_piece else ""

    @property
    def special_tokens(self) -> dict[str, int]:
        pieces = range(self.backend.get_piece_size())
        return {self.backend.id_to_piece(i): i for i in pieces if self._is_special(i)}

    def _is_special(self, piece: int) -> bool:
        return self.backend.is_control(piece) or self.backend.is_unknown(piece)

    def encode(self, text: str) -> list[int]:
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        bos = self.bos
        return self.backend.encode([replace_surrogates(text).removeprefix(bos) for text in texts])

    def decode(self, ids: Sequence[int]) -> str:
        size = self.backend.get_piece_size()
        pieces = [i for i in self._before_eos(ids) if 0 <= i < size]
        return self.backend.decode([i for i in pieces if not self._is_special(i)])


def load_tokenizer(folder: str | Path, num_rows: int | None = None) -> Tokenizer:
    """The tokenizer of a model folder.

    Args:
      num_rows: rows of the model's embedding, which every token but the padding needs one of; None
        for a tokenizer without a model.

    Raises:
      UserError: there is no tokenizer in it, it can't be read, no token ends a text, or tokens have
        no row.
    """
    files = TokenizerFiles.of(folder)
    if TOKENIZER_JSON in files.content:
        return _load_huggingface(files, num_rows)
    if SENTENCEPIECE_MODEL in files.content:
        return _load_sentencepiece(files, num_rows)
    raise UserError(
        f"{folder}: no tokenizer ({TOKENIZER_JSON} or {SENTENCEPIECE_MODEL}) in it; copy the "
        f"tokenizer of this model there, or {CONVERT}"
    )


def _load_huggingface(files: TokenizerFiles, num_rows: int | None) -> Tokenizer:
    backend = _parse(files.content[TOKENIZER_JSON], files)
    vocabulary = backend.get_vocab(with_added_tokens=True)
    if _lacks_padding_row(vocabulary, num_rows, files):
        backend = _without_padding(files)
    files.refuse_unknown(files.added_tokens.keys() - vocabulary.keys(), TOKENIZER_JSON)
    with _naming(files, "encode a text"):
        before = _before_every_text(backend)
    if len(before) > 1:
        raise UserError(
            f"{files.folder / TOKENIZER_JSON}: the post-processor puts {len(before)} tokens in "
            "front of a text; at most one, BOS, is supported"
        )
    bos_id = before[0] if before else None
    num_ids = num_rows or max(vocabulary.values(), default=-1) + 1
    special = settle_special_ids(files, backend.token_to_id, {}, bos_id, num_ids)
    return HuggingFaceTokenizer(**vars(special), files=files, backend=backend)


def _parse(content: bytes, files: TokenizerFiles) -> Any:
    import tokenizers

    try:
        backend = tokenizers.Tokenizer.from_buffer(content)
    except BaseException as error:
        if not _is_of_library(error):
            raise
        raise UserError(
            f"{files.folder / TOKENIZER_JSON}: not a tokenizer that can be read ({error})"
        ) from error
    backend.no_truncation()
    backend.no_padding()
    return backend


def _is_of_library(error: BaseException) -> bool:
    """Whether the `tokenizers` library refused a file or a text: by these kinds, or by a panic.

    A panic of its Rust code is a BaseException whose type no module exports.
    """
    return type(error) in (Exception, ValueError) or type(error).__name__ == "PanicException"


@contextmanager
def _naming(files: TokenizerFiles, what: str) -> Iterator[None]:
    """Within the block, what the library raises for a text names the tokenizer.

    Args:
      what: is done in the block, for the message.

    Raises:
      UserError: it can't be done, as where the unknown token is not in the vocabulary.
    """
    try:
        yield
    except BaseException as error:
        if not _is_of_library(error):
            raise
        raise UserError(
            f"{files.folder / TOKENIZER_JSON}: can't {what} ({error}); take another copy of the "
            f"tokenizer, or {CONVERT}"
        ) from error


def _before_every_text(backend: Any) -> list[int]:
    """The ids that the post-processor puts in front of a text."""
    encoding = backend.encode("a", add_special_tokens=True)
    return encoding.ids[: sum(takewhile(bool, encoding.special_tokens_mask))]


def _lacks_padding_row(
    vocabulary: Mapping[str, int], num_rows: int | None, files: TokenizerFiles
) -> bool:
    """Whether the pad token, which fine-tunings often add, has no row in the embedding.

    Raises:
      UserError: another token has none.
    """
    beyond = {} if num_rows is None else {n: i for n, i in vocabulary.items() if i >= num_rows}
    others = beyond.keys() - {files.special_names.get("pad")}
    if others:
        first = min(others, key=beyond.__getitem__)
        raise UserError(
            f"{files.folder}: {len(others)} tokens of the tokenizer, the first {first!r} "
            f"({beyond[first]}), have no row in the model's embedding of {num_rows}; take the "
            f"model's own tokenizer, remove them from {TOKENIZER_JSON}, or add rows with "
            f"transformers: model.resize_token_embeddings({max(beyond.values()) + 1})"
        )
    return bool(beyond)


def _without_padding(files: TokenizerFiles) -> Any:
    """The tokenizer without its pad token, whose text is then read like any other."""
    content, pad = json.loads(files.content[TOKENIZER_JSON]), files.special_names["pad"]
    content["added_tokens"] = [t for t in content.get("added_tokens") or () if t["content"] != pad]
    return _parse(json.dumps(content).encode(), files)


def _load_sentencepiece(files: TokenizerFiles, num_rows: int | None) -> Tokenizer:
    import sentencepiece

    try:
        backend = sentencepiece.SentencePieceProcessor(
            model_proto=files.content[SENTENCEPIECE_MODEL]
        )
    except RuntimeError as error:
        raise UserError(
            f"{files.folder / SENTENCEPIECE_MODEL}: not a SentencePiece model that can be read "
            f"({error})"
        ) from error
    size = backend.get_piece_size()
    pieces = {backend.id_to_piece(i): i for i in range(size)}
    added = {name: number for name, number in files.added_tokens.items() if number >= size}
    files.refuse_unknown(set(added), SENTENCEPIECE_MODEL)
    if not _lacks_padding_row(pieces | added, num_rows, files):
        pieces |= added
    ids = {"bos": backend.bos_id(), "eos": backend.eos_id(), "pad": backend.pad_id()}
    own = {
        role: number for role, number in (ids | {"unk": backend.unk_id()}).items() if number >= 0
    }
    bos = pieces.get(files.special_names.get("bos", ""), own.get("bos"))
    bos_id = bos if files.json(TOKENIZER_CONFIG).get("add_bos_token", True) else None
    num_ids = num_rows or max(pieces.values()) + 1
    special = settle_special_ids(files, pieces.get, own, bos_id, num_ids)
    return SentencePieceTokenizer(**vars(special), files=files, backend=backend)
