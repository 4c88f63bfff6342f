"""The vocabulary of experiments: SFT, RFT and their samples, and the rows of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rft_jax.checkpoints.names import EMBEDDED, MODELS, model_folder
from rft_jax.errors import UserError
from rft_jax.files.identity import input_identity
from rft_jax.files.names import SAMPLES_FOLDER
from rft_jax.pipeline.builder import StageBuilder
from rft_jax.pipeline.measures import Measured, Plot
from rft_jax.pipeline.stages import Argument, Given, OutputOf, Stage
from rft_jax.records import PATHS_FILE, TEST_PATHS
from rft_jax.sampling.settings import SampleSettings


@dataclass
class Plan(StageBuilder):
    """An experiment: its stages, and the rows, comparisons and plots of its results.

    Attributes:
      measured: the rows of the results, in order.
      comparisons: pairs of conditions: is the first one better than the second one?
      plots: plots of the rows.
    """

    measured: list[Measured] = field(default_factory=list)
    comparisons: list[tuple[str, str]] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The run's seeds."""
        return self.settings.seeds

    @property
    def stages(self) -> list[Stage]:
        """The stages that the measured conditions need, in the order in which they start."""
        return self.graph.needed_for(stage for one in self.measured for stage in one.stages)

    @property
    def has_embedded_model(self) -> bool:
        """Whether the pretrained model is the package's own."""
        return self.settings.model in ("", EMBEDDED)

    @property
    def num_samples(self) -> int:
        """Samples per problem of a sampling whose condition has no other number."""
        return self.config.get(SampleSettings).num_samples

    def sft(
        self,
        seed: int,
        arm: str = "sft",
        model: Argument | None = None,
        num_samples: int | None = None,
        **train: Any,
    ) -> tuple[Stage, Stage]:
        """SFT on the training problems, and the samples of its model for them.

        Args:
          model: a pretrained model other than the run's.
          num_samples: samples per problem, other than in the settings.
          train: further training settings.

        Returns:
          The training and the sampling.
        """
        trained = self.train(arm, seed, self.train_problems, model, **train)
        forced: dict[str, Any] = {} if num_samples is None else {"num_samples": num_samples}
        return trained, self.sample(arm, seed, OutputOf(trained), **forced)

    def rft(
        self,
        arm: str,
        seed: int,
        samples: Stage | Sequence[Stage],
        k: int,
        model: Argument | None = None,
        **collect: Any,
    ) -> Stage:
        """RFT: trains the pretrained model on the paths among the first k samples per problem.

        Args:
          samples: a sampling, or several whose paths are merged.
          model: a pretrained model other than the run's.
          collect: further settings of collecting.
        """
        return self.train(arm, seed, self.collect_first(arm, seed, samples, k, **collect), model)

    def sample_member(
        self,
        arm: str,
        seed: int,
        k: int,
        model: Argument | None = None,
        template: str | None = None,
    ) -> Stage:
        """The samples of an SFT model that is a member of a union.

        SFT of the run's own seeds takes as many as other experiments do, which share them.

        Args:
          k: samples per problem.
          model: a pretrained model other than the run's.
          template: a prompt template other than the settings'.
        """
        train = {} if template is None else {"template": template}
        is_shared = arm == "sft" and seed in self.seeds
        return self.sft(seed, arm, model, None if is_shared else k, **train)[1]

    def collect_first(
        self, arm: str, seed: int, samples: Stage | Sequence[Stage], k: int, **forced: Any
    ) -> OutputOf:
        """The paths among the first k samples per problem of each sampling, as training data.

        Raises:
          UserError: all samplings have fewer.
        """
        stages = [samples] if isinstance(samples, Stage) else samples
        drawn = max(samples_of(stage) for stage in stages)
        if k > drawn:
            name = f"{stages[0].arm}/" if drawn < self.num_samples else ""
            raise UserError(f"k = {k}, and {name}sample.num_samples = {drawn}; raise it to k")
        first = k if k < max(drawn, self.num_samples) else 0
        return OutputOf(self.collect(arm, seed, stages, first_samples=first, **forced), PATHS_FILE)

    def few_shot(self, arm: str, seed: int, shots: int) -> OutputOf:
        """The test problems with `shots` training problems before each question.

        Raises:
          UserError: there are fewer.
        """
        if not 1 <= shots <= len(self.train_list):
            raise UserError(
                f"{shots} examples in a prompt, of {len(self.train_list)} training problems; set "
                f"the experiment's shots to 1 … {len(self.train_list)}"
            )
        inputs = {"problems": self.test_problems, "examples": self.train_problems}
        return self.derive("few_shot", arm, seed, inputs, shots)

    def measure(
        self,
        arm: str,
        seed: int,
        model: Stage | Argument,
        label: str = "",
        series: str | tuple[str, ...] = (),
        votes: bool = False,
        test_paths: bool = False,
        problems: Argument | None = None,
        facts: Mapping[str, Any] | None = None,
        vote_problems: Argument | None = None,
        **forced: Any,
    ) -> Measured:
        """Adds a row of the results: a model's accuracy, and what describes its condition.

        Args:
          model: a training, or another model.
          label: the condition's name for readers.
          series: the lines of plots that the row belongs to.
          votes: whether maj@k and pass@k are measured too.
          test_paths: whether the distinct correct paths among those samples are counted.
          problems: problems derived from the test problems (with few-shot prompts, say).
          facts: columns of the row.
          vote_problems: what maj@k and pass@k are measured on, where it is something else.
          forced: further settings of the evaluations.
        """
        if isinstance(model, Stage):
            model = OutputOf(model)
        greedy = self.evaluate(arm, seed, model, problems, **forced)
        vote, paths = None, None
        if votes or test_paths or arm in self.settings.vote_arms:
            vote = self.vote(arm, seed, model, vote_problems or problems, **forced)
        if test_paths and vote is not None:
            samples, voted_on = OutputOf(vote, SAMPLES_FOLDER), vote.arguments["--problems"]
            paths = self.collect(arm, seed, samples, voted_on, TEST_PATHS)
        lines = (series,) if isinstance(series, str) else series
        return self._add_row(
            Measured(arm, seed, label or arm, greedy, facts or {}, lines, vote, paths)
        )

    def measure_together(
        self,
        arm: str,
        seed: int,
        rows: Sequence[Measured],
        label: str,
        series: str | tuple[str, ...] = (),
    ) -> None:
        """Adds a row of the results: votes over the samples of several rows' votes.

        Args:
          rows: of one model on the same problems, with votes.
          label: the condition's name for readers.
          series: the lines of plots that the row belongs to.
        """
        vote = self.vote_together(arm, seed, [row.vote for row in rows if row.vote is not None])
        lines = (series,) if isinstance(series, str) else series
        self._add_row(Measured(arm, seed, label, vote, {}, lines, vote))

    def _add_row(self, row: Measured) -> Measured:
        """Adds a row; one training that occurs twice would count as two."""
        if any((one.arm, one.seed) == (row.arm, row.seed) for one in self.measured):
            raise UserError(
                f"condition {row.arm!r} occurs twice for seed {row.seed}: a setting of "
                f"{self.settings.experiment} or run.seeds repeats an item; leave it out"
            )
        self.measured.append(row)
        return row

    def compare(self, a: str, b: str) -> None:
        """Adds a paired test, question by question: is condition a better than condition b?"""
        self.comparisons.append((a, b))

    def select_arms(self) -> None:
        """Keeps the conditions that `run.arms` names; all of them if it is empty.

        Raises:
          UserError: the settings name one that is not in the experiment.
        """
        arms = list(dict.fromkeys(one.arm for one in self.measured))
        for name in ("arms", "vote_arms"):
            for arm in getattr(self.settings, name):
                if arm not in arms:
                    raise UserError(f"run.{name} has {arm!r}; there are {', '.join(arms)}")
        selected = self.settings.arms or arms
        for arm in self.settings.vote_arms:
            if arm not in selected:
                raise UserError(f"run.vote_arms has {arm!r}, which is not in run.arms {selected}")
        self.measured = [one for one in self.measured if one.arm in selected]
        self.comparisons = [(a, b) for a, b in self.comparisons if {a, b} <= {*selected}]


def samples_of(sampling: Stage) -> int:
    """Samples per problem of a sampling."""
    number: int = sampling.settings["sample"].num_samples
    return number


def model_input(name: str, setting: str = "run.model") -> Given:
    """A model as an input; one of the package keeps its name, which any machine knows.

    Args:
      name: as `model_folder` takes it.
      setting: has the name.

    Raises:
      UserError: there is no such folder, and no such model on the Hub; names the setting.
    """
    try:
        folder = Path(model_folder(name)).absolute()
    except UserError as error:
        raise type(error)(f"{setting}: {error}") from error
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; {setting} names one with config.json")
    return Given(name if name in MODELS else str(folder), input_identity(folder))
