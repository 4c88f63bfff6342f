"""One protocol over Hugging Face's `tokenizer.json` and SentencePiece's `tokenizer.model`.

The rules, which are the same for both kinds:

- `encode` adds no token of its own. A text is `[bos_id]` (when there is one), then its tokens.
- BOS: what Hugging Face's tokenizer puts in front of a text. `tokenizer.json` says it in its
  post-processor; for `tokenizer.model` it is LLaMA's rule (yes, unless `add_bos_token` is false). A
  model that owns a BOS token but does not start texts with it (SmolLM2) has `bos_id` None.
- EOS: `eos_id`, which ends what we train on, is `eos_token` of `tokenizer_config.json`; without
  one, the first `eos_token_id` of `generation_config.json`, then of `config.json`. `eos_ids`, which
  end a generation, are that one and all that `generation_config.json` (without one, `config.json`)
  lists: LLaMA 3 has three.
- Pad: the declared pad token, unless it ends texts too (many declare EOS as pad); then the unknown
  token, then the first id that is neither BOS nor EOS. It only fills: weights and segment ids say
  what counts, never the id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rft_jax.errors import UserError
from rft_jax.files.jsonl import atomic_write

TOKENIZER_JSON = "tokenizer.json"
SENTENCEPIECE_MODEL = "tokenizer.model"
GENERATION_CONFIG = "generation_config.json"
SIDE_FILES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    GENERATION_CONFIG,
)
_CONVERT = (
    f"write a {TOKENIZER_JSON} with transformers: "
    "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
)


class Tokenizer(Protocol):
    """Text to ids and back; the ids that mean something besides text."""

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""

    @property
    def pad_id(self) -> int:
        """Fills the places that count for nothing; never one of `eos_ids`."""

    @property
    def bos_id(self) -> int | None:
        """Stands before every text, or None where the model has no such habit."""

    @property
    def eos_id(self) -> int:
        """Ends every response we train on."""

    @property
    def eos_ids(self) -> frozenset[int]:
        """Each of these ends a generation; `eos_id` is one of them."""

    @property
    def fingerprint(self) -> str:
        """Equal for tokenizers that make the same ids of every text (SHA-256, hex)."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text, neither BOS nor EOS added."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, on all cores where the library can."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special tokens and ids outside the vocabulary leave nothing."""

    def save(self, folder: str | Path) -> None:
        """Writes the files it was loaded from, byte for byte."""


@dataclass(frozen=True)
class SpecialIds:
    """What `load_tokenizer` found out about a folder's special tokens."""

    bos_id: int | None
    eos_id: int
    eos_ids: frozenset[int]
    pad_id: int


@dataclass(frozen=True)
class _Loaded:
    """What both kinds share: the special ids and the files, kept to be written again."""

    special: SpecialIds
    files: Mapping[str, bytes]

    @property
    def pad_id(self) -> int:
        return self.special.pad_id

    @property
    def bos_id(self) -> int | None:
        return self.special.bos_id

    @property
    def eos_id(self) -> int:
        return self.special.eos_id

    @property
    def eos_ids(self) -> frozenset[int]:
        return self.special.eos_ids

    @property
    def fingerprint(self) -> str:
        main = self.files.get(TOKENIZER_JSON) or self.files[SENTENCEPIECE_MODEL]
        ids = json.dumps([self.bos_id, self.eos_id, self.pad_id]).encode()
        return hashlib.sha256(hashlib.sha256(main).digest() + ids).hexdigest()

    def save(self, folder: str | Path) -> None:
        """Writes the files byte for byte, and `generation_config.json` if there was none.

        Without that one a copy would not know an EOS that only the model's `config.json` had named.
        """
        files = dict(self.files)
        if GENERATION_CONFIG not in files:
            files[GENERATION_CONFIG] = _generation_config(self.special)
        for name, content in files.items():
            with atomic_write(Path(folder) / name, "wb") as file:
                file.write(content)


@dataclass(frozen=True)
class HuggingFaceTokenizer(_Loaded):
    """A `tokenizer.json`, by the `tokenizers` library; a special token in a text is read as one."""

    backend: Any

    @property
    def vocab_size(self) -> int:
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, text: str) -> list[int]:
        return self.backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self.backend.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        return self.backend.decode([int(i) for i in ids], skip_special_tokens=True)


@dataclass(frozen=True)
class SentencePieceTokenizer(_Loaded):
    """A `tokenizer.model`, by the `sentencepiece` library. A text cannot contain special tokens."""

    backend: Any

    @property
    def vocab_size(self) -> int:
        return max(self.backend.get_piece_size(), self.pad_id + 1)

    def encode(self, text: str) -> list[int]:
        return self.backend.encode(text)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return self.backend.encode(list(texts))

    def decode(self, ids: Sequence[int]) -> str:
        backend, size = self.backend, self.backend.get_piece_size()
        kept = [int(i) for i in ids if 0 <= i < size and not backend.is_control(int(i))]
        return backend.decode([i for i in kept if not backend.is_unknown(i)])


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer of a model folder.

    Raises:
      UserError: there is no tokenizer in it, or it can't be read, or no token ends a text.
    """
    folder = Path(folder)
    names = (TOKENIZER_JSON, SENTENCEPIECE_MODEL, *SIDE_FILES)
    files = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    if TOKENIZER_JSON in files:
        return _load_huggingface(folder, files)
    if SENTENCEPIECE_MODEL in files:
        return _load_sentencepiece(folder, files)
    raise UserError(
        f"{folder}: no tokenizer ({TOKENIZER_JSON} or {SENTENCEPIECE_MODEL}) in it; copy the "
        f"tokenizer of this model there, or {_CONVERT}"
    )


def _load_huggingface(folder: Path, files: Mapping[str, bytes]) -> Tokenizer:
    import tokenizers

    path = folder / TOKENIZER_JSON
    try:
        backend = tokenizers.Tokenizer.from_buffer(files[TOKENIZER_JSON])
    except ValueError as error:
        raise UserError(f"{path}: not a tokenizer that can be read ({error})") from error
    backend.no_truncation()
    backend.no_padding()
    vocab_size = max(backend.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    names = _special_names(folder, files)
    first = backend.encode("a", add_special_tokens=True).ids[:1]
    bos = backend.token_to_id(names["bos"]) if "bos" in names else None
    bos_id = bos if bos is not None and first == [bos] else None
    found = {role: backend.token_to_id(name) for role, name in names.items()}
    special = _special_ids(folder, files, found, bos_id, vocab_size)
    return HuggingFaceTokenizer(special, files, backend)


def _load_sentencepiece(folder: Path, files: Mapping[str, bytes]) -> Tokenizer:
    import sentencepiece

    path = folder / SENTENCEPIECE_MODEL
    try:
        backend = sentencepiece.SentencePieceProcessor(model_proto=files[SENTENCEPIECE_MODEL])
    except RuntimeError as error:
        raise UserError(f"{path}: not a SentencePiece model that can be read ({error})") from error
    config = _read_config(folder, files, "tokenizer_config.json")
    names = _special_names(folder, files)
    size = backend.get_piece_size()
    added = {
        name: number for name, number in _added_tokens(folder, files).items() if number >= size
    }
    foreign = sorted(added.keys() - {names.get("pad")})
    if foreign:
        raise UserError(
            f"{folder}: {foreign[0]!r} was added to the vocabulary, but {SENTENCEPIECE_MODEL} does "
            f"not know it; {_CONVERT}"
        )
    pieces = {backend.id_to_piece(i): i for i in range(size)} | added
    own = {"eos": backend.eos_id(), "pad": backend.pad_id(), "unk": backend.unk_id()}
    found = {role: number for role, number in own.items() if number >= 0}
    found |= {role: pieces[name] for role, name in names.items() if name in pieces}
    bos = found.get("bos", backend.bos_id())
    bos_id = bos if config.get("add_bos_token", True) and bos >= 0 else None
    special = _special_ids(folder, files, found, bos_id, max(size, *added.values(), 0))
    return SentencePieceTokenizer(special, files, backend)


def _special_ids(
    folder: Path,
    files: Mapping[str, bytes],
    found: Mapping[str, int | None],
    bos_id: int | None,
    vocab_size: int,
) -> SpecialIds:
    """Settles EOS and pad by the rules at the top of this file."""
    listed = _listed_eos_ids(folder, files)
    eos_id = found.get("eos")
    if eos_id is None:
        if not listed:
            raise UserError(
                f"{folder}: nothing says which token ends a text; name it as eos_token in "
                "tokenizer_config.json"
            )
        eos_id = listed[0]
    eos_ids = frozenset([eos_id, *listed])
    taken = eos_ids | {bos_id}
    candidates: Iterable[int | None] = (found.get("pad"), found.get("unk"), *range(len(taken) + 1))
    pad_id = next(i for i in candidates if i is not None and i not in taken)
    if max(eos_ids) >= vocab_size:
        raise UserError(
            f"{folder}: eos_token_id {max(eos_ids)} is outside the vocabulary of {vocab_size} "
            f"tokens; mend {GENERATION_CONFIG} or config.json, or take the model's own tokenizer"
        )
    return SpecialIds(bos_id=bos_id, eos_id=eos_id, eos_ids=eos_ids, pad_id=pad_id)


def _listed_eos_ids(folder: Path, files: Mapping[str, bytes]) -> list[int]:
    """`eos_token_id` (a number or a list) of generation_config.json; else of config.json."""
    config = dict(files)
    if (folder / "config.json").is_file():
        config["config.json"] = (folder / "config.json").read_bytes()
    for name in (GENERATION_CONFIG, "config.json"):
        value = _read_config(folder, config, name).get("eos_token_id")
        numbers: list[Any] = value if isinstance(value, list) else [value]
        if value is not None and numbers:
            if not all(isinstance(number, int) for number in numbers):
                raise UserError(f"{folder / name}: eos_token_id {value!r} is no token id")
            return numbers
    return []


def _special_names(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """The tokens that the folder's JSON files name as bos, eos, pad, unk."""
    names: dict[str, str] = {}
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        config = _read_config(folder, files, file)
        for role in ("bos", "eos", "pad", "unk"):
            value = config.get(f"{role}_token")
            value = value.get("content") if isinstance(value, dict) else value
            if isinstance(value, str) and value:
                names[role] = value
    return names


def _added_tokens(folder: Path, files: Mapping[str, bytes]) -> dict[str, int]:
    """Tokens that a folder adds to its SentencePiece model, with their ids."""
    added = _read_config(folder, files, "added_tokens.json")
    listed = _read_config(folder, files, "tokenizer_config.json").get("added_tokens_decoder", {})
    return {**added, **{entry["content"]: int(number) for number, entry in listed.items()}}


def _read_config(folder: Path, files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """A JSON object of the folder; an empty one if the file isn't there."""
    try:
        content = json.loads(files.get(name, b"{}"))
    except ValueError as error:
        raise UserError(f"{folder / name}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{folder / name}: a JSON object is needed")
    return content


def _generation_config(special: SpecialIds) -> bytes:
    eos = sorted(special.eos_ids)
    content = {"eos_token_id": eos[0] if len(eos) == 1 else eos, "pad_token_id": special.pad_id}
    if special.bos_id is not None:
        content["bos_token_id"] = special.bos_id
    return (json.dumps(content, indent=2) + "\n").encode()
