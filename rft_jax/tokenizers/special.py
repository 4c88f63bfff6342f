"""Which ids begin, end and fill texts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rft_jax.errors import UserError
from rft_jax.tokenizers.files import (
    GENERATION_CONFIG,
    MODEL_CONFIG,
    TOKENIZER_CONFIG,
    TokenizerFiles,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpecialIds:
    """A tokenizer's special ids.

    Attributes:
      bos_id: token before every text, or None.
      eos_id: end of the responses of training.
      eos_ids: tokens that each end a generation.
      pad_id: padding; none of those.
      declares_pad: whether the folder declares `pad_id` as its pad token.
    """

    bos_id: int | None
    eos_id: int
    eos_ids: frozenset[int]
    pad_id: int
    declares_pad: bool

    @property
    def config_ids(self) -> dict[str, Any]:
        """As `config.json` and `generation_config.json` name them; the trained EOS first.

        The padding is None where the folder declares none: an ordinary token in its place would
        get no gradient in transformers.
        """
        eos = [self.eos_id, *sorted(self.eos_ids - {self.eos_id})]
        return {
            "bos_token_id": self.bos_id,
            "eos_token_id": eos[0] if len(eos) == 1 else eos,
            "pad_token_id": self.pad_id if self.declares_pad else None,
        }

    def generation_config(self, files: TokenizerFiles) -> bytes:
        """`generation_config.json` as the folder has it, or with all of `eos_ids` if it lacks one.

        Without them another program would not stop where the model was trained to.
        """
        there = GENERATION_CONFIG in files.content
        if there and self.eos_ids <= set(files.listed_eos_ids):
            return files.content[GENERATION_CONFIG]
        ids = {name: value for name, value in self.config_ids.items() if value is not None}
        content = files.json(GENERATION_CONFIG)
        content |= {"eos_token_id": ids["eos_token_id"]} if there else ids
        return (json.dumps(content, indent=2) + "\n").encode()


def settle_special_ids(
    files: TokenizerFiles,
    find: Callable[[str], int | None],
    own: Mapping[str, int],
    bos_id: int | None,
    num_ids: int,
) -> SpecialIds:
    """EOS and padding by the rules of the package.

    Args:
      files: of the folder.
      find: returns a token's id, None if the tokenizer lacks it.
      own: ids by role ('eos', 'pad', 'unk') that hold where the JSON files name none.
      bos_id: token before every text, or None.
      num_ids: number of valid ids.

    Raises:
      UserError: nothing names an EOS, or an EOS is out of range.
    """
    names = files.special_names
    found = dict(own) | {
        role: number for role in names if (number := find(names[role])) is not None
    }
    listed = files.listed_eos_ids
    lacks_eos = "eos" in names and find(names["eos"]) is None
    candidates = [*([found["eos"]] if "eos" in found else []), *listed]
    if not candidates:
        why = (
            f"lacks eos_token {names['eos']!r}" if lacks_eos else "names no token that ends a text"
        )
        raise UserError(
            f"{files.folder}: the tokenizer {why}; name one of its tokens as eos_token in "
            f"{TOKENIZER_CONFIG}"
        )
    if lacks_eos:
        logger.warning(
            "%s: the tokenizer lacks eos_token %r, which %s names; token %d is used",
            *(files.folder, names["eos"], TOKENIZER_CONFIG, candidates[0]),
        )
    eos_ids = frozenset(candidates)
    outside = [number for number in candidates if not 0 <= number < num_ids]
    if outside:
        raise UserError(
            f"{files.folder}: eos_token_id {outside[0]} is outside the vocabulary of {num_ids} "
            f"tokens; correct {GENERATION_CONFIG} or {MODEL_CONFIG}, or take the model's own "
            "tokenizer"
        )
    taken = eos_ids | {bos_id}
    fillers = chain((found.get("pad", num_ids), found.get("unk", num_ids)), range(num_ids))
    pad_id = next(number for number in fillers if number < num_ids and number not in taken)
    return SpecialIds(bos_id, candidates[0], eos_ids, pad_id, found.get("pad") == pad_id)
