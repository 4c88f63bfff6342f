"""Greedy accuracy of weights in memory, by the sampler and the grader of `rft evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rft_jax.data.sources import load_problems
from rft_jax.devices.distributed import of_main
from rft_jax.evaluation.calculator import calculator_of
from rft_jax.evaluation.graded import make_grader
from rft_jax.evaluation.inputs import Response
from rft_jax.evaluation.scoring import grade
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.identity import settings_identity
from rft_jax.records import VERDICTS, Problem
from rft_jax.sampling.methods import problem_key
from rft_jax.sampling.requests import Request
from rft_jax.sampling.run_record import report_over_long, settle_geometry
from rft_jax.sampling.sampler import Sampler
from rft_jax.sampling.shares import Share
from rft_jax.verify.grading import check_references

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from rft_jax.checkpoints.load import LoadedModel
    from rft_jax.models.llama import Params
    from rft_jax.sampling.geometry import Geometry
    from rft_jax.sampling.settings import SampleSettings


@dataclass(frozen=True)
class HeldOutAccuracy:
    """How a training's accuracy is measured before it is finished.

    Attributes:
      settings: of `rft evaluate`; one greedy response per problem, whatever they say.
    """

    settings: EvaluateSettings

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", self.settings.greedy())

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the accuracies, but for model and problems."""
        values = settings_identity(self.settings)
        return {name: value for name, value in values.items() if name != "workers"}

    def prepare(
        self,
        model: LoadedModel,
        problems: str,
        count: int,
        mesh: Mesh,
        folder: Path,
        resident: int = 0,
    ) -> GreedyAccuracy:
        """What measures the accuracy of parameters; all processes call it together.

        Args:
          model: configuration, parameters like those to measure, tokenizer and template.
          problems: a file or a named data set.
          count: how many of them are answered, spread evenly.
          mesh: devices of the parameters.
          folder: the training's, where the geometry is recorded.
          resident: bytes of one device that the training holds.

        Raises:
          UserError: a problem's own answer can't be read.
        """
        settings = self.settings.reading(chosen := spread(load_problems(problems), count))
        check_references(chosen, settings.answers, problems)
        sampling, template = settings.sampling(), model.template_named(settings.template)
        asked = [template.asking_for(one.form) for one in chosen]  # as training asks
        prompts = [of.render(one.question) for of, one in zip(asked, chosen, strict=True)]
        forcing = calculator_of(settings)
        sampler = Sampler(model, model.tokenizer, sampling, mesh, forcing, resident)
        sampler.unload()
        encoded = sampler.encode(prompts)
        share = Share.of_this_process(span_hosts=True)
        preferred = sampler.geometry(encoded=encoded)
        geometry = settle_geometry(folder, preferred, share, sampler.shards)
        if share.leads:
            report_over_long(folder, chosen, encoded, geometry, sampling)
        requests = [
            Request(index, ids, problem_key(sampling.seed, one.id), 1)
            for index, (one, ids) in enumerate(zip(chosen, encoded.ids, strict=True))
            if ids is not None
        ]
        forms = [of.form for of in asked]
        return GreedyAccuracy(sampler, sampling, geometry, settings, chosen, requests, forms)


def spread(problems: list[Problem], count: int) -> list[Problem]:
    """`count` of the problems in equal distances, the first among them; all if there are fewer."""
    count = min(count, len(problems))
    return [problems[index * len(problems) // count] for index in range(count)]


@dataclass(frozen=True, eq=False)
class GreedyAccuracy:
    """The accuracy of whatever parameters it is given, by a greedy response to each problem.

    Attributes:
      sampler: makes the responses.
      sampling: its settings, at temperature 0.
      geometry: of the compiled program.
      settings: of grading, with the answer format of the problems.
      problems: those of the requests, by their index, and perhaps others.
      requests: a prompt for each problem that is answered.
      forms: the form of response that the prompt of each problem asks for.
    """

    sampler: Sampler
    sampling: SampleSettings
    geometry: Geometry
    settings: EvaluateSettings
    problems: Sequence[Problem]
    requests: Sequence[Request]
    forms: Sequence[str]

    def __call__(self, params: Params) -> float:
        """The share of correct answers among those decided; 0 if none is.

        Args:
          params: layers stacked, without adapters; all processes call it together.
        """
        with closing(make_grader(self.settings)) as grader:
            found = [
                VERDICTS[grade(problem, [response], grader).grades[0].verdict].answer_correct
                for problem, response in self._responses(params)
            ]
        counts = np.array([found.count(True), len(found) - found.count(None)])
        correct, decided = of_main(counts).tolist()  # a comparison may time out in one alone
        return correct / decided if decided else 0.0

    def _responses(self, params: Params) -> Iterator[tuple[Problem, Response]]:
        runs = self.sampler.run_with(params, self.requests, self.geometry, self.sampling)
        for request, sampled in (one for finished in runs for one in finished):
            problem, form = self.problems[request.index], self.forms[request.index]
            sample = self.sampler.to_samples(sampled, problem.id, settings=self.sampling)[0]
            yield problem, Response(sample.response, sample.finish_reason, form)
