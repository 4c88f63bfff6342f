"""What the scheduler is asked for, what it returns, and what it counts meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Request:
    """Samples wanted of one prompt.

    Attributes:
      index: the caller's number for it.
      prompt: token ids, at least one.
      key: decides all its random draws, see `methods.problem_key`.
      num_samples: how many samples, with indices from `first` on.
      first: the first sample's index.
    """

    index: int
    prompt: Sequence[int]
    key: np.ndarray
    num_samples: int
    first: int = 0


@dataclass(frozen=True, eq=False)
class SampledTokens:
    """One sample as token ids.

    Attributes:
      tokens: ids, an end token included; up to the end of the first stop string.
      logprobs: their log-probabilities at temperature 1.
      stopped: whether it ended at an end token or a stop string, not at the length limit.
    """

    tokens: np.ndarray
    logprobs: np.ndarray
    stopped: bool


Finished = tuple[Request, list[SampledTokens]]

# Requests that finished ones led to. Called with True when there is nothing else to do: then it
# waits until some are decided, and returns none only if no more can come.
Further = Callable[[bool], list[Request]]


@dataclass
class Counters:
    """What was done so far.

    Attributes:
      requests: requests finished.
      samples: samples finished.
      tokens: tokens of finished samples.
      prefills: prompts prefilled.
      steps: decoding steps.
      slot_steps: steps summed over all slots.
      busy_slot_steps: steps of slots that had a sample to decode.
      seconds: wall-clock seconds of the whole run.
    """

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
        """Fraction of all slots' steps in which a slot had a sample to decode."""
        return self.busy_slot_steps / max(self.slot_steps, 1)

    def metrics(self) -> dict[str, float]:
        """What is shown beside the progress."""
        seconds = max(self.seconds, 1e-9)
        rates = {"samples/s": self.samples / seconds, "tokens/s": self.tokens / seconds}
        return rates | ({"slots busy": self.utilisation} if self.slot_steps else {})

    def to_json(self) -> dict[str, float]:
        """For `timing.json`."""
        seconds = max(self.seconds, 1e-9)
        return asdict(self) | {
            "samples_per_second": self.samples / seconds,
            "tokens_per_second": self.tokens / seconds,
            "slot_utilisation": self.utilisation,
        }
