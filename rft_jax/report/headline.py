"""The main result of a run in a few sentences, which claim no more than its trainings carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rft_jax.evaluation.compare import claim, p_equals
from rft_jax.evaluation.intervals import ALPHA
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import measure, shown_sign

Compared = Mapping[str, Any]


def headline(run: RunRecord) -> str:
    """The main result of a run, what it is measured on and about; empty without results."""
    if not run.rows:
        return ""
    compared = main_comparison(run)
    said = _best(run) if compared is None else _comparison(run, compared)
    return " ".join(filter(None, [said, _split_use(run)]))


def _comparison(run: RunRecord, compared: Compared) -> str:
    a, b = (f"{run.arm_name(compared[side])}" for side in "ab")
    share_a, share_b = (_mean_accuracy(run, compared[side]) for side in "ab")
    # Rows of other conditions may be on other problems.
    of_a = (row for row in run.rows if row["model"] == compared["a"])
    n = measure(next(of_a, run.rows[0]))["n"]
    return (
        f"Of {_problems(run, n)}, {a} solves {share_a:.1f} % and {b} {share_b:.1f} %"
        f"{_average(compared)}: {_points(100 * compared['difference'])} "
        f"({_interval(compared)}, p\u00a0{_equals(claim(compared)['p_value'])}). "
        f"{_verdict(compared)}"
    )


def _average(compared: Compared) -> str:
    trainings = _trainings(compared)
    if max(trainings) == 1:
        return ""
    if min(trainings) == max(trainings):
        return f" on average over {trainings[0]} trainings of each"
    return f" on average over {trainings[0]} and {trainings[1]} trainings"


def _trainings(compared: Compared) -> tuple[int, int]:
    """Of a and of b; files of earlier versions have only the number of pairs."""
    pairs = len(compared.get("by_seed", ())) or 1
    counts = compared.get("trainings", {"a": pairs, "b": pairs})
    return counts["a"], counts["b"]


def _interval(compared: Compared) -> str:
    method = compared.get("method")
    if not method:
        return f"95 % interval over questions {_range(compared['ci95'])}"
    parts = [
        f"{name} {_range(method[key])}"
        for key, name in (("ci95", "over trainings and questions"), ("ci95_t", "by Student's t"))
        if method[key]
    ]
    return f"95 % interval {', '.join(parts)}"


def _range(bounds: tuple[float, float]) -> str:
    low, high = (100 * bound for bound in bounds)
    return f"{low:+.1f} to {high:+.1f}"


def _points(difference: float) -> str:
    direction = {-1: "lower", 0: "", 1: "higher"}[shown_sign(difference)]
    return f"{abs(difference):.1f} percentage points {direction}" if direction else "no difference"


def _equals(p_value: float) -> str:
    return p_equals(p_value).replace(" ", "\u00a0")


def _verdict(compared: Compared) -> str:
    """Significance among the comparisons of the page, and of what."""
    comparisons = compared["holm_comparisons"]
    significant = compared["p_holm"] < ALPHA
    between = "between these two models"
    if compared.get("method"):
        one = min(_trainings(compared)) == 1
        between = "between the method and the one model" if one else "of the methods"
    said = (
        f"The difference {between} is {'' if significant else 'not '}statistically significant "
        f"(p {'<' if significant else '≥'} {ALPHA}"
        f"{f' by Holm for {comparisons} comparisons' if comparisons > 1 else ''})."
    )
    if compared.get("method"):
        return said
    if max(_trainings(compared)) > 1:
        return f"{said} The interval is over questions: it says nothing about other trainings."
    return f"{said} It is one training of each, which says nothing about other trainings."


def main_comparison(run: RunRecord) -> Compared | None:
    """RFT against SFT where that was compared; else the first comparison."""
    return next(iter(ranked_comparisons(run)), None)


def ranked_comparisons(run: RunRecord) -> list[Compared]:
    """The comparisons of a run in their order; RFT against SFT first where that was compared."""
    return sorted(run.comparisons, key=lambda row: (row["a"], row["b"]) != ("rft", "sft"))


def _mean_accuracy(run: RunRecord, model: str) -> float:
    """In percent, over the model's seeds: the mean that the table of conditions has."""
    for one in run.conditions:
        if one["model"] == model:
            return 100 * float(one["value"])
    values = [measure(row)["value"] for row in run.rows if row["model"] == model]
    return 100 * sum(values) / len(values) if values else 0.0


def _best(run: RunRecord) -> str:
    best = max(run.rows, key=lambda row: measure(row)["value"])
    metric = measure(best)
    low, high = (100 * bound for bound in metric["ci95"])
    said = [
        f"{run.arm_name(best['model'])} solves {100 * metric['value']:.1f} % of "
        f"{_problems(run, metric['n'], article='')} (this model; 95 % interval over questions "
        f"{low:.1f} to {high:.1f})."
    ]
    if len(run.rows) > 1:
        said.append(f"It is the best of {len(run.rows)} on these problems, likely worse on others.")
    if len({row["model"] for row in run.rows}) == len(run.rows):
        said.append("It is one training, which says nothing about other trainings.")
    return " ".join(said)


def _problems(run: RunRecord, n: int, article: str = "the ") -> str:
    name = run.problems.get("test")
    return f"{article}{n:,} problems of {name}" if name else f"{n:,} test problems"


def _split_use(run: RunRecord) -> str:
    """How often the test problems were used before, where that is known."""
    before = run.problems.get("published_experiments", 0)
    if not before:
        return ""
    used = f"{before} published experiments were" if before > 1 else "a published experiment was"
    return f"{run.problems['test']} is not unseen: {used} measured on it."
