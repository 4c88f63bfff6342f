"""`rft sample`: samples of every problem, in sorted files of one row a sample."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rft_jax.checkpoints.load import load_model
from rft_jax.data.sources import load_problems, problems_identity
from rft_jax.devices.cluster import named_process
from rft_jax.devices.distributed import initialize, is_main, open_shared_output, wait_for_all
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.files.identity import input_identity, settings_identity
from rft_jax.files.jsonl import write_json
from rft_jax.files.names import TIMING_FILE
from rft_jax.files.outputs import OutputFolder
from rft_jax.prompts import shown
from rft_jax.records import Problem
from rft_jax.sampling.budget import MakeBudget
from rft_jax.sampling.forcing import Forcing
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.placement import sampling_mesh
from rft_jax.sampling.run_record import report_over_long, settle_geometry
from rft_jax.sampling.sampler import Sampler
from rft_jax.sampling.segments import remove_segments
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shard import Shard
from rft_jax.sampling.shares import Share
from rft_jax.sampling.work import Generate, SamplingRun
from rft_jax.signals import sigterm_flag


def sample(
    model: str,
    problems: str,
    output: str,
    name: str | None,
    settings: SampleSettings,
    mesh: MeshSettings | None = None,
    make_budget: MakeBudget | None = None,
    config_text: str = "",
    shard: Shard = Shard(),  # noqa: B008  (frozen)
    forcing: Forcing | None = None,
) -> None:
    """Samples every problem.

    Run again after an interruption, it resumes where it stopped and leaves the same files.

    Args:
      model: a model folder.
      problems: a JSONL file or a named data set.
      output: folder for the samples, `run.json` and `timing.json`.
      name: what the samples' `model` field says; None for the model folder's name.
      settings: how to sample.
      mesh: sizes of the device mesh; None for one device.
      make_budget: decides how many samples each problem gets; None for `settings.num_samples`.
      config_text: the resolved settings as a gin file, written into the output.
      shard: which of the problems to sample, while other commands sample the others.
      forcing: puts texts into responses; needed with `sample.calculator`.

    Raises:
      UserError: model, problems, folder and settings don't fit each other.
      Preempted: SIGTERM came; what was sampled is saved.
    """
    if shard.count == 1 or named_process(os.environ):  # shards that one launcher starts stay apart
        initialize()
    name = name or Path(os.path.abspath(model)).name  # of a link to a folder, the link's
    made_with = partial(_made_with, model, problems, output, name, settings, shard)
    target = shard.folder(Path(output))
    with open_shared_output(target, made_with, config_text) as folder, sigterm_flag() as stopped:
        if not folder.is_complete:
            chosen = shard.select(load_problems(problems)[: settings.limit or None])
            run = _prepare(
                folder.path, model, name, chosen, settings, mesh, shard, stopped, forcing
            )
            run.sample(make_budget)
            _finish(folder, run)
        elif is_main():
            remove_segments(folder.path)  # left if the process was killed just after the end
            print(f"sample: {target} is finished already")
    if is_main():
        shard.join(Path(output))


def _made_with(
    model: str, problems: str, output: str, name: str, settings: SampleSettings, shard: Shard
) -> dict[str, Any]:
    """Everything that decides the samples.

    Raises:
      UserError: other shards in the output were made otherwise.
    """
    inputs = {"model": input_identity(model), "problems": problems_identity(problems)}
    identity = inputs | {"name": name} | settings_identity(settings) | shard.settings
    shard.check(Path(output), identity)
    return identity


def _prepare(
    folder: Path,
    model: str,
    name: str,
    problems: Sequence[Problem],
    settings: SampleSettings,
    mesh: MeshSettings | None,
    shard: Shard,
    stopped: Callable[[], bool],
    forcing: Forcing | None,
) -> SamplingRun:
    """Loads the model, encodes the prompts, and decides about the geometry."""
    share = Share.of_this_process(settings.span_hosts)
    devices = sampling_mesh(settings, mesh)
    loaded = load_model(model, devices, dtype=settings.dtype, param_dtype=settings.dtype)
    template = loaded.template_named(settings.template)
    sampler = Sampler(loaded, loaded.tokenizer, settings, devices, forcing)
    texts = [template.render(one.question) for one in problems]
    encoded = sampler.encode(texts)
    preferred = sampler.geometry(encoded=encoded)
    geometry = settle_geometry(folder, preferred, share, sampler.shards)
    if share.leads:
        print(f"sample: {sampler.describe_memory(geometry)}", flush=True)
        if texts:
            print(f"sample: the first prompt, by template {template.name!r}:\n{shown(texts[0])}")
        report_over_long(folder, problems, encoded, geometry, settings)
    pairs = zip(problems, encoded.ids, strict=True)
    prompts = [(problem, ids) for problem, ids in pairs if ids is not None]
    label = share.label + shard.suffix
    agreed = share.agreed(stopped)
    wait = partial(wait_for_all, folder=folder)
    return SamplingRun(
        *(folder, name, template.form, sampler, _generator(sampler, geometry), share),
        *(prompts, label, agreed, wait),
    )


def _generator(sampler: Sampler, geometry: Geometry) -> Generate:
    return lambda requests, further: sampler.run(requests, geometry, further=further)


def _finish(folder: OutputFolder, run: SamplingRun) -> None:
    """The leading process marks the folder finished, once all files are there."""
    wait_for_all("all samples merged", folder.path)
    if run.share.leads:
        write_json(folder.path / TIMING_FILE, run.source.counters.to_json())
        run.share.remove_other_files(folder.path)
        folder.commit()
        remove_segments(folder.path)
    wait_for_all("finished", folder.path)
