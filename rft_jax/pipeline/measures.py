"""What an experiment asks to be measured, compared and drawn; plain values, no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import read_rows
from rft_jax.pipeline.stages import Stage


@dataclass(frozen=True)
class LossAt:
    """A training's loss at a step: the mean over the tenth of all steps that ends there.

    In pretraining, where no text comes twice, that is the loss on text that was not seen before.
    """

    stage: Stage
    step: int

    def read(self, root: Path) -> float:
        """In nats a token."""
        rows = [row for _, row in read_rows(root / self.stage.folder / "metrics.jsonl")]
        window = max(1, len(rows) // 10)
        losses = [row["loss"] for row in rows if self.step - window < row["step"] <= self.step]
        return sum(losses) / len(losses)


@dataclass(frozen=True)
class Measured:
    """A trained model with its evaluation: a row of results.json.

    Attributes:
      arm: its name, e.g. `rft_k12`.
      label: its name for people.
      facts: what sets it apart, as columns of its row (`{"samples": 12}`); the figures are drawn
        against these.
      series: the figures' lines that it belongs to.
      greedy: the evaluation by one greedy answer.
      vote: the evaluation by many samples, where there is one.
      tests: the collection of the right paths among those samples, where there is one.
    """

    arm: str
    seed: int
    label: str
    greedy: Stage
    facts: Mapping[str, Any] = field(default_factory=dict)
    series: tuple[str, ...] = ()
    vote: Stage | None = None
    tests: Stage | None = None

    @property
    def stages(self) -> list[Stage]:
        """What has to be finished for it to be known."""
        return [stage for stage in (self.greedy, self.vote, self.tests) if stage is not None]


@dataclass(frozen=True)
class Figure:
    """One picture over an experiment's rows.

    Attributes:
      name: unique in the experiment.
      title: what stands over it.
      x, y: columns of the rows; a line's points are those of its rows that have both. For
        `votes`, x is the number of votes and y comes from the vote's curve; for `histogram`, bars
        of how many test problems have x different right paths.
      x_label, y_label: what stands at the axes.
      log_x: whether x is drawn, and fitted, on a logarithmic scale (base 2).
      fit: whether a straight line is fitted to each series.
      baselines: arms that have no x: drawn as level lines.
      series: the lines, in order.
      paper: name of the published figure beside it, in `report.published`; '' for none.
    """

    name: str
    title: str
    x: str
    y: str
    series: tuple[str, ...]
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    fit: bool = False
    baselines: tuple[str, ...] = ()
    paper: str = ""


def paths_of(figure: Figure, title: str) -> Figure:
    """The same lines, with the different paths that were trained on instead of the accuracy."""
    return replace(
        figure,
        name="paths",
        title=title,
        y="paths_per_problem",
        y_label="different paths a problem",
        fit=False,
        baselines=(),
        paper="",
    )
