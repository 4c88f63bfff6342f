"""What is asked of the decoder, what comes back, and what is counted meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class Request:
    """Samples to draw for one prompt.

    Attributes:
      index: the caller's number for it.
      prompt: token ids, at least one.
      key: that all its draws come from, see `methods.problem_key`.
      num_samples: how many, with indices from `first` on.
      first: the first sample's index.
    """

    index: int
    prompt: Sequence[int]
    key: np.ndarray
    num_samples: int
    first: int = 0


class Source(Protocol):
    """Where requests come from that depend on what was drawn before."""

    @property
    def open(self) -> bool:
        """Whether there may be more, once what is under way outside has been decided."""

    def further(self, wait: bool) -> list[Request]:
        """Requests that have come up since; waits for a decision when told to."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One sample: its tokens and their log-probabilities at temperature 1."""

    tokens: np.ndarray
    logprobs: np.ndarray


Finished = tuple[Request, list[Drawn]]


@dataclass
class Counters:
    """What was done so far; seconds are of the whole `run`, steps and slots of the decoding."""

    requests: int = 0
    samples: int = 0
    tokens: int = 0
    prefills: int = 0
    steps: int = 0
    slot_steps: int = 0
    busy_slot_steps: int = 0
    seconds: float = 0.0

    @property
    def utilisation(self) -> float:
        """Share of all slots' steps in which a token was drawn that counts."""
        return self.busy_slot_steps / max(self.slot_steps, 1)

    def figures(self) -> dict[str, float]:
        """What is shown beside the progress."""
        seconds = max(self.seconds, 1e-9)
        return {
            "samples/s": self.samples / seconds,
            "tokens/s": self.tokens / seconds,
            "slots busy": self.utilisation,
        }

    def to_json(self) -> dict[str, float]:
        """For `timing.json`."""
        seconds = max(self.seconds, 1e-9)
        return asdict(self) | {
            "samples_per_second": self.samples / seconds,
            "tokens_per_second": self.tokens / seconds,
            "slot_utilisation": self.utilisation,
        }
