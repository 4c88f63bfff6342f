"""Sampling for prompts at hand.

from rft_jax.checkpoints.load import load_model
from rft_jax.sampling import Sampler

model = load_model("wordproblems:model")
sampler = Sampler(model, model.tokenizer)
prompt = model.template.render("Amy has 3 apples and buys 2 more. How many apples has she?")
(samples,) = sampler.sample([prompt], k=4, max_new_tokens=128)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.sharding import Mesh

from rft_jax.errors import UserError
from rft_jax.models.llama import Params
from rft_jax.records import Sample
from rft_jax.sampling.forcing import ForcedTokens, Forcing
from rft_jax.sampling.geometry import Geometry, choose_geometry, describe_memory, memory_needed
from rft_jax.sampling.methods import method_of, problem_key
from rft_jax.sampling.placement import hardware_of, params_placer, row_axes, sampling_mesh
from rft_jax.sampling.program import Program, decoding_config
from rft_jax.sampling.prompt_tokens import EncodedPrompts, common_start, encode_prompts
from rft_jax.sampling.requests import Counters, Finished, Further, Request, SampledTokens
from rft_jax.sampling.scheduler import Scheduler
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.stops import StopStrings
from rft_jax.tokenizers import Tokenizer

_OF_A_CALL = (
    *("temperature", "top_p", "top_k", "max_new_tokens", "seed", "stop", "max_prompt_length"),
    *("common_prefix", "slots", "group", "over_long", "chunk", "cache_dtype"),
)
"""Settings that a call of `Sampler.sample` may change."""

if TYPE_CHECKING:
    from rft_jax.checkpoints.load import LoadedModel


class Sampler:
    """Samples from one model.

    Args:
      model: whose configuration and parameters are used.
      tokenizer: the model's.
      settings: those of every call; None for the defaults.
      mesh: the devices; None for the first one.
      forcing: puts texts into responses; needed with `calculator` in the settings.
      resident: bytes of one device that a training holds while it samples.

    Attributes:
      counters: what all calls together have done.
    """

    def __init__(
        self,
        model: LoadedModel,
        tokenizer: Tokenizer,
        settings: SampleSettings | None = None,
        mesh: Mesh | None = None,
        forcing: Forcing | None = None,
        resident: int = 0,
    ) -> None:
        self.settings = settings or SampleSettings()
        if self.settings.calculator and forcing is None:
            raise UserError(
                f"{self.settings.gin_name}.calculator = True needs a forcing: that of rft sample "
                "is rft_jax.verify.calculator.calculated"
            )
        self._forced = None if forcing is None else ForcedTokens(forcing, tokenizer)
        self._pauses_at = () if forcing is None else forcing.pauses_at(tokenizer)
        self.config = model.config
        self.tokenizer = tokenizer
        self.counters = Counters()
        self._mesh = mesh or sampling_mesh(self.settings, None)
        self._row_axes = row_axes(self.settings)
        self._hardware = hardware_of(self._mesh, self._row_axes, resident)
        shape = model.config.num_layers, self.settings.dtype
        self._place = params_placer(model.params, *shape, self._mesh, self._row_axes)
        self._params: Params = {}
        self.load(model.params)

    @property
    def shards(self) -> int:
        """Shards of the mesh that slots are split over."""
        return self._hardware.shards

    def load(self, params: Params) -> None:
        """Samples from these parameters from now on; nothing is compiled again.

        Args:
          params: layers stacked, shaped and sharded as the model's.
        """
        self._params = {}  # first, so that there are never two copies
        self._params = self._place(params)

    def unload(self) -> None:
        """Frees the copy of the parameters that decoding needs, until the next `load`."""
        self._params = {}

    def sample(self, prompts: Sequence[str], k: int = 1, **changes: Any) -> list[list[Sample]]:
        """k samples of each prompt, in the order of the prompts; none of one that is too long.

        A prompt's samples depend on the seed and on its text alone: the same prompt twice gives the
        same samples twice.

        Args:
          prompts: used as they are; `Template.render` makes one of a question.
          k: samples of each prompt.
          changes: settings for this call, such as `temperature` or `seed`.

        Raises:
          UserError: a change that has no effect on a call.
        """
        if others := sorted(changes.keys() - set(_OF_A_CALL)):
            raise UserError(
                f"Sampler.sample({others[0]}=…): has no effect on one call; a call takes "
                f"{', '.join(_OF_A_CALL)}, and Sampler(settings=…) the others"
            )
        settings = replace(self.settings, num_samples=k, **changes)
        encoded = self.encode(prompts, settings)
        geometry = self.geometry(settings, encoded)
        requests = [
            Request(index, ids, problem_key(settings.seed, prompts[index]), k)
            for index, ids in enumerate(encoded.ids)
            if ids is not None
        ]
        samples: list[list[Sample]] = [[] for _ in prompts]
        for finished in self.run(requests, geometry, settings):
            for request, sampled in finished:
                prompt = prompts[request.index]
                samples[request.index] = self.to_samples(sampled, prompt, settings=settings)
        return samples

    def geometry(
        self, settings: SampleSettings | None = None, encoded: EncodedPrompts | None = None
    ) -> Geometry:
        """The geometry for these settings on this mesh.

        Args:
          settings: None for the sampler's own.
          encoded: all prompts, for `common_prefix`.
        """
        settings = settings or self.settings
        common = common_start(encoded.ids) if encoded and settings.common_prefix else 0
        return choose_geometry(self.config, settings, self._hardware, common)

    def describe_memory(self, geometry: Geometry) -> str:
        """What the geometry takes of a device's memory, in one line."""
        needed = memory_needed(self.config, self.settings, geometry, self._hardware)
        return describe_memory(needed, geometry, self._hardware)

    def encode(
        self, prompts: Sequence[str], settings: SampleSettings | None = None
    ) -> EncodedPrompts:
        """Prompts as token ids, those that are too long treated as the settings say."""
        settings = settings or self.settings
        longest = self.geometry(settings).max_prompt_length
        return encode_prompts(prompts, self.tokenizer, longest, settings.over_long)

    def run(
        self,
        requests: Iterable[Request],
        geometry: Geometry,
        settings: SampleSettings | None = None,
        further: Further = lambda _wait: [],
    ) -> Iterator[list[Finished]]:
        """Token ids for requests as they are finished; see `Scheduler.run`."""
        settings = settings or self.settings
        program = Program(
            config=decoding_config(self.config, settings.dtype),
            method=method_of(settings),
            eos_ids=tuple(sorted(self.tokenizer.eos_ids | self._stop_ids(settings))),
            geometry=geometry,
            mesh=self._mesh,
            row_axes=self._row_axes,
            pauses_at=self._pauses_at,
        )
        stops = self._stops(settings) if settings.stop else None
        return Scheduler(self._params, program, stops, self.counters, self._forced).run(
            requests, further
        )

    def run_with(
        self,
        params: Params,
        requests: Iterable[Request],
        geometry: Geometry,
        settings: SampleSettings | None = None,
    ) -> Iterator[list[Finished]]:
        """`run` from these parameters, whose copy for decoding is freed at its end."""
        self.load(params)
        try:
            yield from self.run(requests, geometry, settings)
        finally:
            self.unload()

    def _stop_ids(self, settings: SampleSettings) -> set[int]:
        """Ids of the stop strings that are special tokens, of which a response has no text."""
        special = self.tokenizer.special_tokens if settings.stop else {}
        others = [string for string in settings.stop if string not in special]
        for string, name in product(others, special):
            if name in string:
                raise UserError(
                    f"{settings.gin_name}.stop: {string!r} contains the special token {name!r}, of "
                    f"which a response has no text: it would end none; give {name!r} alone"
                )
        return {special[string] for string in settings.stop if string in special}

    def _stops(self, settings: SampleSettings) -> StopStrings:
        return StopStrings(self.tokenizer.decode, settings.stop)

    def to_samples(
        self,
        sampled: Sequence[SampledTokens],
        identity: str,
        model: str = "",
        first: int = 0,
        settings: SampleSettings | None = None,
    ) -> list[Sample]:
        """Records of one problem's samples.

        Args:
          sampled: their tokens, in order.
          identity: the problem's id.
          model: what the records' `model` field says.
          first: the first sample's index.
          settings: those they were sampled with; None for the sampler's own.

        Raises:
          UserError: the logits that they were sampled from are NaN or infinite.
        """
        settings = settings or self.settings
        stops = self._stops(settings)
        samples = []
        for number, one in enumerate(sampled, start=first):
            logprob = float(np.sum(one.logprobs, dtype=np.float64))
            if not math.isfinite(logprob):
                raise UserError(
                    f"{identity!r:.60}, sample {number}: the model's logits are NaN or infinite; "
                    f"its weights are damaged, or {settings.gin_name}.dtype = {settings.dtype!r} "
                    "is too small"
                )
            tokens = one.tokens.tolist()
            samples.append(
                Sample(
                    id=identity,
                    sample=number,
                    model=model,
                    seed=settings.seed,
                    response=stops.text(tokens),
                    tokens=tuple(tokens),
                    finish_reason="stop" if one.stopped else "length",
                    logprob=logprob,
                )
            )
        return samples
