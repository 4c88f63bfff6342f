"""`rft evaluate --against DIR`: two evaluations of the same problems, compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.evaluation.compare import check_same_questions, compare
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_json, read_rows, write_json
from rft_jax.records import Problem


def read_scores(folder: Path) -> dict[str, Fraction | None]:
    """Each problem's share of correct samples, from `predictions.jsonl`; None where undecided."""
    return {row["id"]: _share(row["correct"]) for _, row in read_rows(folder / "predictions.jsonl")}


def _share(correct: Sequence[bool | None]) -> Fraction | None:
    decided = [one for one in correct if one is not None]
    return Fraction(sum(decided), len(decided)) if decided else None


def _read_majorities(folder: Path) -> dict[str, Fraction | None]:
    """Each problem's maj@k, from `predictions.jsonl`; thirds and the like as exact fractions."""
    return {
        row["id"]: None
        if row["maj@k"] is None
        else Fraction(row["maj@k"]).limit_denominator(1_000_000)
        for _, row in read_rows(folder / "predictions.jsonl")
    }


def check_comparable(against: Path, problems: Sequence[Problem]) -> None:
    """Checks, before any work, that an earlier evaluation can be compared with.

    Args:
      against: its output folder.
      problems: the problems of this evaluation.

    Raises:
      UserError: the folder holds no evaluation, or one of other problems.
    """
    if not (against / "metrics.json").is_file():
        raise UserError(
            f"{against}: no metrics.json there; --against is the output of a finished rft evaluate"
        )
    check_same_questions([problem.id for problem in problems], read_scores(against))


def write_comparison(output: Path, against: Path, settings: EvaluateSettings) -> str:
    """Writes `comparison.json` (a = this evaluation, b = the earlier one); returns it as a table.

    maj@k is compared too if both have several samples and the same k.

    Args:
      output: this evaluation's folder.
      against: the earlier evaluation's folder.
      settings: of this evaluation.

    Raises:
      UserError: the two are not on the same problems.
    """
    resampling = (settings.bootstrap_resamples, settings.bootstrap_seed)
    a, b = read_json(output / "metrics.json"), read_json(against / "metrics.json")
    result = {
        "a": str(output),
        "b": str(against),
        **compare([read_scores(output)], [read_scores(against)], *resampling),
    }
    lines = [f"{output} against {against}", _line("correct", result)]
    if a["k"] == b["k"] > 1:
        majorities = [_read_majorities(output)], [_read_majorities(against)]
        result["maj@k"] = compare(*majorities, *resampling)
        lines.append(_line(f"maj@{a['k']}", result["maj@k"]))
    write_json(output / "comparison.json", result)
    return "\n".join(lines)


def _line(name: str, result: dict[str, Any]) -> str:
    low, high = (100 * bound for bound in result["ci95"])
    return (
        f"  {name:<9}{100 * result['difference']:+6.1f} percentage points   95 % interval "
        f"{low:+.1f} to {high:+.1f}   p = {result['p_value']:.2g} ({result['test']}), better on "
        f"{result['only_a']}, worse on {result['only_b']} of {result['n']}"
    )
