"""The paper's two negative results: questions generated for samples, and revised answers."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.files.names import SAMPLES_FOLDER
from rft_jax.pipeline.measures import Plot
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, Many, OutputOf, Stage


@dataclass(frozen=True)
class QueryAugmentation:
    """Self-query: a model trained to write questions generates them for SFT's samples.

    Attributes:
      k: samples of SFT per problem, correct or not, that get a question each.
    """

    k: int = 1

    def add_to(self, plan: Plan) -> None:
        """SFT with the generated rows, and on them alone, against SFT."""
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            problems: dict[str, Argument] = {"problems": plan.train_problems}
            reversed_problems = plan.derive("turned_round", "asking", seed, problems)
            asking = OutputOf(plan.train("asking", seed, reversed_problems))
            sampled = problems | {"samples": OutputOf(samples)}
            chains = plan.derive("chains", "asking", seed, sampled, self.k)
            questions = OutputOf(plan.sample("asking", seed, asking, chains, num_samples=1))
            generated = {"problems": chains, "samples": questions}
            rows = plan.derive("queried", "asked", seed, generated)
            both = plan.train("sft_asked", seed, Many((plan.train_problems, rows)))
            alone = plan.train("asked_alone", seed, rows)
            plan.measure("sft", seed, sft, "SFT")
            plan.measure("sft_asked", seed, both, "SFT with generated questions")
            plan.measure("asked_alone", seed, alone, "SFT on generated questions alone")
        plan.compare("sft_asked", "sft")
        plan.compare("asked_alone", "sft")


@dataclass(frozen=True)
class SelfRevising:
    """A model trained to answer again, given a question and a sample; tested on SFT's answers.

    Attributes:
      ks: numbers of samples per training problem to train on.
    """

    ks: tuple[int, ...] = (1, 4)

    def __post_init__(self) -> None:
        if not self.ks or any(k < 1 for k in self.ks):
            raise UserError(f"self_revising.ks is {self.ks}; one k or more, each at least 1")

    def add_to(self, plan: Plan) -> None:
        """For every k, all samples and the one that differs most from the reference solution."""
        for seed in plan.seeds:
            sft, samples = plan.sft(seed, num_samples=max(self.ks))
            for k in sorted(self.ks, reverse=True):
                self._revise(plan, seed, sft, samples, k)
            plan.measure("sft", seed, sft, "SFT")
        for k in sorted(self.ks):
            plan.compare(f"revised_k{k}", "sft")
            plan.compare(f"farthest_k{k}", "sft")
        plot = Plot(
            name="revised",
            title="Accuracy after revising",
            x="samples",
            y="accuracy",
            series=("all samples", "the farthest sample"),
            x_label="samples per training problem (K)",
            baselines=("sft",),
        )
        plan.plots.append(plot)

    def _revise(self, plan: Plan, seed: int, sft: Stage, samples: Stage, k: int) -> None:
        greedy = OutputOf(plan.evaluate("sft", seed, OutputOf(sft)), SAMPLES_FOLDER)
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
