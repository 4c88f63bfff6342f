"""Settings of `rft run`."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError


@dataclass(frozen=True)
class RunSettings:
    """The whole loop: which experiment, on which model and problems, how often.

    Attributes:
      experiment: one of `rft_jax.pipeline.experiments`; its own settings have its name.
      name: results and report lie in the folder of this name in the output, so that several
        experiments there share their stages; '' for the output itself.
      model: folder of the pretrained model; '' for the embedded one.
      train_problems: a JSONL file or a name such as gsm8k:train.
      test_problems: the same, for the figures.
      arms: only these arms of the experiment are measured, and what they need is done; () for all.
        The quickstart's are rho (the pretrained model), sft, sft_steps (SFT for as many steps as
        RFT), rft, rft_no_dedup (every right sample), rft_oracle (the generator's own extra paths,
        as many as RFT kept; embedded problems only).
      seeds: everything is trained and sampled once for each.
      vote_arms: arms whose maj@k and pass@k are measured too, with `vote/evaluate.…` settings.
      limit: only the first so many train and test problems; 0 for all.
      parallel: stages side by side; 0 for as many as there are CPU cores (4 at most), or 1 with an
        accelerator.
      notes: said where the figures stand.
    """

    experiment: str = "quickstart"
    name: str = ""
    model: str = ""
    train_problems: str = "wordproblems:train"
    test_problems: str = "wordproblems:test"
    arms: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    vote_arms: tuple[str, ...] = ()
    limit: int = 0
    parallel: int = 0
    notes: str = ""

    def __post_init__(self) -> None:
        for name in ("arms", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values) or (name == "seeds" and not values):
                raise UserError(f"run.{name} is {values}; one or more different ones are needed")
        if "/" in self.name or self.name in (".", "..", "stages", "problems"):
            raise UserError(f"run.name is {self.name!r}; a plain folder name is needed")
        for name in ("limit", "parallel"):
            if getattr(self, name) < 0:
                raise UserError(f"run.{name} is {getattr(self, name)}; 0 or more is needed")
