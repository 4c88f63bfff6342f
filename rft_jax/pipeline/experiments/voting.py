"""What many samples of a test problem show: majority votes, and how many ways a model knows."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.pipeline.measures import Figure
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf


@dataclass(frozen=True)
class SelfConsistency:
    """maj@k of SFT and RFT, by the settings of scope `vote` (`vote/evaluate.curve` are the ks).

    Attributes:
      k: samples a training problem that RFT chooses from.
      shots: training problems, drawn by seed, in the prompts with which the pretrained model votes
        too; 0 leaves it out.
    """

    k: int = 100
    shots: int = 0

    def add_to(self, plan: Plan) -> None:
        """Votes are drawn from the same models that answer greedily."""
        for seed in plan.seeds:
            sft = plan.train("sft", seed, plan.train_problems)
            samples = plan.sample("sft", seed, OutputOf(sft))
            rft = plan.train("rft", seed, plan.collect_first("rft", seed, samples, self.k))
            plan.measure("sft", seed, sft, "SFT", "SFT", votes=True)
            plan.measure("rft", seed, rft, f"RFT, k = {self.k}", "RFT", votes=True)
            if self.shots:
                prompts = plan.few_shot("icl", seed, self.shots)
                label = f"{self.shots}-shot"
                plan.measure("icl", seed, plan.model, label, "ICL", votes=True, problems=prompts)
        plan.compare("rft", "sft")
        figure = Figure(
            name="votes",
            title="Majority votes",
            x="votes",
            y="maj@k",
            series=("SFT", "RFT", *(["ICL"] if self.shots else [])),
            x_label="votes (k)",
            log_x=True,
            paper="votes",
        )
        plan.figures.append(figure)


@dataclass(frozen=True)
class PathDiversity:
    """How many different right paths SFT, RFT and RFT on a union find for a test problem.

    Attributes:
      ks: samples a training problem for the RFT arms.
      members: seeds of SFT whose samples are united for the last arm.
      k: samples a problem of each member.
    """

    ks: tuple[int, ...] = (1, 100)
    members: tuple[int, ...] = (0, 1, 2, 3)
    k: int = 100

    def add_to(self, plan: Plan) -> None:
        """The samples are those of the votes (`vote/evaluate.num_samples`)."""
        names = ["SFT", *(f"RFT, k = {k}" for k in self.ks), "RFT on a union"]
        for seed in plan.seeds:
            sft = plan.train("sft", seed, plan.train_problems)
            samples = plan.sample("sft", seed, OutputOf(sft))
            trained = {"sft": sft}
            for k in self.ks:
                data = plan.collect_first(f"rft_k{k}", seed, samples, k)
                trained[f"rft_k{k}"] = plan.train(f"rft_k{k}", seed, data)
            others = [plan.sample_member("sft", member, self.k) for member in self.members]
            union = plan.collect_first("rft_union", seed, others, self.k)
            trained["rft_union"] = plan.train("rft_union", seed, union)
            for (arm, model), name in zip(trained.items(), names, strict=True):
                plan.measure(arm, seed, model, name, name, votes=True, test_paths=True)
        for arm in (*(f"rft_k{k}" for k in self.ks), "rft_union"):
            plan.compare(arm, "sft")
        figure = Figure(
            name="diversity",
            title="Distinct correct paths of a test problem",
            x="test_paths",
            y="problems",
            series=tuple(names),
            x_label="distinct correct paths",
            y_label="test problems",
        )
        plan.figures.append(figure)
