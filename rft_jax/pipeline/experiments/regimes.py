"""Where deduplication, unions and a better pretrained model pay: a grid around RFT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from rft_jax.errors import UserError
from rft_jax.files.names import checkpoint_of
from rft_jax.pipeline.experiments.small_models import SAVED, TEMPLATE, small_model
from rft_jax.pipeline.measures import Plot
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf, Stage

SFT = "SFT"
KINDS = {"rft": "RFT", "no_dedup": "RFT without dedup", "union": "RFT on two SFT models"}
"""What is trained on k samples per problem: prefix of the condition's name -> its lines."""


class Cell(NamedTuple):
    """A pretrained model and a number of training problems.

    Attributes:
      name: ends the names of its conditions; '' for the run's model on all training problems,
        whose stages other experiments share.
      label: the cell's name for readers.
      strength: the pretrained model's name.
      model: the pretrained model; None for the run's.
      template: forced in training; None leaves it to the settings.
      data: the training problems.
      num_problems: their number.
    """

    name: str
    label: str
    strength: str
    model: Argument | None
    template: str | None
    data: Argument
    num_problems: int


@dataclass(frozen=True)
class Regimes:
    """SFT, RFT, RFT without deduplication and a union, by pretrained model, problems and k.

    Attributes:
      width: hidden size of the weaker models: one pretraining on the embedded text.
      steps: steps of that pretraining after which it is a weaker model, rising; () for none. Only
        with the embedded model, which is the strongest.
      problems: numbers of training problems, chosen at random by seed, smaller ones within larger.
      ks: samples per problem, even: of one SFT model, or half of them from each of two.
    """

    width: int = 128
    steps: tuple[int, ...] = (4000, 8000)
    problems: tuple[int, ...] = (250, 1000)
    ks: tuple[int, ...] = (4, 12)

    def __post_init__(self) -> None:
        if any(k < 2 or k % 2 for k in self.ks) or not self.ks:
            raise UserError(f"regimes.ks is {self.ks}; even numbers from 2 on are needed")
        if any(count < 1 for count in self.problems) or not self.problems:
            raise UserError(f"regimes.problems is {self.problems}; a number is at least 1")
        if unsaved := {*self.steps} - {*SAVED}:
            saved = ", ".join(map(str, SAVED))
            raise UserError(
                f"regimes.steps has {min(unsaved)}; the pretraining is saved at {saved}"
            )

    def add_to(self, plan: Plan) -> None:
        """Every cell has an SFT with its samples, a second SFT, and the kinds of RFT for each k."""
        for seed in plan.seeds:
            for cell in self._cells(plan, seed):
                self._measure(plan, seed, cell)
        cells = list(self._cells(plan, plan.seeds[0]))
        for k in self.ks:
            for cell in cells:
                rft, no_dedup, union = (_arm(f"{kind}_k{k}", cell) for kind in KINDS)
                plan.compare(rft, _arm("sft", cell))
                plan.compare(rft, no_dedup)
                plan.compare(union, rft)
        plan.plots += [self._plot(name) for name in dict.fromkeys(c.strength for c in cells)]

    def _cells(self, plan: Plan, seed: int) -> Iterator[Cell]:
        total = len(plan.train_list)
        for count in sorted({min(count, total) for count in self.problems}, reverse=True):
            data = plan.part(count, seed)
            for strength, model, template in self._models(plan):
                parts = [strength] * (model is not None) + [f"n{count}"] * (count < total)
                name, label = "_".join(parts), f"{strength}, {count} problems"
                yield Cell(name, label, strength, model, template, data, count)

    def _models(self, plan: Plan) -> Iterator[tuple[str, Argument | None, str | None]]:
        """Name, folder and template of each pretrained model, the strongest first."""
        yield "embedded" if plan.has_embedded_model else "base", None, None
        for step in sorted(self.steps, reverse=True) if plan.has_embedded_model else ():
            pretrained = small_model(plan, self.width)  # of other experiments too
            yield f"steps{step}", OutputOf(pretrained, checkpoint_of(step)), TEMPLATE

    def _measure(self, plan: Plan, seed: int, cell: Cell) -> None:
        # Of all problems the second SFT model is the next seed's; of a part, another seed's has
        # other problems.
        second = "sft" if cell.num_problems == len(plan.train_list) else "second_sft"
        members = {seed: _arm("sft", cell), seed + 1: _arm(second, cell)}
        models = [self._train(plan, arm, of, cell.data, cell) for of, arm in members.items()]
        samples = [
            self._samples(plan, arm, of, cell, model)
            for (of, arm), model in zip(members.items(), models, strict=True)
        ]
        facts = {"train_problems": cell.num_problems}
        for k in self.ks:
            for kind, name in KINDS.items():
                arm = _arm(f"{kind}_k{k}", cell)
                of, each = (samples, k // 2) if kind == "union" else (samples[:1], k)
                forced: dict[str, Any] = {"dedup": "none"} if kind == "no_dedup" else {}
                paths = plan.collect_first(arm, seed, of, each, problems=cell.data, **forced)
                model = self._train(plan, arm, seed, paths, cell)
                label, line = f"{name}, k = {k}, {cell.label}", _line(f"{name}, k = {k}", cell)
                plan.measure(arm, seed, model, label, line, facts=facts | {"samples": k})
        label = f"{SFT}, {cell.label}"
        plan.measure(_arm("sft", cell), seed, models[0], label, _line(SFT, cell), facts=facts)

    def _train(self, plan: Plan, arm: str, seed: int, data: Argument, cell: Cell) -> Stage:
        forced: dict[str, Any] = {} if cell.template is None else {"template": cell.template}
        return plan.train(arm, seed, data, cell.model, **forced)

    def _samples(self, plan: Plan, arm: str, seed: int, cell: Cell, model: Stage) -> Stage:
        """As many as other experiments take where they share them, else as many as are used."""
        is_shared = not cell.name and seed in plan.seeds
        forced: dict[str, Any] = {} if is_shared else {"num_samples": max(self.ks)}
        return plan.sample(arm, seed, OutputOf(model), cell.data, **forced)

    def _plot(self, strength: str) -> Plot:
        names = [SFT, *(f"{name}, k = {k}" for k in self.ks for name in KINDS.values())]
        return Plot(
            name=strength,
            title=f"Accuracy against training problems, {strength}",
            x="train_problems",
            y="accuracy",
            series=tuple(f"{name}, {strength}" for name in names),
            x_label="training problems",
            log_x=True,
        )


def _arm(kind: str, cell: Cell) -> str:
    return f"{kind}_{cell.name}" if cell.name else kind


def _line(name: str, cell: Cell) -> str:
    return f"{name}, {cell.strength}"
