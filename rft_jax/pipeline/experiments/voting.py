"""Many samples per test problem: majority votes, and the number of distinct correct paths."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.pipeline.measures import Plot
from rft_jax.pipeline.plan import Plan


@dataclass(frozen=True)
class SelfConsistency:
    """maj@k of SFT and RFT, by the settings of scope `vote` (`vote/evaluate.curve` are the ks).

    Attributes:
      k: samples per training problem for RFT.
      shots: number of training problems in the prompts with which the pretrained model votes too;
        0 leaves it out.
    """

    k: int = 100
    shots: int = 0

    def add_to(self, plan: Plan) -> None:
        """The models that vote are those that answer greedily."""
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            rft = plan.rft("rft", seed, samples, self.k)
            plan.measure("sft", seed, sft, "SFT", "SFT", votes=True)
            plan.measure("rft", seed, rft, f"RFT, k = {self.k}", "RFT", votes=True)
            if self.shots:
                prompts = plan.few_shot("icl", seed, self.shots)
                label = f"{self.shots}-shot"
                plan.measure("icl", seed, plan.model, label, "ICL", votes=True, problems=prompts)
        plan.compare("rft", "sft")
        plot = Plot(
            name="votes",
            title="Majority votes",
            x="votes",
            y="maj@k",
            kind="votes",
            series=("SFT", "RFT", *(["ICL"] if self.shots else [])),
            x_label="votes (k)",
            log_x=True,
            baselines=("sft", "rft"),
            paper="votes",
        )
        plan.plots.append(plot)


@dataclass(frozen=True)
class PathDiversity:
    """The number of distinct correct paths per test problem, for SFT, RFT and RFT on a union.

    Attributes:
      ks: numbers of samples per training problem, each for an RFT.
      members: seeds of SFT whose samples are merged for the union.
      k: samples per problem of each member.
    """

    ks: tuple[int, ...] = (1, 100)
    members: tuple[int, ...] = (0, 1, 2, 3)
    k: int = 100

    def __post_init__(self) -> None:
        if not self.members:
            raise UserError("path_diversity.members is empty; name one seed of SFT or more")

    def add_to(self, plan: Plan) -> None:
        """Counts the paths in the samples of the votes (`vote/evaluate.num_samples`)."""
        names = ["SFT", *(f"RFT, k = {k}" for k in self.ks), "RFT on a union"]
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            trained = {"sft": sft}
            for k in self.ks:
                trained[f"rft_k{k}"] = plan.rft(f"rft_k{k}", seed, samples, k)
            members = [plan.sample_member("sft", member, self.k) for member in self.members]
            trained["rft_union"] = plan.rft("rft_union", seed, members, self.k)
            for (arm, model), name in zip(trained.items(), names, strict=True):
                plan.measure(arm, seed, model, name, name, votes=True, test_paths=True)
        for arm in (*(f"rft_k{k}" for k in self.ks), "rft_union"):
            plan.compare(arm, "sft")
        plot = Plot(
            name="diversity",
            title="Distinct correct paths of a test problem",
            x="test_paths",
            y="problems",
            kind="histogram",
            series=tuple(names),
            x_label="distinct correct paths",
            y_label="test problems",
        )
        plan.plots.append(plot)
