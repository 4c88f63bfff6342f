"""Prompts as token ids; those that are too long are skipped or cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from rft_jax.errors import UserError
from rft_jax.tokenizers import Tokenizer


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts as token ids.

    Attributes:
      ids: of every prompt, in order; None for one that is left out.
      skipped: indices of the prompts left out.
      cut: indices of the prompts that lost their first tokens.
    """

    ids: list[list[int] | None]
    skipped: list[int]
    cut: list[int]


# Shorter beginnings that all prompts have (BOS, a word of the template) are prefilled with each.
_LEAST_COMMON = 16


def common_start(prompts: Sequence[list[int] | None]) -> int:
    """How many tokens all prompts begin with, each having two more of its own; 0 for a few."""
    kept = [prompt for prompt in prompts if prompt is not None]
    if not kept:
        return 0
    pairs = zip(min(kept), max(kept), strict=False)  # no two have less in common than these
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    alike = min(alike, min(map(len, kept)) - 2)
    return alike if alike >= _LEAST_COMMON else 0


def encode_prompts(
    prompts: Sequence[str], tokenizer: Tokenizer, max_length: int, over_long: str
) -> EncodedPrompts:
    """BOS (where the model has one) and the prompt's tokens.

    Args:
      prompts: the texts.
      tokenizer: the model's.
      max_length: maximum tokens, BOS included.
      over_long: 'skip' leaves a longer prompt out, 'cut' keeps BOS and its last tokens.

    Raises:
      UserError: a prompt has no token at all.
    """
    bos = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
    encoded: list[list[int] | None] = []
    skipped, cut = [], []
    for index, tokens in enumerate(tokenizer.encode_batch(prompts)):
        if not bos and not tokens:
            raise UserError(f"prompt {index + 1} is empty, and the model has no BOS to begin with")
        room = max_length - len(bos)
        if len(tokens) <= room:
            encoded.append(bos + tokens)
        elif over_long == "skip":
            skipped.append(index)
            encoded.append(None)
        else:
            cut.append(index)
            encoded.append(bos + tokens[len(tokens) - room :])
    return EncodedPrompts(encoded, skipped, cut)
