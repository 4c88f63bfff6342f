"""Greedy accuracy of weights in memory, by the sampler and the grader of `rft evaluate`."""

from __future__ import annotations

from collections.abc import Callable
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
from rft_jax.evaluation.scoring import grade, score
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.identity import settings_identity
from rft_jax.records import Problem
from rft_jax.sampling.methods import problem_key
from rft_jax.sampling.requests import Request
from rft_jax.sampling.run_record import report_over_long, settle_geometry
from rft_jax.sampling.sampler import Sampler
from rft_jax.sampling.shares import Share
from rft_jax.verify.grading import check_references

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from rft_jax.checkpoints.load import LoadedModel


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
        self, model: LoadedModel, problems: str, count: int, mesh: Mesh, folder: Path
    ) -> Callable[[Any], float]:
        """A function from parameters to their accuracy; all processes call it together.

        Args:
          model: configuration, parameters like those to measure, tokenizer and template.
          problems: a file or a named data set.
          count: how many of them are answered, spread evenly.
          mesh: devices of the parameters.
          folder: the training's, where the geometry is recorded.

        Raises:
          UserError: a problem's own answer can't be read.
        """
        settings = self.settings.reading(chosen := spread(load_problems(problems), count))
        check_references(chosen, settings.answers, problems)
        return _Measurement(settings, model, chosen, mesh, folder)


def spread(problems: list[Problem], count: int) -> list[Problem]:
    """`count` of the problems in equal distances, the first among them; all if there are fewer."""
    count = min(count, len(problems))
    return [problems[index * len(problems) // count] for index in range(count)]


class _Measurement:
    def __init__(
        self,
        settings: EvaluateSettings,
        model: LoadedModel,
        problems: list[Problem],
        mesh: Mesh,
        folder: Path,
    ) -> None:
        self._problems, self._settings = problems, settings
        sampling = settings.sampling()
        template = model.template_named(settings.template)
        self._form = template.form
        forcing = calculator_of(settings)
        self._sampler = Sampler(model, model.tokenizer, sampling, mesh, forcing)
        self._sampler.unload()
        encoded = self._sampler.encode([template.render(one.question) for one in problems])
        share = Share.of_this_process(span_hosts=True)
        preferred = self._sampler.geometry(encoded=encoded)
        self._geometry = settle_geometry(folder, preferred, share)
        if share.leads:
            report_over_long(folder, problems, encoded, self._geometry, sampling)
        self._requests = [
            Request(index, ids, problem_key(sampling.seed, one.id), 1)
            for index, (one, ids) in enumerate(zip(problems, encoded.ids, strict=True))
            if ids is not None
        ]

    def __call__(self, params: Any) -> float:
        """The share of correct answers among those decided; 0 if none is."""
        with closing(make_grader(self._settings)) as grader:
            found = [
                score(grade(problem, [response], grader), grader, self._settings.votes).correct[0]
                for problem, response in self._responses(params)
            ]
        counts = np.array([found.count(True), len(found) - found.count(None)])
        correct, decided = of_main(counts).tolist()  # a comparison may time out in one alone
        return correct / decided if decided else 0.0

    def _responses(self, params: Any) -> list[tuple[Problem, Response]]:
        responses = []
        for finished in self._sampler.run_with(params, self._requests, self._geometry):
            for request, sampled in finished:
                problem = self._problems[request.index]
                sample = self._sampler.to_samples(sampled, problem.id)[0]
                response = Response(sample.response, sample.finish_reason, self._form)
                responses.append((problem, response))
        return responses
