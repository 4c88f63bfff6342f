"""RFT and its relatives with as many samples, but for STaR.

STaR, ReST-EM, RAFT, Reinforce-Rej and GRPO.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rft_jax.errors import UserError
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf, Stage
from rft_jax.policy.settings import PolicySettings

GREEDY: dict[str, Any] = {"temperature": 0.0, "num_samples": 1}
"""STaR (arXiv 2203.14465) takes the greedy answer of the newest model."""


@dataclass(frozen=True)
class Relatives:
    """Methods that train on a model's own correct samples, as settings over one loop.

    Attributes:
      rounds: rounds of sampling and training, of the methods in rounds.
      k: samples per problem and round.
      rest_em_paths: paths per problem that ReST-EM (arXiv 2312.06585) keeps, at most; duplicates
        stay.
      presets: policies of `policy.num_steps` steps; `raft` is online RAFT.
    """

    rounds: int = 3
    k: int = 5
    rest_em_paths: int = 10
    presets: tuple[str, ...] = ("raft", "reinforce_rej", "grpo")

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise UserError(f"relatives.rounds is {self.rounds}; at least 1 is needed")

    def add_to(self, plan: Plan) -> None:
        """Every method starts from the same SFT model, and all but STaR from its samples."""
        every = self.rounds * self.k
        merged: dict[str, Any] = {"keeps_rounds": True}
        capped: dict[str, Any] = {"dedup": "none", "max_paths": self.rest_em_paths}
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            greedy = plan.sample("star", seed, OutputOf(sft), **GREEDY)
            methods = {
                "rft": ("RFT at once", every, plan.rft("rft", seed, samples, every)),
                "rounds": ("RFT in rounds", every, self._rounds(plan, "rounds", samples, **merged)),
                "rest_em": ("ReST-EM", every, self._rounds(plan, "rest_em", samples, **capped)),
                "star": (
                    "STaR, without rationalisation",
                    self.rounds,
                    self._rounds(plan, "star", greedy, GREEDY),
                ),
            }
            plan.measure("sft", seed, sft, "SFT", facts=_samples(0))
            for arm, (label, drawn, model) in methods.items():
                plan.measure(arm, seed, model, label, facts=_samples(drawn))
            for preset in self.presets:
                self._add_policy(plan, preset, seed, sft)
        for arm in ("rounds", "rest_em", "star", *self.presets):
            plan.compare(arm, "rft")

    def _rounds(
        self,
        plan: Plan,
        arm: str,
        samples: Stage,
        draws: Mapping[str, Any] | None = None,
        keeps_rounds: bool = False,
        **collect: Any,
    ) -> Stage:
        """The model of the last round: each trains the pretrained model on the newest paths.

        Args:
          samples: the first round's, of the SFT model.
          draws: settings of the later samplings, other than k samples.
          keeps_rounds: whether the paths of earlier rounds stay.
          collect: settings of collecting.
        """
        draws = draws or {"num_samples": self.k}
        drawn, model = [samples], None
        for number in range(1, self.rounds + 1):
            name = f"{arm}{number}"
            if model is not None:
                drawn.append(plan.sample(name, samples.seed, OutputOf(model), **draws))
            used = drawn if keeps_rounds else drawn[-1:]
            model = plan.rft(name, samples.seed, used, draws["num_samples"], **collect)
        assert model is not None
        return model

    def _add_policy(self, plan: Plan, preset: str, seed: int, sft: Stage) -> None:
        settings = plan.config.get(PolicySettings)
        drawn = settings.num_steps * plan.samples_per_step(preset)
        model = plan.policy(preset, seed, OutputOf(sft), (settings.num_steps,), preset=preset)
        facts = _samples(drawn / len(plan.train_list))
        plan.measure(preset, seed, model, f"{preset}, {settings.num_steps} steps", facts=facts)


def _samples(per_problem: float) -> dict[str, float]:
    return {"samples_per_problem": per_problem}
