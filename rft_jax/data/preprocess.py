"""Training examples of problems and paths, in plain Python."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from rft_jax.arithmetic.files import is_expressions_file
from rft_jax.arithmetic.reading import asks_for_value
from rft_jax.data.sources import load_problems
from rft_jax.errors import MistakeList, UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.files.surrogates import replace_surrogates
from rft_jax.progress import quantity
from rft_jax.prompts import with_cue
from rft_jax.records import (
    PROGRAM,
    TEXT,
    Problem,
    Reference,
    check_filled,
    columns,
    is_only_answer,
    read_reference,
)

_OF_TEXTS = ("query", *columns.RESPONSE)  # of rows that are texts or paths, not problems
logger = logging.getLogger(__name__)


def training_examples(spec: str, form: str | None = None) -> Iterator[tuple[str, str]]:
    """(question, response) pairs of a problems file, a paths file or a named set, in order.

    A problem that has only an answer, no solution, is left out, unless it asks for an expression's
    value; a warning counts them. The responses of paths are never left out.

    A `query` may be empty, in rows of text to pretrain on; a `response` too, as a sampled one is.

    Behind the question of a program stands the cue, as the prompts that ask for programs have it. A
    lone surrogate, which no tokenizer reads, becomes U+FFFD.

    Args:
      spec: the file or the name.
      form: of the responses; None for all.

    Raises:
      UserError: there is no such file or set, it is empty, or a row lacks one of the two, or is a
        problem with an empty one.
    """
    total = unsolved = 0
    for one in _references(spec):
        total += 1
        if not _is_learnt_from(one):
            unsolved += 1
        elif form in (None, one.form):
            yield _example(one.question, one.answer, one.form)
    if not total:
        raise UserError(f"{spec}: holds no example; name a file of problems or paths")
    if unsolved == total:
        raise _nothing_to_train_on(spec, total)
    if unsolved:
        logger.warning(
            "%s: %s of %s problems have only an answer, no solution, and are left out",
            *(spec, f"{unsolved:,}", f"{total:,}"),
        )


def check_solutions(problems: Sequence[Problem], spec: str) -> None:
    """Refuses problems of which none has a solution to train on, as `training_examples` would.

    Args:
      spec: names them.

    Raises:
      UserError: all have only an answer; says what to do instead.
    """
    if not any(_is_learnt_from(_reference(problem)) for problem in problems):
        raise _nothing_to_train_on(spec, len(problems))


def _is_learnt_from(one: Reference) -> bool:
    return one.is_solution or asks_for_value(one.question)


def _nothing_to_train_on(spec: str, total: int) -> UserError:
    return UserError(
        f"{spec}: {quantity(total, 'problem')}, all with only an answer, no solution, so there is "
        "nothing to train on; sample an instruction-tuned model for them (rft sample), keep its "
        "correct paths (rft collect) and train on those (rft train --data …/paths.jsonl), or add "
        "solutions"
    )


def _references(spec: str) -> Iterator[Reference]:
    if not Path(spec).is_file() or is_expressions_file(spec):
        yield from map(_reference, load_problems(spec))
        return
    mistakes = MistakeList()
    for number, row in read_rows(spec, mistakes):
        reference = None
        with mistakes.caught():
            where = f"{spec}:{number}"
            read = read_reference(row, where)
            if columns.find(row, _OF_TEXTS) is None:
                check_filled(read, where)
            reference = read
        if reference is not None:
            yield reference
    mistakes.raise_any(spec)


def _reference(problem: Problem) -> Reference:
    is_solution = problem.form != TEXT or not is_only_answer(problem.answer)
    return Reference(problem.question, problem.answer, problem.form, is_solution)


def _example(question: str, response: str, form: str) -> tuple[str, str]:
    asked = with_cue(question) if form == PROGRAM else question
    return replace_surrogates(asked), replace_surrogates(response)
