"""What an experiment measures and plots; plain values, no files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.files.names import STEPS_FILE, TRAINING_DATA_FILE
from rft_jax.pipeline.stages import Argument, Stage, training_steps


@runtime_checkable
class FromOutput(Protocol):
    """A column of a row that is read from the output of finished stages."""

    def read(self, root: Path) -> Any:
        """The value, from a run's folder."""


@dataclass(frozen=True)
class LossAt:
    """A training's loss at a step: the mean over the last tenth of all steps up to it.

    In pretraining, where no text is repeated, that is the loss on unseen text.
    """

    stage: Stage
    step: int

    def read(self, root: Path) -> float:
        """The loss in nats per token, from the training's output in a run's folder."""
        rows = [row for _, row in read_rows(root / self.stage.folder / STEPS_FILE)]
        return loss_at(rows, self.step)


def loss_at(rows: Sequence[Mapping[str, Any]], step: int) -> float:
    """The mean loss over the last tenth of all steps, up to this one; `rows` have all steps."""
    window = max(1, len(rows) // 10)
    losses = [row["loss"] for row in rows if step - window < row["step"] <= step]
    return sum(losses) / len(losses)


@dataclass(frozen=True)
class ExamplesAt:
    """How many examples a training of one epoch has read at a step; rounded.

    Attributes:
      step: an optimizer step; None for the last one.
    """

    stage: Stage
    step: int | None = None

    def read(self, root: Path) -> int:
        """The number of examples, from the training's output in a run's folder."""
        folder = root / self.stage.folder
        examples = read_json(folder / TRAINING_DATA_FILE)["examples"]
        if self.step is None:
            return examples
        return round(examples * self.step / training_steps(folder))


@dataclass(frozen=True)
class SamplesAt:
    """How many samples a policy training has drawn at a step, replaced ones among them.

    Attributes:
      step: None for the last one.
      before: samples that its start has cost.
    """

    stage: Stage
    step: int | None = None
    before: int = 0

    def read(self, root: Path) -> int:
        """The number of samples, from the training's output in a run's folder."""
        last = math.inf if self.step is None else self.step
        rows = (row for _, row in read_rows(root / self.stage.folder / STEPS_FILE))
        return self.before + round(sum(row["samples"] for row in rows if row["step"] <= last))


@dataclass(frozen=True)
class Measured:
    """A trained model with its evaluation: a row of results.json.

    Attributes:
      arm: its condition, e.g. `rft_k12`.
      label: the condition's name for readers.
      facts: columns of its row that describe the condition (`{"samples": 12}`), the x of plots.
      series: the plots' lines that it belongs to.
      greedy: the evaluation of one greedy answer per problem; `vote` again in a row of votes alone.
      vote: the evaluation of many samples per problem, where there is one.
      tests: the collection of the correct paths among those samples, where there is one.
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
    def is_votes_alone(self) -> bool:
        """Whether no greedy answer was measured."""
        return self.vote is self.greedy

    @property
    def model(self) -> Argument:
        """The model that is measured; votes counted together are of the first one's model."""
        stage = self.greedy
        while "--model" not in stage.arguments:
            stage = stage.waits_for[0]
        return stage.arguments["--model"]

    @property
    def stages(self) -> list[Stage]:
        """The stages whose output the row is made of."""
        return [stage for stage in (self.greedy, self.vote, self.tests) if stage is not None]


@dataclass(frozen=True)
class Plot:
    """One plot of an experiment's rows.

    Attributes:
      name: unique in the experiment.
      title: the plot's heading.
      x, y: columns of the rows; a line has a point per row that has both.
      series: the lines, in order.
      kind: `rows`: a point per condition, from its rows; `votes`: maj@k against k, from the
        votes' curve; `histogram`: bars of how many test problems have x distinct correct paths;
        `shares`: a bar per condition, divided by the columns that `series` names.
      x_label, y_label: labels of the axes.
      log_x: whether x has a logarithmic scale (base 2), in the plot and for fits.
      fit: whether a straight line is fitted to each series.
      baselines: conditions without an x, drawn as horizontal lines.
      paper: name of the published plot beside it, in `report.published`; '' for none.
    """

    name: str
    title: str
    x: str
    y: str
    series: tuple[str, ...]
    kind: Literal["rows", "votes", "histogram", "shares"] = "rows"
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    fit: bool = False
    baselines: tuple[str, ...] = ()
    paper: str = ""


def accuracy_against_samples(series: tuple[str, ...]) -> Plot:
    """A line per method, by the samples that it has drawn (`facts={"samples": …}`)."""
    return Plot(
        name="accuracy",
        title="Accuracy against samples",
        x="samples",
        y="accuracy",
        series=series,
        x_label="samples",
    )


def paths_of(accuracy: Plot, title: str) -> Plot:
    """The same lines with the distinct paths per problem that were trained on as y."""
    return replace(
        accuracy,
        name="paths",
        title=title,
        y="paths_per_problem",
        y_label="distinct paths per problem",
        fit=False,
        baselines=(),
        paper="",
    )
