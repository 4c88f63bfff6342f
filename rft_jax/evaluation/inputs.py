"""Reading samples for evaluation: every problem's responses, in sample order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_object
from rft_jax.files.outputs import SETTINGS
from rft_jax.records import Problem, check_named_once
from rft_jax.records.foreign import read_any_samples


class Response(NamedTuple):
    """What evaluation needs of a sample.

    Attributes:
      text: the response.
      finish_reason: `stop`, or `length` where it was cut off.
      form: `text` or `program`.
      tokens: how many were sampled; None where that is unknown.
    """

    text: str
    finish_reason: str = "stop"
    form: str = "text"
    tokens: int | None = None


@dataclass(frozen=True)
class Responses:
    """Responses to score.

    Attributes:
      model: the name the samples carry; of several folders, all names.
      by_problem: problem id -> responses in order of their sample index.
      is_greedy: whether they are one greedy response a problem.
      skipped: number of samples of other problems, which are left out.
    """

    model: str
    by_problem: dict[str, list[Response]]
    is_greedy: bool
    skipped: int = 0

    @property
    def truncated(self) -> int:
        """How many were stopped by their length."""
        return sum(reason == "length" for one in self.by_problem.values() for _, reason, *_ in one)

    @property
    def tokens(self) -> int | None:
        """How many tokens were sampled; None where that is unknown."""
        counts = [one.tokens for responses in self.by_problem.values() for one in responses]
        return None if None in counts else sum(n for n in counts if n is not None)


NO_RESPONSES = Responses("", {}, False)


def read_responses(
    paths: Sequence[str], problems: Sequence[Problem], samples_format: str = ""
) -> Responses:
    """Samples that belong to the problems, those of the first path before those of the second.

    Args:
      paths: folders (`samples-*.jsonl`) or files, each with samples for every problem.
      samples_format: a key of `records.sample_formats.SAMPLE_FORMATS`; '' for found by looking.

    Raises:
      UserError: a path twice, an unfinished folder, samples of two models in it, a sample twice,
        or none for a problem.
    """
    check_named_once(paths)
    parts = [_read_one(path, problems, samples_format) for path in paths]
    by_problem = {
        problem.id: [one for part in parts for one in part.by_problem[problem.id]]
        for problem in problems
    }
    model = " + ".join(dict.fromkeys(part.model for part in parts))
    skipped = sum(part.skipped for part in parts)
    return Responses(model, by_problem, len(parts) == 1 and parts[0].is_greedy, skipped)


def _read_one(path: str, problems: Sequence[Problem], samples_format: str) -> Responses:
    """The samples of one folder or file, which are of one model."""
    model: str | None = None
    by_problem: dict[str, dict[int, Response]] = {problem.id: {} for problem in problems}
    skipped: Counter[str] = Counter()
    for where, sample in read_any_samples(
        problems, path, samples_format, skips_others=True, skipped=skipped
    ):
        if sample.id not in by_problem:
            skipped[path] += 1
            continue
        if model not in (None, sample.model):
            raise UserError(
                f"{where}: a sample of model {sample.model!r} among those of {model!r}; evaluate "
                "one model at a time"
            )
        model = sample.model
        responses = by_problem[sample.id]
        if sample.sample in responses:
            raise UserError(
                f"{where}: sample {sample.sample} of {sample.id!r} is in an earlier line already; "
                "remove one of the two"
            )
        tokens = None if sample.tokens is None else len(sample.tokens)
        row = Response(sample.response, sample.finish_reason, sample.form, tokens)
        responses[sample.sample] = row
    missing = [name for name, responses in by_problem.items() if not responses]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {len(by_problem)} problems have no sample, the first is "
            f"{missing[0]!r}; sample the same problems, or resume an interrupted sampling"
        )
    ordered = {name: [one[i] for i in sorted(one)] for name, one in by_problem.items()}
    is_single = all(len(responses) == 1 for responses in ordered.values())
    is_greedy = is_single and _temperature(Path(path)) in (None, 0)
    return Responses(model or "", ordered, is_greedy, skipped.total())


def _temperature(path: Path) -> float | None:
    """The sampling temperature of a folder, or of a file's folder; None where it is unknown."""
    settings = (path if path.is_dir() else path.parent) / SETTINGS
    return read_object(settings).get("temperature") if settings.exists() else None
