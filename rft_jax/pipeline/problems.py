"""The problems that a run uses, of those in its files."""

from __future__ import annotations

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.records import Problem
from rft_jax.verify.equations import find_annotations


def chosen_problems(spec: str, max_calculations: int = 0, limit: int = 0) -> list[Problem]:
    """The first `limit` problems of a file or data set whose solutions are short enough.

    Args:
      spec: as in `load_problems`.
      max_calculations: most annotated calculations of a reference solution, which has one at least
        then; 0: any number.
      limit: number of problems; 0: all.

    Raises:
      UserError: no problem is so short.
    """
    problems = load_problems(spec)
    if not max_calculations:
        return problems[: limit or None]
    short = [p for p in problems if 1 <= len(find_annotations(p.answer)) <= max_calculations]
    if not short:
        raise UserError(
            f"{spec}: none of its {len(problems)} reference solutions has 1 to {max_calculations} "
            "annotated calculations (<<…>>); raise run.max_calculations, or set it to 0 for any"
        )
    return short[: limit or None]
