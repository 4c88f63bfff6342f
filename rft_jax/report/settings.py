"""Settings of `rft report`."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError


@dataclass(frozen=True)
class ReportSettings:
    """What the page shows.

    Attributes:
      title: the page's heading.
      samples_per_verdict: at most so many samples of each verdict can be looked through; which
        ones is drawn by `seed`.
      seed: of that drawing.
    """

    title: str = "Rejection-sampling fine-tuning"
    samples_per_verdict: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples_per_verdict < 0:
            raise UserError(
                f"report.samples_per_verdict = {self.samples_per_verdict} is negative; 0 shows none"
            )
