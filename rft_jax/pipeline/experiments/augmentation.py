"""The paper's two negative results: questions asked for samples, and answers revised."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.pipeline.measures import Figure
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, Many, OutputOf, Stage


@dataclass(frozen=True)
class QueryAugmentation:
    """Self-query: a model that learned to ask finds questions for what SFT answered.

    Attributes:
      k: samples of SFT for a problem, right or wrong, that get a question each.
    """

    k: int = 1

    def add_to(self, plan: Plan) -> None:
        """SFT with the generated rows, and on them alone, against SFT."""
        for seed in plan.seeds:
            sft = plan.train("sft", seed, plan.train_problems)
            drawn = OutputOf(plan.sample("sft", seed, OutputOf(sft)))
            problems: dict[str, Argument] = {"problems": plan.train_problems}
            turned = plan.derive("turned_round", "asking", seed, problems)
            asking = plan.train("asking", seed, turned)
            chains = plan.derive("chains", "asking", seed, problems | {"samples": drawn}, self.k)
            asked = plan.sample("asking", seed, OutputOf(asking), chains, num_samples=1)
            found = {"problems": chains, "samples": OutputOf(asked)}
            rows = plan.derive("queried", "asked", seed, found)
            both = plan.train("sft_asked", seed, Many((plan.train_problems, rows)))
            alone = plan.train("asked_alone", seed, rows)
            plan.measure("sft", seed, sft, "SFT")
            plan.measure("sft_asked", seed, both, "SFT with generated questions")
            plan.measure("asked_alone", seed, alone, "SFT on generated questions alone")
        plan.compare("sft_asked", "sft")
        plan.compare("asked_alone", "sft")


@dataclass(frozen=True)
class SelfRevising:
    """A model learns to answer again, given a question and a sample; at test, SFT's greedy answer.

    Attributes:
      ks: samples of a training problem that it learns from.
    """

    ks: tuple[int, ...] = (1, 4)

    def __post_init__(self) -> None:
        if any(k < 1 for k in self.ks):
            raise UserError(f"self_revising.ks is {self.ks}; a k is at least 1")

    def add_to(self, plan: Plan) -> None:
        """For every k all samples, and the one of them that is farthest from the human path."""
        for seed in plan.seeds:
            sft = plan.train("sft", seed, plan.train_problems)
            samples = plan.sample("sft", seed, OutputOf(sft), num_samples=max(self.ks))
            for k in sorted(self.ks, reverse=True):
                self._revise(plan, seed, sft, samples, k)
            plan.measure("sft", seed, sft, "SFT")
        for k in sorted(self.ks):
            plan.compare(f"revised_k{k}", "sft")
            plan.compare(f"farthest_k{k}", "sft")
        figure = Figure(
            name="revised",
            title="Accuracy after revising",
            x="samples",
            y="accuracy",
            series=("all samples", "the farthest sample"),
            x_label="samples per training problem (K)",
            baselines=("sft",),
        )
        plan.figures.append(figure)

    def _revise(self, plan: Plan, seed: int, sft: Stage, samples: Stage, k: int) -> None:
        greedy = OutputOf(plan.evaluate("sft", seed, OutputOf(sft)), "samples")
        inputs: dict[str, Argument] = {"problems": plan.test_problems, "samples": greedy}
        to_revise = plan.derive("revisions", "tests", seed, inputs, 1)
        learned = inputs | {"problems": plan.train_problems, "samples": OutputOf(samples)}
        for kind, arm, line in (
            ("revisions", f"revised_k{k}", "all samples"),
            ("farthest_revisions", f"farthest_k{k}", "the farthest sample"),
        ):
            model = plan.train(arm, seed, plan.derive(kind, arm, seed, learned, k))
            label = f"Revised, K = {k}, {line}"
            facts = {"samples": k}
            plan.measure(arm, seed, model, label, line, problems=to_revise, facts=facts)
