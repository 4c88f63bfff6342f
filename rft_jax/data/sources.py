"""Sources of problems: a JSONL file, or a data set by name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rft_jax.arithmetic.files import is_expressions_file, read_expressions
from rft_jax.errors import UserError
from rft_jax.files.digests import content_digest
from rft_jax.files.identity import input_identity
from rft_jax.files.remote import fetched
from rft_jax.records import Problem, distinct_id, read_problems

GSM8K_DIR = "GSM8K_DIR"
_GSM8K_SPLITS = ("train", "test")


def load_problems(spec: str) -> list[Problem]:
    """The problems of a JSONL file or a named split.

    A file of expressions, one a line that ends in `=`, is read too (MathGLM's test set).

    Args:
      spec: a path or URL, `gsm8k:train|test` (the files in $GSM8K_DIR, else a prepared TFDS data
        set), `wordproblems:train|dev|test|test2` or `arithmetic:train|dev|test` (the embedded data
        in its default sizes and settings).

    Raises:
      UserError: there is no such file or split, or a row is not a problem.
    """
    spec = fetched(spec)
    name, colon, split = spec.partition(":")
    if colon and name in DATA_SETS and not Path(spec).exists():
        return DATA_SETS[name](split)
    if not Path(spec).exists():
        raise UserError(
            f"{spec}: no such file, and no data set of that name; the data sets are "
            f"{', '.join(DATA_SETS)} (write NAME:SPLIT)"
        )
    return read_expressions(spec) if is_expressions_file(spec) else read_problems(spec)


def problems_identity(spec: str) -> str:
    """`input_identity` of what `load_problems` reads; a name that stands for a file has its digest.

    Any other name stands for itself.
    """
    spec = fetched(spec)
    file = None if Path(spec).exists() else _gsm8k_file(spec)
    if file is None or not file.is_file():
        return input_identity(spec)
    return f"{spec} {content_digest(file)}"


def _gsm8k(split: str) -> list[Problem]:
    if split not in _GSM8K_SPLITS:
        raise UserError(f"gsm8k:{split}: there are gsm8k:train and gsm8k:test")
    file = _gsm8k_file(f"gsm8k:{split}")
    return read_problems(file, f"gsm8k-{split}") if file else _gsm8k_from_tfds(split)


def _gsm8k_file(spec: str) -> Path | None:
    """The file that a name stands for in $GSM8K_DIR; None without it, or for other names."""
    name, _, split = spec.partition(":")
    folder = os.environ.get(GSM8K_DIR)
    return Path(folder) / f"{split}.jsonl" if folder and name == "gsm8k" else None


def _gsm8k_from_tfds(split: str) -> list[Problem]:
    from rft_jax.data.tfds import read_gsm8k

    repeats: Counter[str] = Counter()
    return [
        Problem(distinct_id(f"gsm8k-{split}", question, repeats), question, answer)
        for question, answer in read_gsm8k(split)
    ]


def _wordproblems(split: str) -> list[Problem]:
    from rft_jax.wordproblems.generator import generate_problems
    from rft_jax.wordproblems.splits import PROBLEM_SPLITS, SPLITS

    if split not in PROBLEM_SPLITS:
        raise UserError(f"wordproblems:{split}: there are {', '.join(PROBLEM_SPLITS)}")
    return generate_problems(split, SPLITS[split].size, seed=0)


def _arithmetic(split: str) -> list[Problem]:
    from rft_jax.arithmetic.files import generate_problems
    from rft_jax.arithmetic.settings import ArithmeticSettings
    from rft_jax.arithmetic.splits import PROBLEM_SPLITS, SPLITS

    if split not in PROBLEM_SPLITS:
        raise UserError(f"arithmetic:{split}: there are {', '.join(PROBLEM_SPLITS)}")
    return list(generate_problems(split, SPLITS[split].size, 0, ArithmeticSettings()))


DATA_SETS: dict[str, Callable[[str], list[Problem]]] = {
    "gsm8k": _gsm8k,
    "wordproblems": _wordproblems,
    "arithmetic": _arithmetic,
}
"""Name -> the function from a split's name to its problems."""
