"""What the rooms hand to one another: problems, samples, ledger rows and paths, and their JSONL."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows

# In the order in which they are decided: the first that applies is the sample's verdict.
VERDICTS = (
    "timeout",
    "truncated",
    "no_answer",
    "wrong_answer",
    "malformed_equation",
    "wrong_equation",
    "correct",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A question and its worked answer (reasoning path, then the final answer as `#### n`)."""

    id: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One response drawn for a problem.

    `logprob` is the sum over drawn tokens (EOS included) under the model at temperature 1;
    `tokens` are the drawn ids; both may be missing in foreign files.
    """

    id: str
    sample: int
    model: str
    seed: int
    response: str
    tokens: tuple[int, ...] | None
    finish_reason: str
    logprob: float | None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What became of one sample: its verdict (one of VERDICTS), its dedup key, whether kept."""

    id: str
    sample: int
    model: str
    verdict: str
    key: str | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Path:
    """One training path of a problem: the human one, or a sampled one with all its finders."""

    id: str
    query: str
    response: str
    origin: str
    models: tuple[str, ...]
    equations: tuple[str, ...]


def to_row(record: Problem | Sample | LedgerRow | Path) -> dict[str, Any]:
    """The record's JSONL row; a sample's missing tokens or logprob are left out."""
    row = asdict(record)
    optional = ("tokens", "logprob") if isinstance(record, Sample) else ()
    return {k: v for k, v in row.items() if not (k in optional and v is None)}


def question_digest(question: str) -> str:
    """The first 12 hex digits of the question's SHA-256, from which ids are made."""
    return hashlib.sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def distinct_id(prefix: str, question: str, repeats: Counter[str]) -> str:
    """`<prefix>/<digest>`, and `-2`, `-3` where that was given before.

    Args:
      repeats: how often each was given; counted on.
    """
    base = f"{prefix}/{question_digest(question)}"
    repeats[base] += 1
    return base if repeats[base] == 1 else f"{base}-{repeats[base]}"


def read_problems(path: str | FilePath, prefix: str | None = None) -> list[Problem]:
    """Problems of a JSONL file with `question`/`answer` or `query`/`response` rows.

    A row without an id gets `<prefix>/<digest of its question>`, and `-2`, `-3` where that was
    given before; `prefix` is the file's stem unless named.

    Raises:
      UserError: a row lacks its question or answer, or an id stands twice; names file and line.
    """
    prefix = prefix or FilePath(path).name.split(".")[0]
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    repeats: Counter[str] = Counter()
    for number, row in read_rows(path):
        where = f"{path}:{number}"
        question = _text(row, ("question", "query"), where)
        answer = _text(row, ("answer", "response"), where)
        identity = row.get("id")
        if identity is None:
            identity = distinct_id(prefix, question, repeats)
        if not isinstance(identity, str) or not identity:
            raise UserError(f"{where}: id is {identity!r}; a non-empty string is needed")
        if identity in seen:
            raise UserError(f"{where}: id {identity!r} stands in line {seen[identity]} already")
        seen[identity] = number
        problems.append(Problem(identity, question, answer))
    if not problems:
        raise UserError(f"{path}: holds no problem")
    return problems


def read_samples(path: str | FilePath) -> Iterator[tuple[int, Sample]]:
    """Yields (line number, sample) of a samples file, ours or a foreign one.

    Raises:
      UserError: a row lacks a field or has one of another type; names file and line.
    """
    for number, row in read_rows(path):
        yield number, parse_sample(row, f"{path}:{number}")


def parse_sample(row: Mapping[str, Any], where: str) -> Sample:
    """The sample of a row that stands at `where`.

    Raises:
      UserError: the row lacks a field or has one of another type.
    """
    tokens = row.get("tokens")
    if tokens is not None and not (
        isinstance(tokens, list) and all(type(token) is int for token in tokens)
    ):
        raise UserError(f"{where}: tokens must be a list of integers")
    finish = row.get("finish_reason", "stop")
    if finish not in ("stop", "length"):
        raise UserError(f"{where}: finish_reason is {finish!r}; 'stop' or 'length' is needed")
    logprob = row.get("logprob")
    if logprob is not None and not (isinstance(logprob, int | float) and not math.isnan(logprob)):
        raise UserError(f"{where}: logprob is {logprob!r}; a number is needed")
    return Sample(
        id=_text(row, ("id",), where),
        sample=_integer(row, "sample", where),
        model=_text({"model": "", **row}, ("model",), where),
        seed=_integer({"seed": 0, **row}, "seed", where),
        response=_text(row, ("response",), where),
        tokens=None if tokens is None else tuple(tokens),
        finish_reason=finish,
        logprob=None if logprob is None else float(logprob),
    )


def read_paths(path: str | FilePath) -> Iterator[tuple[int, Path]]:
    """Yields (line number, path) of a paths file.

    Raises:
      UserError: a row lacks a field; names file and line.
    """
    for number, row in read_rows(path):
        where = f"{path}:{number}"
        yield (
            number,
            Path(
                id=_text(row, ("id",), where),
                query=_text(row, ("query",), where),
                response=_text(row, ("response",), where),
                origin=_text({"origin": "human", **row}, ("origin",), where),
                models=tuple(row.get("models", ())),
                equations=tuple(row.get("equations", ())),
            ),
        )


def _text(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> str:
    for name in names:
        if name in row:
            if not isinstance(row[name], str):
                raise UserError(f"{where}: {name} is {row[name]!r:.60}; a string is needed")
            return row[name]
    raise UserError(f"{where}: no {' or '.join(repr(name) for name in names)}; add the field")


def _integer(row: Mapping[str, Any], name: str, where: str) -> int:
    value = row.get(name)
    if type(value) is not int:
        raise UserError(f"{where}: {name} is {value!r:.60}; an integer is needed")
    return value
