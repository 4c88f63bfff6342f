"""The tokenizer's files in a model folder, and what the JSON ones say of special tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError

TOKENIZER_JSON = "tokenizer.json"
SENTENCEPIECE_MODEL = "tokenizer.model"
TOKENIZER_CONFIG = "tokenizer_config.json"
GENERATION_CONFIG = "generation_config.json"
MODEL_CONFIG = "config.json"
_ADDED_TOKENS = "added_tokens.json"
_SPECIAL_TOKENS = "special_tokens_map.json"
_SAVED = (
    TOKENIZER_JSON,
    SENTENCEPIECE_MODEL,
    TOKENIZER_CONFIG,
    _SPECIAL_TOKENS,
    _ADDED_TOKENS,
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    GENERATION_CONFIG,
)
CONVERT = (
    f"write a {TOKENIZER_JSON} with transformers: "
    "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
)


@dataclass(frozen=True)
class TokenizerFiles:
    """A folder's files about its tokenizer.

    Attributes:
      folder: of the files.
      content: the files that a copy of the tokenizer needs, by name.
      model_config: `config.json`, which is not copied.
    """

    folder: Path
    content: Mapping[str, bytes]
    model_config: bytes

    @staticmethod
    def of(folder: str | Path) -> TokenizerFiles:
        """The files that a folder has."""
        paths = [
            path for name in (*_SAVED, MODEL_CONFIG) if (path := Path(folder) / name).is_file()
        ]
        content = {path.name: path.read_bytes() for path in paths}
        return TokenizerFiles(Path(folder), content, content.pop(MODEL_CONFIG, b"{}"))

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object of the folder; an empty one if the file isn't there."""
        content = self.model_config if name == MODEL_CONFIG else self.content.get(name, b"{}")
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.folder / name}: not JSON ({error})") from error
        if not isinstance(value, dict):
            raise UserError(f"{self.folder / name}: a JSON object is needed")
        return value

    @property
    def special_names(self) -> dict[str, str]:
        """The tokens that are declared as bos, eos, pad, unk."""
        names: dict[str, str] = {}
        for file in (_SPECIAL_TOKENS, TOKENIZER_CONFIG):
            config = self.json(file)
            for role in ("bos", "eos", "pad", "unk"):
                value = config.get(f"{role}_token")
                value = value.get("content") if isinstance(value, dict) else value
                if isinstance(value, str) and value:
                    names[role] = value
        return names

    @property
    def listed_eos_ids(self) -> list[int]:
        """`eos_token_id` (a number or a list) of generation_config.json; else of config.json."""
        for name in (GENERATION_CONFIG, MODEL_CONFIG):
            value = self.json(name).get("eos_token_id")
            numbers: list[Any] = value if isinstance(value, list) else [value]
            if value is not None and numbers:
                if not all(type(number) is int for number in numbers):
                    raise UserError(
                        f"{self.folder / name}: eos_token_id {value!r} is not a token id"
                    )
                return numbers
        return []

    @property
    def added_tokens(self) -> dict[str, int]:
        """Tokens that the JSON files add to the vocabulary, with their ids."""
        added = self.json(_ADDED_TOKENS)
        listed = self.json(TOKENIZER_CONFIG).get("added_tokens_decoder", {})
        try:
            tokens = {**added, **{entry["content"]: number for number, entry in listed.items()}}
            return {_text(name): int(number) for name, number in tokens.items()}
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.folder}: {_ADDED_TOKENS} or {TOKENIZER_CONFIG}'s added_tokens_decoder does "
                f"not list tokens with their ids; copy the tokenizer again, or {CONVERT}"
            ) from error

    def refuse_unknown(self, unknown: set[str], tokenizer_file: str) -> None:
        """Refuses added tokens that the tokenizer's own file lacks; a pad token may be one.

        Raises:
          UserError: there is one; names it and the fix.
        """
        others = sorted(unknown - {self.special_names.get("pad")})
        if others:
            raise UserError(
                f"{self.folder}: {others[0]!r} was added to the vocabulary, but {tokenizer_file} "
                f"does not know it; {CONVERT}"
            )


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is not a text")
    return name
