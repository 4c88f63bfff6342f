"""Samples, and the files of a folder that have them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rft_jax.errors import MistakeList, UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.files.outputs import COMPLETE, SETTINGS
from rft_jax.records.fields import form_field, index_field, integer_field, text_field

FINISH_REASONS = ("stop", "length")
"""How a response ended: by itself, or cut off; a row that does not say ended by itself."""
# Of rft sample and of lm-evaluation-harness; where there are none, of NeMo-Skills.
_FILE_NAMES = [
    re.compile(rf"{start}.*\.(?:jsonl(?:\.gz)?|parquet)") for start in ("samples", "output")
]
_SHARD = re.compile(r"samples-(?P<index>[0-9]{5})-of-(?P<count>[0-9]{5})\.")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled response to a problem.

    Attributes:
      id: of the problem.
      sample: index among the problem's samples of this model.
      model: that wrote it.
      seed: of the sampling run.
      tokens: ids of the sampled tokens, EOS included; None in foreign files.
      finish_reason: `stop`, or `length` for a text that was cut off.
      logprob: sum over the tokens of the natural logarithm of their probability under the model at
        temperature 1; None in foreign files.
      form: of the response: `text` or `program`.
    """

    id: str
    sample: int
    model: str
    seed: int
    response: str
    tokens: tuple[int, ...] | None
    finish_reason: str
    logprob: float | None
    form: str = "text"


def read_samples(
    path: str | Path, mistakes: MistakeList | None = None
) -> Iterator[tuple[str, Sample]]:
    """Yields (file and line, sample) of a folder's samples files, or of a file, in our format.

    Args:
      mistakes: notes rows that are not samples, which are left out then.

    Raises:
      UserError: as `sample_files`, or a row lacks a field or has one of another type; names file
        and line.
    """
    noting = mistakes.caught if mistakes else nullcontext
    for file in sample_files(path):
        for number, row in read_rows(file, mistakes):
            where, sample = f"{file}:{number}", None
            with noting():
                sample = parse_sample(row, where)
            if sample is not None:
                yield where, sample if sample.model else replace(sample, model=folder_model(file))


def folder_model(file: str | Path) -> str:
    """The model of a file's samples that name none: the name of its folder."""
    return Path(file).resolve().parent.name


def sample_files(path: str | Path) -> list[Path]:
    """The samples files of a folder in order, or the file itself.

    Raises:
      UserError: there are none, or the folder's sampling is not finished.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; name what rft sample wrote, or a samples file")
    names = finished_sample_files(str(path), [entry.name for entry in path.iterdir()])
    return [path / name for name in names]


def check_named_once(paths: Sequence[str]) -> None:
    """Refuses a folder or file that is among the paths twice: its samples would count twice.

    Raises:
      UserError: there is one; names both spellings.
    """
    seen: dict[Path, str] = {}
    for path in paths:
        place = Path(path).resolve()
        if place in seen:
            raise UserError(f"{path}: named twice (as {seen[place]}); name it once")
        seen[place] = path


def finished_sample_files(folder: str, names: Collection[str]) -> list[str]:
    """The samples files among the names in a folder, in order.

    Raises:
      UserError: there are none, or the folder's sampling is not finished.
    """
    if SETTINGS in names and COMPLETE not in names:
        raise UserError(f"{folder}: sampling is not finished; run the same rft sample again")
    for pattern in _FILE_NAMES:
        if files := sorted(filter(pattern.fullmatch, names)):
            return files
    raise UserError(
        f"{folder}: no samples-*.jsonl there; name what rft sample wrote, or the samples file"
    )


def check_shards(folder: str, files: Sequence[str]) -> None:
    """Refuses a folder that lacks some of the shards that the others' names count.

    Args:
      files: names of the samples files in it.

    Raises:
      UserError: some are missing; names the first.
    """
    shards = [match for file in files if (match := _SHARD.match(file))]
    present = {(int(one["index"]), int(one["count"])) for one in shards}
    for count in {count for _, count in present}:
        missing = sorted(set(range(count)) - {index for index, of in present if of == count})
        if missing:
            raise UserError(
                f"{folder}: {len(missing)} of {count} shards are missing, the first is "
                f"samples-{missing[0]:05d}-of-{count:05d}; copy them too, or name the files"
            )


def parse_sample(row: Mapping[str, Any], where: str) -> Sample:
    """The sample of a row; of what may be missing, null is missing.

    Args:
      where: file and line, for messages.

    Raises:
      UserError: the row lacks a field, or has one of another type or a negative index.
    """
    tokens = row.get("tokens")
    if tokens is not None and not (
        isinstance(tokens, list) and all(type(token) is int for token in tokens)
    ):
        raise UserError(f"{where}: tokens is {tokens!r:.60}; a list of integers is needed")
    defaults = {"model": "", "seed": 0, "finish_reason": FINISH_REASONS[0]}
    missing = {name: value for name, value in defaults.items() if row.get(name) is None}
    row = {**row, **missing}
    finish = row["finish_reason"]
    if finish not in FINISH_REASONS:
        needed = " or ".join(map(repr, FINISH_REASONS))
        raise UserError(f"{where}: finish_reason is {finish!r:.60}; {needed} is needed")
    return Sample(
        id=text_field(row, ("id",), where),
        sample=index_field(row, "sample", where),
        model=text_field(row, ("model",), where),
        seed=integer_field(row, "seed", where),
        response=text_field(row, ("response",), where),
        tokens=None if tokens is None else tuple(tokens),
        finish_reason=finish,
        logprob=_logprob(row.get("logprob"), where),
        form=form_field(row, where),
    )


def _logprob(value: Any, where: str) -> float | None:
    if value is None:
        return None
    with suppress(OverflowError):  # a whole number beyond the floats
        if isinstance(value, int | float) and not math.isnan(value):
            return float(value)
    raise UserError(f"{where}: logprob is {value!r:.60}; a number is needed")
