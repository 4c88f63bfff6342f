"""The calculator of sampling, by settings: the verifier's exact results, put in by the sampler."""

from __future__ import annotations

from rft_jax.sampling.forcing import Forcing
from rft_jax.sampling.settings import DecodingSettings
from rft_jax.verify.calculator import calculated


def calculator_of(settings: DecodingSettings) -> Forcing | None:
    """What puts results behind the `=` of annotations; None unless the settings ask for it."""
    return Forcing("=", calculated) if settings.calculator else None
