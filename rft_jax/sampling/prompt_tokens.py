"""Prompts as token ids, those that are too long skipped or cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from rft_jax.errors import UserError
from rft_jax.tokenizers import Tokenizer


@dataclass(frozen=True)
class EncodedPrompts:
    """Token ids of every prompt; None for one that is left out.

    Attributes:
      ids: in the order of the prompts.
      skipped: places of those left out.
      cut: places of those that lost their first tokens.
    """

    ids: list[list[int] | None]
    skipped: list[int]
    cut: list[int]


# Shorter beginnings that all prompts have (BOS, a word of the template) are read with each.
_LEAST_COMMON = 16


def common_start(prompts: Sequence[list[int] | None]) -> int:
    """How many tokens all prompts begin with, each having two more of its own; 0 for a few."""
    known = [prompt for prompt in prompts if prompt is not None]
    if not known:
        return 0
    pairs = zip(min(known), max(known), strict=False)  # these two have no more in common than any
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    alike = min(alike, min(map(len, known)) - 2)
    return alike if alike >= _LEAST_COMMON else 0


def encode_prompts(
    prompts: Sequence[str], tokenizer: Tokenizer, max_length: int, over_long: str
) -> EncodedPrompts:
    """BOS (where the model has one) and the prompt's tokens.

    Args:
      max_length: most tokens, BOS included.
      over_long: 'skip' leaves a longer prompt out, 'cut' keeps BOS and its last tokens.

    Raises:
      UserError: a prompt has no token at all.
    """
    bos = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
    encoded: list[list[int] | None] = []
    skipped, cut = [], []
    for place, tokens in enumerate(tokenizer.encode_batch(prompts)):
        if not bos and not tokens:
            raise UserError(f"prompt {place + 1} is empty, and the model has no BOS to begin with")
        room = max_length - len(bos)
        if len(tokens) <= room:
            encoded.append(bos + tokens)
        elif over_long == "skip":
            skipped.append(place)
            encoded.append(None)
        else:
            cut.append(place)
            encoded.append(bos + tokens[len(tokens) - room :])
    return EncodedPrompts(encoded, skipped, cut)
