"""Rollouts: a step's samples from the current weights, by the sampler of `rft sample`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jax.sharding import Mesh

from rft_jax.checkpoints.load import LoadedModel
from rft_jax.errors import UserError
from rft_jax.evaluation.held_out import GreedyAccuracy
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.models.llama import Params
from rft_jax.records import Problem, Sample
from rft_jax.sampling.methods import problem_key
from rft_jax.sampling.requests import Request, SampledTokens
from rft_jax.sampling.run_record import report_over_long, settle_geometry
from rft_jax.sampling.sampler import Sampler
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shares import Share


@dataclass(frozen=True, eq=False)
class Rollout:
    """One sample of the policy.

    Attributes:
      index: the problem's index.
      prompt: its token ids.
      sample: the record, with the response's token ids.
      logprobs: float32, of each of these under the policy that sampled them.
    """

    index: int
    prompt: Sequence[int]
    sample: Sample
    logprobs: np.ndarray


def step_seed(seed: int, step: int) -> int:
    """The seed of a step's samples, a hash of the run's seed and the step (from 0)."""
    digest = hashlib.sha256(json.dumps([seed, step]).encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 1


class Rollouts:
    """Samples problems by their index, from whatever weights it is given.

    All processes sample the same requests together, on the mesh that trains. Prompts of problems
    whose solutions are programs ask for one, as those of training do.

    Args:
      model: configuration, initial parameters, tokenizer and template.
      problems: all of them.
      settings: of the samples, their number per problem included.
      mesh: the devices.
      folder: the run's, where the geometry is recorded.
      graded_as: the form by which a sample is graded, of the one that its prompt asks for.
      resident: bytes of one device that the training holds.
    """

    def __init__(
        self,
        model: LoadedModel,
        problems: Sequence[Problem],
        settings: SampleSettings,
        mesh: Mesh,
        folder: Path,
        graded_as: Callable[[str], str],
        resident: int = 0,
    ) -> None:
        self._problems, self._settings = problems, settings
        self.sampler = Sampler(model, model.tokenizer, settings, mesh, resident=resident)
        self.sampler.unload()
        share = Share.of_this_process(span_hosts=True)
        asked = [model.template.asking_for(problem.form) for problem in problems]
        self._forms = [graded_as(template.form) for template in asked]
        texts = [t.render(one.question) for t, one in zip(asked, problems, strict=True)]
        encoded = self.sampler.encode(texts)
        preferred = self.sampler.geometry(encoded=encoded)
        self._geometry = settle_geometry(folder, preferred, share, self.sampler.shards)
        if share.leads:
            print(f"policy: {self.sampler.describe_memory(self._geometry)}", flush=True)
            report_over_long(folder, problems, encoded, self._geometry, settings)
        self._prompts, self.first_prompt = encoded.ids, texts[0]
        self._encoded = encoded

    @property
    def indices(self) -> list[int]:
        """Indices of the problems that can be sampled."""
        return [index for index, prompt in enumerate(self._prompts) if prompt is not None]

    def check_length(self, max_length: int) -> None:
        """Refuses rows that are too short for the longest prompt with the longest response.

        Raises:
          UserError: names both numbers.
        """
        longest = max(len(self._prompts[index] or ()) for index in self.indices)
        needed = longest + self._settings.max_new_tokens - 1
        if needed > max_length:
            raise UserError(
                f"train.max_length is {max_length}; the longest prompt has {longest} tokens, and "
                f"with sample.max_new_tokens = {self._settings.max_new_tokens} it needs {needed}"
            )

    def sample(
        self, params: Params, indices: Sequence[int], seed: int, first: int, name: str
    ) -> list[Rollout]:
        """Samples of some problems, in the order of the indices and of the samples.

        Args:
          params: layers stacked, without adapters.
          indices: of the problems, each once.
          seed: of the step.
          first: the first sample's index.
          name: what the samples' `model` field says.
        """
        settings = replace(self._settings, seed=seed)
        keys = [problem_key(seed, self._problems[index].id) for index in indices]
        requests = [
            Request(index, self._prompt(index), key, settings.num_samples, first)
            for index, key in zip(indices, keys, strict=True)
        ]
        found: dict[int, list[Rollout]] = {}
        for finished in self.sampler.run_with(params, requests, self._geometry, settings):
            for request, sampled in finished:
                samples = self._samples(request, sampled, settings, name)
                found[request.index] = [
                    Rollout(request.index, request.prompt, sample, one.logprobs)
                    for sample, one in zip(samples, sampled, strict=True)
                ]
        return [rollout for index in indices for rollout in found[index]]

    def accuracy(self, indices: Sequence[int], grading: EvaluateSettings) -> GreedyAccuracy:
        """What measures greedy accuracy on some problems, by the same sampler.

        Args:
          indices: of the problems.
          grading: settings of grading, with the answer format of the problems.
        """
        settings = replace(self._settings, num_samples=1, temperature=0.0)
        geometry = self.sampler.geometry(settings, self._encoded)
        requests = [Request(index, self._prompt(index), problem_key(0, ""), 1) for index in indices]
        of_problems = self._problems, requests, self._forms
        return GreedyAccuracy(self.sampler, settings, geometry, grading, *of_problems)

    def _samples(
        self,
        request: Request,
        sampled: Sequence[SampledTokens],
        settings: SampleSettings,
        name: str,
    ) -> list[Sample]:
        """The records of a request's samples, by the form that they are graded by."""
        identity, form = self._problems[request.index].id, self._forms[request.index]
        samples = self.sampler.to_samples(sampled, identity, name, request.first, settings)
        return [replace(sample, form=form) for sample in samples]

    def _prompt(self, index: int) -> list[int]:
        prompt = self._prompts[index]
        assert prompt is not None
        return prompt

    def trained_tokens(self, rollout: Rollout, end: int) -> int:
        """How many of a response's tokens are trained on: those of its first `end` characters.

        All of them, the end token included, where nothing else follows.
        """
        tokens, decode = list(rollout.sample.tokens or ()), self.sampler.tokenizer.decode
        if end >= len(rollout.sample.response):
            return len(tokens)
        without, enough = 0, len(tokens)
        while enough - without > 1:
            middle = (without + enough) // 2
            if len(decode(tokens[:middle])) >= end:
                enough = middle
            else:
                without = middle
        return enough
