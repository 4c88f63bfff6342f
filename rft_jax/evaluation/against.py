"""`rft evaluate --against DIR`: two evaluations of the same problems, compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.evaluation.compare import check_same_questions, compare, with_holm
from rft_jax.files.jsonl import read_json, read_rows, write_json
from rft_jax.files.names import METRICS_FILE, PREDICTIONS_FILE
from rft_jax.records import Problem


def read_scores(folder: Path) -> dict[str, Fraction | None]:
    """Each problem's share of correct samples, from `predictions.jsonl`; None where undecided."""
    return {row["id"]: _share(row["correct"]) for _, row in read_rows(folder / PREDICTIONS_FILE)}


def _share(correct: Sequence[bool | None]) -> Fraction | None:
    decided = [one for one in correct if one is not None]
    return Fraction(sum(decided), len(decided)) if decided else None


def _read_majorities(folder: Path) -> dict[str, Fraction | None]:
    """Each problem's maj@k, from `predictions.jsonl`; thirds and the like as exact fractions."""
    return {
        row["id"]: None
        if row["maj@k"] is None
        else Fraction(row["maj@k"]).limit_denominator(1_000_000)
        for _, row in read_rows(folder / PREDICTIONS_FILE)
    }


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
    a, b = read_json(output / METRICS_FILE), read_json(against / METRICS_FILE)
    named = {"a": str(output), "b": str(against)}
    names, compared = ["correct"], [compare({0: read_scores(output)}, {0: read_scores(against)})]
    if a["k"] == b["k"] > 1:
        names.append(f"maj@{a['k']}")
        compared.append(compare({0: _read_majorities(output)}, {0: _read_majorities(against)}))
    correct, *majority = with_holm(compared)
    more = {"maj@k": majority[0]} if majority else {}
    write_json(output / "comparison.json", named | correct | more)
    lines = [_line(name, one) for name, one in zip(names, [correct, *majority], strict=True)]
    return "\n".join([f"{output} against {against}", *lines, _note(len(compared))])


def _line(name: str, result: dict[str, Any]) -> str:
    low, high = (100 * bound for bound in result["ci95"])
    return (
        f"  {name:<9}{100 * result['difference']:+6.1f} percentage points   95 % interval "
        f"{low:+.1f} to {high:+.1f}   p = {result['p_value']:.2g} ({result['test']}), better on "
        f"{result['only_a']}, worse on {result['only_b']} of {result['n']}"
        + (f", Holm's p = {result['p_holm']:.2g}" if result["p_holm"] != result["p_value"] else "")
    )


def _note(comparisons: int) -> str:
    corrected = "; Holm's p is for both comparisons together" if comparisons > 1 else ""
    return (
        "  These are two models: intervals and p are over questions, and say nothing about other "
        f"trainings of the same kind{corrected}."
    )
