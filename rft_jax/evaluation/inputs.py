"""Reading samples for evaluation: every problem's responses, in sample order, of one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json
from rft_jax.files.outputs import COMPLETE, SETTINGS
from rft_jax.records import Problem, Sample, read_samples


@dataclass(frozen=True)
class SampledAnswers:
    """Responses to score.

    Attributes:
      model: the name the samples carry.
      responses: problem id -> responses in order of their sample index.
      is_greedy: whether they are one greedy answer a problem.
      truncated: how many samples were stopped by length.
    """

    model: str
    responses: dict[str, list[str]]
    is_greedy: bool
    truncated: int


def read_responses(path: str, problems: Sequence[Problem]) -> SampledAnswers:
    """Samples of a folder (`samples-*.jsonl`) or a file that belong to the problems.

    Raises:
      UserError: unfinished folder, samples of two models, a sample twice, or none for a problem.
    """
    found: dict[str, dict[int, str]] = {problem.id: {} for problem in problems}
    models: dict[str, None] = {}
    truncated = 0
    for where, sample in _samples(Path(path)):
        if sample.id not in found:
            continue
        models[sample.model] = None
        if len(models) > 1:
            raise UserError(
                f"{where}: a sample of model {sample.model!r} among those of "
                f"{next(iter(models))!r}; evaluate one model at a time"
            )
        if sample.sample in found[sample.id]:
            raise UserError(f"{where}: sample {sample.sample} of {sample.id!r} stands there twice")
        found[sample.id][sample.sample] = sample.response
        truncated += sample.finish_reason == "length"
    missing = [name for name, drawn in found.items() if not drawn]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {len(found)} problems have no sample, the first is "
            f"{missing[0]!r}; sample the same problems, or go on with an interrupted sampling"
        )
    responses = {name: [drawn[i] for i in sorted(drawn)] for name, drawn in found.items()}
    single = all(len(drawn) == 1 for drawn in responses.values())
    greedy = single and _temperature(Path(path)) in (None, 0)
    return SampledAnswers(next(iter(models), ""), responses, greedy, truncated)


def sample_files(path: Path) -> list[Path]:
    """The samples files of a folder in order, or the file itself.

    Raises:
      UserError: there are none, or the folder's sampling was not finished.
    """
    if path.is_file():
        return [path]
    files = sorted([*path.glob("samples-*.jsonl"), *path.glob("samples-*.jsonl.gz")])
    if not files:
        raise UserError(f"{path}: no samples-*.jsonl there; name what rft sample wrote")
    if (path / SETTINGS).exists() and not (path / COMPLETE).exists():
        raise UserError(f"{path}: sampling is not finished; run the same rft sample again")
    return files


def _samples(path: Path) -> Iterator[tuple[str, Sample]]:
    for file in sample_files(path):
        for line, sample in read_samples(file):
            yield f"{file}:{line}", sample


def _temperature(path: Path) -> float | None:
    """At which temperature a folder, or the one a file lies in, was sampled; None if unsaid."""
    settings = (path if path.is_dir() else path.parent) / SETTINGS
    return read_json(settings).get("temperature") if settings.exists() else None
