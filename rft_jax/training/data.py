"""Token arrays of what `--data` names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.prompts import Template
from rft_jax.tokenizers import Tokenizer
from rft_jax.training.settings import TrainSettings
from rft_jax.training.token_arrays import (
    TokenArrays,
    concatenated,
    first_examples,
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
      settings: `max_length`, `over_long`, `limit` and `curriculum` are used.

    Raises:
      UserError: token arrays were made with another tokenizer or template, hold tokens that the
        tokenizer lacks, have longer examples, or are named beside other data; a stage of the
        curriculum has shares of more or fewer data.
    """
    fitted = settings.max_length, settings.over_long
    folders = [spec for spec in data if is_token_arrays(spec)]
    if not folders:
        if settings.curriculum:
            _check_stages(settings, len(data), "--data names")
            made = [tokenize(_examples(d), tokenizer, template, *fitted, source=d) for d in data]
            return concatenated(made)
        examples: Iterator[tuple[str, str]] = chain.from_iterable(map(_examples, data))
        if settings.limit:
            examples = islice(examples, settings.limit)
        return tokenize(examples, tokenizer, template, *fitted, source=", ".join(data))
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
    if settings.curriculum:
        _check_stages(settings, _num_sources(arrays, folders[0]), f"{folders[0]} is made of")
    return first_examples(arrays, settings.limit) if settings.limit else arrays


def _check_stages(settings: TrainSettings, count: int, whose: str) -> None:
    """Refuses a curriculum whose stages have shares of more or fewer data than there are."""
    for stage in settings.curriculum:
        if len(stage) != count + 1:
            raise UserError(
                f"train.curriculum has a stage of {len(stage) - 1} data, {stage}, and {whose} "
                f"{count}; give every stage a share for each"
            )


def _num_sources(arrays: TokenArrays, folder: str) -> int:
    """The number of data that token arrays were made of, by their manifest.

    Raises:
      UserError: it does not say which examples are from which.
    """
    sizes: Any = arrays.manifest.get("sources")
    are_sizes = isinstance(sizes, list) and all(type(n) is int and n > 0 for n in sizes)
    if not are_sizes or sum(sizes) != len(arrays):
        raise UserError(
            f"{folder}: doesn't say which examples are from which data, as train.curriculum needs; "
            "name the files that it was made of"
        )
    return len(sizes)


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


def _examples(spec: str) -> Iterator[tuple[str, str]]:
    """(question, response) pairs of a problems or paths file, a named set, or a seqio task."""
    from rft_jax.data.preprocess import training_examples

    if not Path(spec).exists() and ":" not in spec and "." not in spec and "/" not in spec:
        from rft_jax.data.tasks import task_examples

        return task_examples(spec)
    return training_examples(spec)
