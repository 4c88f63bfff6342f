"""Controls of RFT: as many rows for every problem as RFT has, filled in other ways."""

from __future__ import annotations

from rft_jax.derive.write import OF_SAMPLES
from rft_jax.errors import UserError
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf, Stage

LABELS = {
    "oracle": "Oracle: as many paths from the generator",
    "most_likely": "As many correct samples, the most likely",
    "random": "As many correct samples, at random",
    "human": "Reference solution, repeated",
    "unverified": "As many samples, unverified",
    "answer_checked": "As many samples, answers verified alone",
    "majority": "As many samples, with the majority's answer",
    "incorrect": "As many incorrect samples",
}
"""Kind of control, as in `rft derive --help` -> its name for readers."""


def train_control(
    plan: Plan, kind: str, seed: int, kept: OutputOf, samples: Stage, arm: str = ""
) -> Stage:
    """A training of the pretrained model on a control's rows.

    Args:
      kind: of control.
      kept: RFT's paths, which say how many rows a problem has.
      samples: those that RFT's paths are of; not used by kinds without samples.
      arm: the condition's name, other than the kind's.

    Raises:
      UserError: there is no such kind.
    """
    if kind not in LABELS:
        raise UserError(f"control {kind!r}; there are {', '.join(LABELS)}")
    inputs: dict[str, Argument] = {"problems": plan.train_problems}
    inputs["collected"] = OutputOf(kept.stage)
    if kind in OF_SAMPLES:
        inputs["samples"] = OutputOf(samples)
    arm = arm or kind
    return plan.train(arm, seed, plan.derive(kind, arm, seed, inputs))
