"""Settings of `rft run`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rft_jax.checked_settings import CheckedSettings

# Folders of a run's output that are not those of a named run.
_TAKEN = (".", "..", "stages", "problems", "models", "report", "tensorboard")


@dataclass(frozen=True)
class RunSettings(CheckedSettings):
    """The whole loop: the experiment, its model and problems, its seeds.

    Attributes:
      experiment: name of the experiment, such as quickstart, rft_k or policy_training; its own
        settings are bound under the same name (`rft_k.ks = (1, 4)`).
      name: folder in the output for results and report, so that several experiments in one output
        share their stages; '' for the output itself.
      model: folder of the pretrained model, or its name on the Hub; '' for the embedded one.
      train_problems: training problems: a JSONL or Parquet file, or a name such as gsm8k:train.
      test_problems: test problems: a JSONL or Parquet file, or a name such as gsm8k:test.
      columns: names of columns in both files, as `--columns` takes them.
      arms: the conditions to measure, with the stages that they need; () for all. The quickstart's
        are rho (the pretrained model), sft, sft_steps (SFT step-matched to RFT), rft, rft_no_dedup
        (every correct sample), rft_oracle (as many extra paths from the generator as RFT kept;
        embedded problems only).
      seeds: every condition runs once per seed.
      vote_arms: conditions whose maj@k and pass@k are measured too, by the settings of scope
        `vote` (`vote/evaluate.num_samples`).
      limit: number of training problems and of test problems to use, from the first on; 0 for all.
      train_limit: number of training problems at most, of those that limit leaves; 0 for all.
      max_calculations: use only problems whose reference solution has one to this many calculations
        (`<<…>>`), before the limits; 0: any. For models that solve no longer ones.
      parallel: number of stages that run side by side; 0 chooses one per CPU core (4 at most), or
        1 with an accelerator.
      notes: free text shown with the results.
    """

    gin_name: ClassVar[str] = "run"

    experiment: str = "quickstart"
    name: str = ""
    model: str = ""
    train_problems: str = "wordproblems:train"
    test_problems: str = "wordproblems:test"
    columns: str = ""
    arms: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    vote_arms: tuple[str, ...] = ()
    limit: int = 0
    train_limit: int = 0
    max_calculations: int = 0
    parallel: int = 0
    notes: str = ""

    def __post_init__(self) -> None:
        for name in ("arms", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values) or (name == "seeds" and not values):
                self._refuse(name, "one or more distinct ones are needed")
        if any(seed < 0 for seed in self.seeds):
            self._refuse("seeds", "numbers from 0 on are needed")
        if "/" in self.name or self.name in _TAKEN:
            needed = f"a plain folder name is needed, none of {', '.join(map(repr, _TAKEN))}"
            self._refuse("name", needed)
        self._check_at_least(0, "limit", "train_limit", "max_calculations", "parallel")
