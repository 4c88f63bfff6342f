"""The ledger of `rft collect`: what was decided about every sample, and the verdicts there are."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import Any, NamedTuple

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.records.fields import integer_field, text_field

LEDGER_FILE = "ledger.jsonl"
MAX_ANSWER_CHARS = 1_000  # of an answer in the ledger


class Verdict(NamedTuple):
    """What a verdict means.

    Attributes:
      words: said of a sample that got it without a reason of its own.
      colour: index into the report's palette.
      answer_correct: whether the sample's answer equals the reference; None where that is
        undecided, so that the sample counts neither way.
    """

    words: str
    colour: int
    answer_correct: bool | None


# Every verdict there is, in the order of deciding: the first that applies is the sample's.
VERDICTS: dict[str, Verdict] = {
    "timeout": Verdict("comparing its answer took longer than allowed", 6, None),
    "truncated": Verdict("stopped by its length before it gave an answer", 5, False),
    "unsupported": Verdict("its program needs what is not evaluated", 0, False),
    "program_error": Verdict("its program ends by an error", 8, False),
    "no_output": Verdict("its program prints nothing", 9, False),
    "no_answer": Verdict("gives no answer", 7, False),
    "wrong_answer": Verdict("its answer is not the reference's", 1, False),
    "malformed_equation": Verdict("an equation cannot be read", 3, True),
    "wrong_equation": Verdict("an equation is incorrect", 4, True),
    "correct": Verdict("the answer and all equations are correct", 2, True),
}


class Reason(NamedTuple):
    """Why a sample got its verdict.

    Attributes:
      kind: which check failed: `answer`, `comparison` or `equation`; of a program, the kind of its
        error (`programs.limits.KINDS`) or `unsupported`; of a correct sample, `rounding`, where
        its program's answer is equal once it is rounded.
      detail: the finding in words, at most 200 characters.
      line: the line of the response with the fault, from 1; None if it is not on a single line.
    """

    kind: str
    detail: str
    line: int | None = None


class LedgerRow(NamedTuple):
    """What was decided about one sample.

    Attributes:
      id: of the problem.
      sample: index among the problem's samples of this model.
      model: that wrote it.
      verdict: one of VERDICTS.
      reason: None where the verdict says all, and in ledgers of earlier versions.
      answer: the final answer as the response writes it; None where it gives none, and in ledgers
        of earlier versions.
      key: equal for samples of a problem that count as the same path.
      kept: whether the sample became a training path.
      end: how many characters of the response were graded, up to the end of its answer; None for
        all, as rft collect does.
    """

    id: str
    sample: int
    model: str
    verdict: str
    reason: Reason | None
    answer: str | None
    key: str | None
    kept: bool
    end: int | None = None


def ledger_line(
    id: str,  # noqa: A002  the field's name
    sample: int,
    model: str,
    verdict: str,
    reason: Reason | None,
    answer: str | None,
    key: str | None,
    kept: bool,
) -> str:
    """A line of `ledger.jsonl`: LedgerRow without `end`; by hand, as every sample has one."""
    return (
        f'{{"id": {quoted(id)}, "sample": {sample}, "model": {quoted(model)}, '
        f'"verdict": "{verdict}", "reason": {"null" if reason is None else _reason_json(reason)}, '
        f'"answer": {"null" if answer is None else quoted(answer[:MAX_ANSWER_CHARS])}, '
        f'"key": {"null" if key is None else quoted(key)}, '
        f'"kept": {"true" if kept else "false"}}}\n'
    )


@lru_cache(maxsize=1024)
def _reason_json(reason: Reason) -> str:
    return json.dumps(reason._asdict(), ensure_ascii=False)


def read_ledger(folder: str | Path) -> Iterator[LedgerRow]:
    """The rows of a collect folder's `ledger.jsonl`, also one of an earlier version.

    Raises:
      UserError: a row lacks a field, has one of another type, or its verdict is unknown; names
        file and line.
    """
    path = Path(folder) / LEDGER_FILE
    for number, row in read_rows(path):
        where = f"{path}:{number}"
        verdict = text_field(row, ("verdict",), where)
        if verdict not in VERDICTS:
            raise UserError(f"{where}: verdict {verdict!r:.60}; there are {', '.join(VERDICTS)}")
        yield LedgerRow(
            id=text_field(row, ("id",), where),
            sample=integer_field(row, "sample", where),
            model=text_field(row, ("model",), where),
            verdict=verdict,
            reason=_reason(row.get("reason"), where),
            answer=_text_or_none(row, "answer", where),
            key=_text_or_none(row, "key", where),
            kept=bool(row.get("kept")),
            end=None if row.get("end") is None else integer_field(row, "end", where),
        )


def check_samples_found(missing: Collection[tuple[str, str, int]], folder: str | Path) -> None:
    """Refuses samples that lack some of those in a ledger.

    Args:
      missing: model, problem id and sample index of those that were not found.
      folder: of the ledger.

    Raises:
      UserError: there are such; names the first.
    """
    if missing:
        model, name, index = min(missing)
        raise UserError(
            f"{folder}: {len(missing):,} samples of its {LEDGER_FILE} are not in --samples, the "
            f"first is sample {index} of {name!r} by model {model!r}; name all samples that were "
            "collected"
        )


def _reason(value: Any, where: str) -> Reason | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise UserError(f"{where}: reason is {value!r:.60}; an object or null is needed")
    kind, detail = (text_field(value, (name,), f"{where}: reason") for name in ("kind", "detail"))
    has_line = value.get("line") is not None
    line = integer_field(value, "line", f"{where}: reason") if has_line else None
    return Reason(kind, detail, line)


def _text_or_none(row: dict[str, Any], name: str, where: str) -> str | None:
    return None if row.get(name) is None else text_field(row, (name,), where)
