"""Rows of results with the shares of errors, for each set of embedded test problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rft_jax.derive.stories import stories_of
from rft_jax.pipeline.measures import Measured, Plot
from rft_jax.pipeline.outcome.errors import KINDS, ErrorShare
from rft_jax.pipeline.outcome.verdicts import VerdictShare
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf, Stage

ENDINGS = {"ordinary numbers": "", "large numbers": "_large", "names": "_names"}
"""Sets of test problems -> the end of a condition's name on them."""
WRONG_EQUATION = "wrong_equation"


def check_embedded(plan: Plan) -> None:
    """Refuses test problems that no story of the generator is behind, before any work.

    Raises:
      UserError: names the first one.
    """
    for _ in stories_of(plan.test_list[:1]):
        return


def arm_on(condition: str, name: str) -> str:
    """A condition's name on a set of test problems."""
    return condition + ENDINGS[name]


def measure_errors(
    plan: Plan,
    condition: tuple[str, str],
    seed: int,
    model: Stage,
    label: str,
    problems: Argument | None,
    votes: bool = False,
    has_equations: bool = False,
    forced: Mapping[str, Any] | None = None,
) -> Measured:
    """A row for a model on one set of problems, with the shares of its errors.

    Args:
      condition: its name, and that of the set.
      problems: the set; None for the run's test problems.
      votes: whether maj@k and pass@k are measured too.
      has_equations: whether correct answers behind an incorrect calculation are counted.
      forced: further settings of the evaluations.
    """
    arm, forced = arm_on(*condition), forced or {}
    greedy = plan.evaluate(arm, seed, OutputOf(model), problems, **forced)
    facts: dict[str, Any] = {f"{kind}_errors": ErrorShare(greedy, kind) for kind in KINDS}
    if has_equations:
        facts[WRONG_EQUATION] = VerdictShare(greedy, WRONG_EQUATION)
    title = f"{label}: {condition[1]}"
    series = (condition[1], title)
    return plan.measure(arm, seed, model, title, series, votes, False, problems, facts, **forced)


def errors_plot() -> Plot:
    """A bar per condition: accuracy and the errors."""
    columns = ("accuracy", *(f"{kind}_errors" for kind in KINDS))
    return _shares("errors", "Errors of the plan, of arithmetic, and no answer", columns)


def wrong_equations_plot() -> Plot:
    """A bar per condition: correct answers behind an incorrect calculation."""
    title = "Correct answers behind an incorrect calculation"
    return _shares(WRONG_EQUATION, title, (WRONG_EQUATION,))


def _shares(name: str, title: str, columns: tuple[str, ...]) -> Plot:
    label = "condition"
    return Plot(name, title, label, "share", columns, kind="shares", x_label=label)
