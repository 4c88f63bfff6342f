"""RFT on the merged paths of several SFT models."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.pipeline.experiments.small_models import TEMPLATE, small_model
from rft_jax.pipeline.measures import Plot, paths_of
from rft_jax.pipeline.plan import Plan, model_input
from rft_jax.pipeline.stages import Argument, OutputOf, Stage

MORE, EQUAL = "all samples of each model", "same total number of samples"


@dataclass(frozen=True)
class RftUnion:
    """Unions of the first members of a list, with k samples per member and with k in total.

    Attributes:
      members: seeds of SFT of the run's model, each a member. A run's own seed is the first member
        of its unions, the others follow in turn.
      models: folders of pretrained models of other sizes; an SFT of each is a further member. The
        model that is trained on the union is always the run's.
      widths: hidden sizes of small models that are pretrained on the embedded text; an SFT of each
        is a further member. Only with the embedded model.
      sizes: numbers of members in a union; () for 1, 2, 4 and so on, and for all.
      k: samples per problem, of each member or in total.
    """

    members: tuple[int, ...] = (0, 1, 2, 3)
    models: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    k: int = 100

    def add_to(self, plan: Plan) -> None:
        """Every member samples once, for all unions that it is in."""
        for seed in plan.seeds:
            members = self._members(plan, seed)
            sizes = self._sizes(len(members))
            for size in reversed(sizes):
                self._union(plan, seed, members[:size])
            sft = plan.train("sft", seed, plan.train_problems)
            plan.measure("sft", seed, sft, "SFT", facts={"members": 0})
        for size in sizes:
            plan.compare(f"rft_u{size}", "sft" if size == sizes[0] else "rft_u1")
            if size > 1:
                plan.compare(f"rft_u{size}", f"rft_u{size}_equal")
        self._plot(plan)

    def _members(self, plan: Plan, seed: int) -> list[Stage]:
        if seed not in self.members:
            raise UserError(
                f"run.seeds has {seed}, which is not in rft_union.members {self.members}; add it"
            )
        first = self.members.index(seed)
        samples: list[Stage] = []
        for member in (*self.members[first:], *self.members[:first]):
            samples.append(plan.sample_member("sft", member, self.k))
        for i, folder in enumerate(self.models):
            model: Argument = model_input(folder, "rft_union.models")
            samples.append(plan.sample_member(f"other{i + 1}", seed, self.k, model))
        for width in self.widths if plan.has_embedded_model else ():
            model = OutputOf(small_model(plan, width))
            samples.append(plan.sample_member(f"sft_w{width}", seed, self.k, model, TEMPLATE))
        return samples

    def _sizes(self, most: int) -> list[int]:
        if any(not 1 <= size <= most for size in self.sizes):
            raise UserError(
                f"rft_union.sizes is {self.sizes}; there are {most} members (rft_union.members, "
                ".models and .widths)"
            )
        doubled = [2**i for i in range(most.bit_length())]
        return sorted(self.sizes) or sorted({*doubled, most})

    def _union(self, plan: Plan, seed: int, members: list[Stage]) -> None:
        size, k = len(members), self.k
        shares = {f"rft_u{size}": (k, MORE)}
        if size > 1:
            shares[f"rft_u{size}_equal"] = (max(1, k // size), EQUAL)
        for arm, (each, line) in shares.items():
            model = plan.rft(arm, seed, members, each)
            lines = (MORE, EQUAL) if size == 1 else line
            label = f"RFT, {size} {'model' if size == 1 else 'models'}, {each} samples each"
            facts = {"members": size, "samples": each}
            plan.measure(arm, seed, model, label, lines, facts=facts)

    def _plot(self, plan: Plan) -> None:
        accuracy = Plot(
            name="accuracy",
            title="Accuracy against the models in the union",
            x="members",
            y="accuracy",
            series=(MORE, EQUAL),
            x_label="models in the union",
            baselines=("sft",),
            paper="union",
        )
        plan.plots += [accuracy, paths_of(accuracy, "Distinct paths against union size")]
