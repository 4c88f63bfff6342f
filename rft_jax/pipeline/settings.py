"""Settings of `rft run`."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError

ARMS = ("rho", "sft", "sft_steps", "rft", "rft_no_dedup", "rft_oracle")


@dataclass(frozen=True)
class RunSettings:
    """The whole loop: which model and problems, which arms, how often.

    Attributes:
      model: folder of the pretrained model; '' for the embedded one.
      train_problems: a JSONL file or a name such as gsm8k:train.
      test_problems: the same, for the figures.
      arms: what is compared: rho (the pretrained model), sft, sft_steps (SFT for as many steps as
        RFT), rft, rft_no_dedup (every right sample), rft_oracle (the generator's own extra paths,
        as many as RFT kept; embedded problems only).
      seeds: everything is trained and sampled once for each.
      vote_arms: arms whose maj@k and pass@k are measured too, with `vote/evaluate.…` settings.
      limit: only the first so many train and test problems; 0 for all.
      parallel: stages side by side; 0 for as many as there are CPU cores (4 at most), or 1 with an
        accelerator.
      notes: said where the figures stand.
    """

    model: str = ""
    train_problems: str = "wordproblems:train"
    test_problems: str = "wordproblems:test"
    arms: tuple[str, ...] = ARMS
    seeds: tuple[int, ...] = (0,)
    vote_arms: tuple[str, ...] = ()
    limit: int = 0
    parallel: int = 0
    notes: str = ""

    def __post_init__(self) -> None:
        for name in ("arms", "vote_arms"):
            for arm in getattr(self, name):
                if arm not in ARMS:
                    raise UserError(f"run.{name} has {arm!r}; there are {', '.join(ARMS)}")
        for name in ("arms", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise UserError(f"run.{name} is {values}; one or more different ones are needed")
        for arm in self.vote_arms:
            if arm not in self.arms:
                raise UserError(f"run.vote_arms has {arm!r}, which is not in run.arms {self.arms}")
        for name in ("limit", "parallel"):
            if getattr(self, name) < 0:
                raise UserError(f"run.{name} is {getattr(self, name)}; 0 or more is needed")
