"""Drawing samples: `Sampler` for prompts at hand, `sample` for problems, into files.

model = load_model("runs/quickstart/sft")
sampler = Sampler(model, model.tokenizer)
samples = sampler.sample(["How many …?"], k=4, temperature=0.7)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jax.sharding import Mesh

from rft_jax.checkpoints.load import load_model
from rft_jax.data.sources import load_problems
from rft_jax.errors import Preempted
from rft_jax.jsonl import write_json
from rft_jax.mesh_settings import MeshSettings
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params
from rft_jax.outputs import open_output
from rft_jax.progress import Progress
from rft_jax.prompts import get_template
from rft_jax.records import Sample, to_row
from rft_jax.sampling.geometry import Geometry, choose_geometry, describe_memory, memory_needed
from rft_jax.sampling.methods import method_of, problem_key
from rft_jax.sampling.parts import Parts
from rft_jax.sampling.placement import hardware_of, place_params, row_axes, sampling_mesh
from rft_jax.sampling.prompt_tokens import EncodedPrompts, encode_prompts
from rft_jax.sampling.run_record import report_over_long, settle_geometry
from rft_jax.sampling.scheduler import Counters, Decoder, Drawn, Finished, Request
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.state import Program, decoding_config
from rft_jax.sampling.stops import StopStrings
from rft_jax.signals import sigterm_flag
from rft_jax.tokenizers import Tokenizer


class Model(Protocol):
    """What is drawn from; `checkpoints.load.LoadedModel` is one."""

    @property
    def config(self) -> LlamaConfig:
        """The model's shape."""

    @property
    def params(self) -> Params:
        """Its parameters, layers stacked."""


class Sampler:
    """Draws samples from one model.

    Args:
      model: configuration and parameters.
      tokenizer: the model's.
      settings: of every draw.
      mesh: None for the first device alone.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        settings: SampleSettings | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        self.settings = settings or SampleSettings()
        self.config = model.config
        self.tokenizer = tokenizer
        self.counters = Counters()
        self._mesh = mesh or sampling_mesh(self.settings, None)
        self._rows = row_axes(self.settings)
        self._hardware = hardware_of(self._mesh, self._rows)
        self._params = place_params(
            model.params, model.config.num_layers, self.settings.dtype, self._mesh, self._rows
        )

    def sample(self, prompts: Sequence[str], k: int = 1, **changes: Any) -> list[list[Sample]]:
        """k samples of each prompt, in the order of the prompts; none of one that is too long.

        A prompt's samples depend on the seed and on its text alone: the same prompt twice gives the
        same samples twice.

        Args:
          prompts: taken as they are; `Template.render` makes one of a question.
          changes: settings for this call, such as `temperature` or `seed`.
        """
        settings = replace(self.settings, num_samples=k, **changes)
        geometry = self.geometry(settings)
        encoded = self.encode(prompts, geometry)
        requests = [
            Request(place, ids, problem_key(settings.seed, prompts[place]), k)
            for place, ids in enumerate(encoded.ids)
            if ids is not None
        ]
        samples: list[list[Sample]] = [[] for _ in prompts]
        for finished in self.draw(requests, geometry, settings):
            for request, drawn in finished:
                prompt = prompts[request.index]
                samples[request.index] = self.to_samples(drawn, prompt, "", settings)
        return samples

    def geometry(self, settings: SampleSettings) -> Geometry:
        """The geometry for these settings on this mesh."""
        return choose_geometry(self.config, settings, self._hardware)

    def describe_memory(self, geometry: Geometry) -> str:
        """The sum of what the geometry takes, in one line."""
        needed = memory_needed(self.config, self.settings, geometry, self._hardware)
        return describe_memory(needed, geometry, self._hardware)

    def encode(self, prompts: Sequence[str], geometry: Geometry) -> EncodedPrompts:
        """Prompts as token ids, those over the geometry's length treated as the settings say."""
        longest = geometry.max_prompt_length
        return encode_prompts(prompts, self.tokenizer, longest, self.settings.over_long)

    def draw(
        self, requests: Sequence[Request], geometry: Geometry, settings: SampleSettings
    ) -> Iterator[list[Finished]]:
        """Token ids for requests as they are finished; see `Decoder.run`."""
        program = Program(
            config=decoding_config(self.config, settings.dtype),
            method=method_of(settings),
            eos_ids=tuple(sorted(self.tokenizer.eos_ids)),
            geometry=geometry,
            mesh=self._mesh,
            row_axes=self._rows,
        )
        stops = self._stops(settings) if settings.stop else None
        return Decoder(self._params, program, stops, self.counters).run(requests)

    def _stops(self, settings: SampleSettings) -> StopStrings:
        return StopStrings(self.tokenizer.decode, settings.stop)

    def to_samples(
        self, drawn: Sequence[Drawn], identity: str, model: str, settings: SampleSettings
    ) -> list[Sample]:
        """Records of one problem's samples, numbered from 0."""
        stops = self._stops(settings)
        samples = []
        for number, one in enumerate(drawn):
            tokens = one.tokens.tolist()
            stopped = tokens[-1] in self.tokenizer.eos_ids or stops.occurs_in(tokens)
            samples.append(
                Sample(
                    id=identity,
                    sample=number,
                    model=model,
                    seed=settings.seed,
                    response=stops.text(tokens),
                    tokens=tuple(tokens),
                    finish_reason="stop" if stopped else "length",
                    logprob=float(np.sum(one.logprobs, dtype=np.float64)),
                )
            )
        return samples


def sample(
    model: str,
    problems: str,
    output: str,
    name: str | None,
    settings: SampleSettings,
    mesh: MeshSettings | None = None,
) -> None:
    """Draws samples for every problem, into sorted files of one row a sample.

    Run again after an interruption, it goes on where it stopped and leaves the same files.

    Args:
      model: a model folder.
      problems: a JSONL file or a named data set.
      output: folder for the samples, `run.json` and `timing.json`.
      name: what the samples' `model` says; None for the model folder's name.
      settings: what is drawn.
      mesh: sizes of the device mesh.

    Raises:
      UserError: model, problems, folder and settings don't fit each other.
      Preempted: SIGTERM came; what was drawn is saved.
    """
    name = name or Path(model).resolve().name
    identity = {"model": model, "problems": problems, "name": name} | asdict(settings)
    with open_output(output, identity) as folder, sigterm_flag() as stopped:
        if folder.is_complete:
            print(f"sample: {output} is finished already")
            return
        asked = load_problems(problems)[: settings.limit or None]
        devices = sampling_mesh(settings, mesh)
        loaded = load_model(model, devices, dtype=settings.dtype, param_dtype=settings.dtype)
        template = get_template(settings.template) if settings.template else loaded.template
        sampler = Sampler(loaded, loaded.tokenizer, settings, devices)
        geometry = settle_geometry(folder.path, sampler.geometry(settings), identity)
        print(f"sample: {sampler.describe_memory(geometry)}", flush=True)
        prompts = [template.render(problem.question) for problem in asked]
        encoded = sampler.encode(prompts, geometry)
        report_over_long(folder.path, asked, encoded, geometry)
        parts = Parts(folder.path / "parts")
        ids = {p.id: ids for p, ids in zip(asked, encoded.ids, strict=True) if ids is not None}
        _draw_into(parts, sampler, ids, geometry, name, stopped)
        parts.merge(folder.path / "samples-00000-of-00001.jsonl", [p.id for p in asked])
        write_json(folder.path / "timing.json", sampler.counters.to_json())
        folder.commit()
        parts.remove()


def _draw_into(
    parts: Parts,
    sampler: Sampler,
    prompts: dict[str, list[int]],
    geometry: Geometry,
    name: str,
    stopped: Callable[[], bool],
) -> None:
    """Draws what the parts don't have yet; on SIGTERM saves what there is and raises Preempted."""
    settings, counters = sampler.settings, sampler.counters
    ids, done = list(prompts), parts.done
    requests = [
        Request(place, prompts[id_], problem_key(settings.seed, id_), settings.num_samples)
        for place, id_ in enumerate(ids)
        if id_ not in done
    ]
    total, before = len(ids) * settings.num_samples, len(done) * settings.num_samples
    with Progress("sample", total, "samples", initial=before) as progress:
        try:
            for finished in sampler.draw(requests, geometry, settings):
                for request, drawn in finished:
                    samples = sampler.to_samples(drawn, ids[request.index], name, settings)
                    parts.add(map(to_row, samples))
                progress.update(before + counters.samples, **counters.figures())
                if stopped():
                    raise Preempted(f"stopped with {before + counters.samples} of {total} samples")
        finally:
            parts.flush()
