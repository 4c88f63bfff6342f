"""The file formats: problems, samples, the ledger and paths, each as a record and as JSONL."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.files.outputs import COMPLETE, SETTINGS

MAX_ANSWER_CHARS = 1_000  # of an answer in the ledger
MAX_DETAIL_CHARS = 200  # of a reason's detail
_SAMPLES_NAME = re.compile(r"samples.*\.jsonl(?:\.gz)?")


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
    "no_answer": Verdict("gives no answer", 7, False),
    "wrong_answer": Verdict("its answer is not the reference's", 1, False),
    "malformed_equation": Verdict("an equation cannot be read", 3, True),
    "wrong_equation": Verdict("an equation is incorrect", 4, True),
    "correct": Verdict("the answer and all equations are correct", 2, True),
}


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


class Reason(NamedTuple):
    """Why a sample got its verdict.

    Attributes:
      kind: which check failed: `answer`, `comparison` or `equation`.
      detail: the finding in words, at most MAX_DETAIL_CHARS.
      line: of the response, from 1, where the fault stands; None where it stands on no one line.
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
    """

    id: str
    sample: int
    model: str
    verdict: str
    reason: Reason | None
    answer: str | None
    key: str | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Path:
    """One training path of a problem.

    Attributes:
      origin: `human` for the reference solution, `sampled` for any other.
      models: all that sampled a path with this one's key.
      equations: of the response, in order.
    """

    id: str
    query: str
    response: str
    origin: str
    models: tuple[str, ...]
    equations: tuple[str, ...]


def to_row(record: Problem | Sample | Path) -> dict[str, Any]:
    """The record's JSONL row; a sample's missing tokens or logprob are left out."""
    row = asdict(record)
    optional = ("tokens", "logprob") if isinstance(record, Sample) else ()
    return {k: v for k, v in row.items() if not (k in optional and v is None)}


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
    """A line of `ledger.jsonl`, by the fields of LedgerRow; by hand, as every sample has one."""
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


def path_line(
    id: str,  # noqa: A002  the field's name
    query: str,
    response: str,
    origin: str,
    models: Iterable[str],
    equations: Iterable[str],
) -> str:
    """A line of `paths.jsonl`, by the fields of Path."""
    return (
        f'{{"id": {quoted(id)}, "query": {quoted(query)}, "response": {quoted(response)}, '
        f'"origin": "{origin}", "models": [{", ".join(map(quoted, models))}], '
        f'"equations": [{", ".join(map(quoted, equations))}]}}\n'
    )


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


def sample_files(path: str | FilePath) -> list[FilePath]:
    """The samples files of a folder in order, or the file itself.

    Raises:
      UserError: there are none, or the folder's sampling is not finished.
    """
    path = FilePath(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; name what rft sample wrote, or a samples file")
    names = finished_sample_files(str(path), [entry.name for entry in path.iterdir()])
    return [path / name for name in names]


def finished_sample_files(folder: str, names: Collection[str]) -> list[str]:
    """The samples files among the names in a folder, in order.

    Raises:
      UserError: there are none, or the folder's sampling is not finished.
    """
    if SETTINGS in names and COMPLETE not in names:
        raise UserError(f"{folder}: sampling is not finished; run the same rft sample again")
    files = sorted(filter(_SAMPLES_NAME.fullmatch, names))
    if not files:
        raise UserError(f"{folder}: no samples-*.jsonl there; name what rft sample wrote")
    return files


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


def read_ledger(folder: str | FilePath) -> Iterator[LedgerRow]:
    """The rows of a collect folder's `ledger.jsonl`, also one of an earlier version.

    Raises:
      UserError: a row lacks a field, or its verdict is unknown; names file and line.
    """
    path = FilePath(folder) / "ledger.jsonl"
    for number, row in read_rows(path):
        where = f"{path}:{number}"
        verdict = _text(row, ("verdict",), where)
        if verdict not in VERDICTS:
            raise UserError(f"{where}: verdict {verdict!r:.60}; there are {', '.join(VERDICTS)}")
        reason = row.get("reason")
        yield LedgerRow(
            id=_text(row, ("id",), where),
            sample=_integer(row, "sample", where),
            model=_text(row, ("model",), where),
            verdict=verdict,
            reason=None if reason is None else Reason(**reason),
            answer=row.get("answer"),
            key=row.get("key"),
            kept=bool(row.get("kept")),
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
