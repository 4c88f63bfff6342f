"""Arithmetic as problems and as files: generated splits, and expressions that others released."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rft_jax.arithmetic.formats import FORMATS
from rft_jax.arithmetic.generator import Line, lines
from rft_jax.arithmetic.reading import MAX_CHARS, asks_for_value, expression_value
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.arithmetic.splits import PROBLEM_SPLITS, SPLITS
from rft_jax.arithmetic.values import spell_answer
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import Problem, distinct_id, to_row

Row = dict[str, Any]


def generate_problems(
    split: str, size: int, seed: int, settings: ArithmeticSettings, form: str = "steps"
) -> Iterator[Problem]:
    """The first problems of a split; the question is the expression with `=` behind it.

    Args:
      split: one of `PROBLEM_SPLITS`.
      size: how many; fewer are the first of more.
      seed: determines the lines.
      settings: the mix of expressions.
      form: of the answers, one of `FORMATS`.
    """
    repeats: Counter[str] = Counter()
    for line in islice(lines(settings, split, seed), size):
        question = f"{line.expression}="
        identity = distinct_id(f"arithmetic-{split}", question, repeats)
        yield Problem(identity, question, FORMATS[form](line))


def pretraining_rows(
    seed: int, settings: ArithmeticSettings, form: str, tokens: int | None, size: int | None
) -> Iterator[Row]:
    """Rows with an empty `query`, so that the loss is on the whole line.

    Args:
      seed: determines the lines.
      settings: the mix of expressions.
      form: one of `FORMATS`.
      tokens: ends after the row that reaches this many, a token for each end included.
      size: ends after this many rows.
    """
    spent = 0
    for line in islice(lines(settings, "pretrain", seed), size):
        if tokens is not None and spent >= tokens:
            return
        text = _whole_line(line, form)
        spent += len(text) + 1
        yield {"query": "", "response": text}


def _whole_line(line: Line, form: str) -> str:
    return f"{line.expression}={FORMATS[form](line)}"


def is_expressions_file(path: str | Path) -> bool:
    """Whether a file begins with an expression and `=`, as MathGLM's test set does."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        lines = iter(lambda: file.readline(MAX_CHARS + 2), "")
        return asks_for_value(next(filter(None, map(str.strip, lines)), ""))


def read_expressions(path: str | Path) -> list[Problem]:
    """Problems of a file with an expression a line, each with `=` behind it and no answer.

    The answers are the exact values, rounded as generated ones are.

    Raises:
      UserError: a line is not such an expression, divides by zero or has values that are too long
        to write; names file and line.
    """
    repeats: Counter[str] = Counter()
    problems = []
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        for number, text in enumerate(map(str.strip, file), start=1):
            if not text:
                continue
            if not asks_for_value(text):
                raise UserError(
                    f"{path}:{number}: {text[:60]!r} is not an expression of numbers, + - * / % "
                    "and brackets with = behind it; fix or remove the line"
                )
            try:
                answer = spell_answer(expression_value(text.removesuffix("=")))
            except ValueError as why:
                raise UserError(f"{path}:{number}: {text[:60]!r} {why}; remove the line") from None
            identity = distinct_id(Path(path).stem, text, repeats)
            problems.append(Problem(identity, text, answer))
    return problems


def write_split(
    split: str,
    output: str | Path,
    size: int | None,
    seed: int,
    tokens: int | None,
    form: str,
    settings: ArithmeticSettings,
) -> int:
    """Writes a split to `output` (gzip by suffix) atomically; returns the number of rows.

    Raises:
      UserError: an unknown split, or a bound that is missing, not positive or not for the split.
    """
    check_bounds(split, SPLITS, split not in PROBLEM_SPLITS, size, tokens)
    if split not in PROBLEM_SPLITS:
        return write_rows(output, pretraining_rows(seed, settings, form, tokens, size))
    problems = generate_problems(split, size or SPLITS[split].size, seed, settings, form)
    return write_rows(output, map(to_row, problems))


def check_bounds(
    split: str, splits: Collection[str], is_text: bool, size: int | None, tokens: int | None
) -> None:
    """Refuses bounds that are not for a split.

    Args:
      splits: all that there are.
      is_text: whether the split is text to pretrain on, which has no end of its own.
      size: the number of rows, or None.
      tokens: the number of tokens, or None.

    Raises:
      UserError: an unknown split, or a bound that is missing, not positive or not for the split.
    """
    if split not in splits:
        raise UserError(f"unknown split {split!r}: choose one of {', '.join(splits)}")
    for name, bound in (("size", size), ("tokens", tokens)):
        if bound is not None and bound < 1:
            raise UserError(f"{name} is {bound}; it must be at least 1")
    if is_text and size is None and tokens is None:
        raise UserError(f"split {split} has no end: give a number of tokens, or a size in rows")
    if tokens is not None and not is_text:
        raise UserError(f"tokens is {tokens}: that bounds pretrain only; give split {split} a size")
