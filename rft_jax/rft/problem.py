"""One problem: which of its samples become training paths, and its lines of the two files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rft_jax.records import Problem, ledger_line, path_line
from rft_jax.rft.decontaminate import NOTHING, Exclusion
from rft_jax.rft.graded import Graded
from rft_jax.rft.rows import Row
from rft_jax.rft.select import SELECTORS
from rft_jax.rft.settings import CollectSettings


@dataclass
class Selection:
    """The paths that are kept of a problem, in order of their keys' first appearance.

    Attributes:
      rows: their samples; where the reference solution is compared with them, it is the first.
      samples: the index of each among the problem's samples, -1 for the reference solution.
      has_solution: whether the reference solution is a training path.
    """

    rows: list[Row] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    has_solution: bool = True


def select_paths(
    graded: Sequence[Graded],
    solution: Graded,
    settings: CollectSettings,
    excluded: Exclusion = NOTHING,
) -> Selection:
    """Keeps one of the correct samples for each key.

    Args:
      solution: the problem's reference solution.
      excluded: what shares text with a test set.
    """
    has_solution = solution.row.is_solution and not (excluded.question or excluded.human)
    selection = Selection(has_solution=has_solution)
    rows, samples = selection.rows, selection.samples
    indices: dict[str, int] = {}  # of the keys in the two lists
    if settings.count_human and selection.has_solution:
        indices[solution.key] = 0
        rows.append(solution.row)
        samples.append(-1)
    selector = SELECTORS[settings.select]()
    for number, (row, grade, key) in enumerate(graded):
        if grade.verdict != "correct" or not (grade.equations or settings.keep_unannotated):
            continue
        if excluded is not NOTHING and (excluded.question or row.response in excluded.texts):
            continue
        index = indices.setdefault(key, len(rows))
        if index == len(rows):
            rows.append(row)
            samples.append(number)
        elif samples[index] >= 0 and selector.replaces(row, index, rows):
            rows[index] = row
            samples[index] = number
    if settings.max_paths:
        most = settings.max_paths + (-1 in samples)
        del rows[most:], samples[most:]
    return selection


def ledger_lines(problem: Problem, graded: Sequence[Graded], selection: Selection) -> str:
    """The problem's rows of `ledger.jsonl`."""
    chosen = set(selection.samples)
    return "".join(
        [
            ledger_line(
                problem.id,
                row.sample,
                row.model,
                grade.verdict,
                grade.reason,
                grade.answer,
                key,
                number in chosen,
            )
            for number, (row, grade, key) in enumerate(graded)
        ]
    )


def path_lines(
    problem: Problem, graded: Sequence[Graded], solution: Graded, selection: Selection
) -> str:
    """The problem's rows of `paths.jsonl`: the reference solution, then the sampled paths."""
    models = models_by_key(graded)
    lines = []
    if selection.has_solution:
        compared = -1 in selection.samples
        lines.append(_line(problem, solution, "human", models[solution.key] if compared else ()))
    for number in selection.samples:
        if number >= 0:
            lines.append(_line(problem, graded[number], "sampled", models[graded[number].key]))
    return "".join(lines)


def _line(problem: Problem, path: Graded, origin: str, models: Iterable[str]) -> str:
    (row, grade, _) = path
    return path_line(
        problem.id, problem.question, row.response, origin, models, grade.equations, row.form
    )


def models_by_key(graded: Sequence[Graded]) -> dict[str, dict[str, None]]:
    """For each key, the models with a correct sample of it, in order."""
    models: dict[str, dict[str, None]] = defaultdict(dict)
    for row, grade, key in graded:
        if grade.verdict == "correct":
            models[key][row.model] = None
    return models
