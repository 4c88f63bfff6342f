"""Token arrays of what `--data` names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np

from rft_jax.errors import UserError
from rft_jax.prompts import Template
from rft_jax.tokenizers import Tokenizer
from rft_jax.training.settings import TrainSettings
from rft_jax.training.token_arrays import (
    TokenArrays,
    concatenated,
    is_token_arrays,
    load_token_arrays,
    tokenize,
)


def load_training_data(
    data: list[str], tokenizer: Tokenizer, template: Template, settings: TrainSettings
) -> TokenArrays:
    """Token arrays of all the data.

    Args:
      data: one folder of token arrays; or any number of problems and paths files, named sets and
        seqio tasks, which are concatenated.
      tokenizer: the model's.
      template: puts a question into a prompt.
      settings: `max_length`, `over_long` and `limit` are used.

    Raises:
      UserError: token arrays were made with another tokenizer or template, hold tokens that the
        tokenizer lacks, have longer examples, or are named beside other data.
    """
    folders = [spec for spec in data if is_token_arrays(spec)]
    if not folders:
        if settings.curriculum:
            return _by_source(data, tokenizer, template, settings)
        examples: Iterator[tuple[str, str]] = chain.from_iterable(map(_examples, data))
        if settings.limit:
            examples = islice(examples, settings.limit)
        return tokenize(examples, tokenizer, template, settings.max_length, settings.over_long)
    if len(data) > 1:
        raise UserError(f"{folders[0]}: token arrays can't be joined with other --data")
    arrays = load_token_arrays(folders[0])
    _check_origin(arrays, folders[0], tokenizer, template)
    longest = int(arrays.lengths.max())
    if longest > settings.max_length + 1:
        raise UserError(
            f"{folders[0]}: an example has {longest} tokens, a row of train.max_length "
            f"{settings.max_length} holds {settings.max_length + 1}"
        )
    return _first(arrays, settings.limit) if settings.limit else arrays


def _by_source(
    data: list[str], tokenizer: Tokenizer, template: Template, settings: TrainSettings
) -> TokenArrays:
    """Token arrays of all the data, whose manifest has the number of examples of each.

    Raises:
      UserError: a stage of the curriculum has shares of more or fewer data.
    """
    for stage in settings.curriculum:
        if len(stage) != len(data) + 1:
            raise UserError(
                f"train.curriculum has a stage of {len(stage) - 1} data, {stage}, and --data names "
                f"{len(data)}; give every stage a share for each"
            )
    over_long = settings.max_length, settings.over_long
    return concatenated(
        [tokenize(_examples(spec), tokenizer, template, *over_long) for spec in data]
    )


def _check_origin(
    arrays: TokenArrays, folder: str, tokenizer: Tokenizer, template: Template
) -> None:
    """Refuses arrays that this tokenizer and this template would not have made."""
    if arrays.manifest.get("tokenizer") != tokenizer.fingerprint:
        raise UserError(
            f"{folder}: made with tokenizer {arrays.manifest.get('tokenizer')!r:.20}, the "
            f"model's is {tokenizer.fingerprint!r:.20}; make the token arrays again"
        )
    made_with = arrays.manifest.get("template")
    made_with = made_with if isinstance(made_with, dict) else {}
    if made_with.get("prompt") != template.prompt:
        raise UserError(
            f"{folder}: made with template {made_with.get('name')!r}, the model's is "
            f"{template.name!r}; set train.template to the former, or make the token arrays again"
        )
    if not 0 <= arrays.tokens.min() <= arrays.tokens.max() < tokenizer.vocab_size:
        raise UserError(
            f"{folder}: tokens from {arrays.tokens.min()} to {arrays.tokens.max()}, the tokenizer "
            f"has {tokenizer.vocab_size}; make the token arrays again"
        )


def _first(arrays: TokenArrays, limit: int) -> TokenArrays:
    offsets = arrays.offsets[: limit + 1]
    tokens = np.asarray(arrays.tokens[: offsets[-1]])
    questions = None if arrays.questions is None else arrays.questions[:limit]
    return TokenArrays(tokens, offsets, arrays.prompt_lengths[:limit], arrays.manifest, questions)


def _examples(spec: str) -> Iterator[tuple[str, str]]:
    """(question, response) pairs of a problems or paths file, a named set, or a seqio task."""
    from rft_jax.data.preprocess import training_examples

    if not Path(spec).exists() and ":" not in spec and "." not in spec and "/" not in spec:
        from rft_jax.data.tasks import task_examples

        return task_examples(spec)
    return training_examples(spec)
