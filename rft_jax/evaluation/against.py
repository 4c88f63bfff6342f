"""`rft evaluate --against DIR`: two evaluations of the same problems, compared in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.evaluation.compare import check_same_questions, compare, p_equals, with_holm
from rft_jax.files.jsonl import read_object, read_rows, write_json
from rft_jax.files.names import METRICS_FILE, PREDICTIONS_FILE
from rft_jax.records import Problem
from rft_jax.records.fields import text_field

_NONE = type(None)
_AGAIN = "a file that rft evaluate wrote is needed; run it again into a new folder"


def read_scores(folder: Path) -> dict[str, Fraction | None]:
    """Each problem's share of correct samples, from `predictions.jsonl`; None where undecided.

    Raises:
      UserError: the file is not one of predictions; names file and line.
    """
    return {name: _share(row.get("correct"), where) for name, row, where in _predictions(folder)}


def _predictions(folder: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yields (problem id, row, file and line)."""
    path = folder / PREDICTIONS_FILE
    for number, row in read_rows(path):
        where = f"{path}:{number}"
        yield text_field(row, ("id",), where), row, where


def _share(correct: Any, where: str) -> Fraction | None:
    if not isinstance(correct, list) or not all(type(one) in (bool, _NONE) for one in correct):
        raise UserError(f"{where}: correct is {correct!r:.60}; {_AGAIN}")
    decided = [one for one in correct if one is not None]
    return Fraction(sum(decided), len(decided)) if decided else None


def _read_majorities(folder: Path) -> dict[str, Fraction | None]:
    """Each problem's maj@k, from `predictions.jsonl`; thirds and the like as exact fractions."""
    found: dict[str, Fraction | None] = {}
    for name, row, where in _predictions(folder):
        share = row.get("maj@k")
        if type(share) not in (float, int, _NONE) or not 0 <= (share or 0) <= 1:
            raise UserError(f"{where}: maj@k is {share!r:.60}; {_AGAIN}")
        found[name] = None if share is None else Fraction(share).limit_denominator(1_000_000)
    return found


def check_comparable(against: Path, problems: Sequence[Problem]) -> None:
    """Checks, before any work, that an earlier evaluation can be compared with.

    Args:
      against: its output folder.
      problems: the problems of this evaluation.

    Raises:
      UserError: the folder holds no evaluation, or one of other problems.
    """
    if not (against / METRICS_FILE).is_file():
        raise UserError(
            f"{against}: no metrics.json there; --against is the output of a finished rft evaluate"
        )
    check_same_questions([problem.id for problem in problems], read_scores(against))


def write_comparison(output: Path, against: Path) -> str:
    """Writes `comparison.json` (a = this evaluation, b = the earlier one); returns it as a table.

    maj@k is compared too if both have several samples and the same k.

    Args:
      output: this evaluation's folder.
      against: the earlier evaluation's folder.

    Raises:
      UserError: the two are not on the same problems.
    """
    a, b = read_object(output / METRICS_FILE), read_object(against / METRICS_FILE)
    named = {"a": str(output), "b": str(against)}
    names, compared = ["correct"], [compare({0: read_scores(output)}, {0: read_scores(against)})]
    if a["k"] > 1 and a["k"] == b.get("k"):
        names.append(f"maj@{a['k']}")
        compared.append(compare({0: _read_majorities(output)}, {0: _read_majorities(against)}))
    correct, *majority = with_holm(compared)
    more = {"maj@k": majority[0]} if majority else {}
    write_json(output / "comparison.json", named | correct | more)
    lines = [_line(name, one) for name, one in zip(names, [correct, *majority], strict=True)]
    return "\n".join([f"{output} against {against}", *lines, _note(len(compared))])


def _line(name: str, result: dict[str, Any]) -> str:
    low, high = (100 * bound for bound in result["ci95"])
    is_only = result["p_holm"] == result["p_value"]
    return (
        f"  {name:<9}{100 * result['difference']:+6.1f} percentage points   95 % interval "
        f"{low:+.1f} to {high:+.1f}   p {p_equals(result['p_value'])} ({result['test']}), "
        f"better on {result['only_a']}, worse on {result['only_b']} of {result['n']}"
        + ("" if is_only else f", Holm's p {p_equals(result['p_holm'])}")
    )


def _note(comparisons: int) -> str:
    corrected = "; Holm's p is for both comparisons together" if comparisons > 1 else ""
    return (
        "  These are two models: intervals and p are over questions, and say nothing about other "
        f"trainings of the same kind{corrected}."
    )
