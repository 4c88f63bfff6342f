"""`rft sample`: samples for every problem, into sorted files of one row a sample."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rft_jax.checkpoints.load import load_model
from rft_jax.data.sources import load_problems
from rft_jax.devices.distributed import initialize, is_main, open_shared_output, wait_for_all
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.errors import UserError
from rft_jax.files.identity import input_identity
from rft_jax.files.jsonl import write_json
from rft_jax.files.outputs import OutputFolder
from rft_jax.prompts import get_template
from rft_jax.sampling.engine import Sampler
from rft_jax.sampling.placement import sampling_mesh
from rft_jax.sampling.run import Run
from rft_jax.sampling.run_record import report_over_long, settle_geometry
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shares import Share
from rft_jax.signals import sigterm_flag

__all__ = ["Sampler", "sample"]


def sample(
    model: str,
    problems: str,
    output: str,
    name: str | None,
    settings: SampleSettings,
    mesh: MeshSettings | None = None,
    config_text: str = "",
) -> None:
    """Draws samples for every problem.

    Run again after an interruption, it goes on where it stopped and leaves the same files.

    Args:
      model: a model folder.
      problems: a JSONL file or a named data set.
      output: folder for the samples, `run.json` and `timing.json`.
      name: what the samples' `model` says; None for the model folder's name.
      settings: what is drawn.
      mesh: sizes of the device mesh.
      config_text: the resolved settings as a gin file, written into the output.

    Raises:
      UserError: model, problems, folder and settings don't fit each other.
      Preempted: SIGTERM came; what was drawn is saved.
    """
    initialize()
    share = Share.of_this_process(settings.span_hosts)
    if settings.budget == "until" and share.processes > share.count:
        raise UserError("sample.budget = 'until' needs sample.span_hosts = False")
    name = name or Path(model).resolve().name
    inputs = {"model": input_identity(model), "problems": input_identity(problems)}
    identity = inputs | {"name": name} | asdict(settings)
    with open_shared_output(output, identity, config_text) as folder, sigterm_flag() as stopped:
        if folder.is_complete:
            if is_main():
                print(f"sample: {output} is finished already")
            return
        asked = load_problems(problems)[: settings.limit or None]
        devices = sampling_mesh(settings, mesh)
        loaded = load_model(model, devices, dtype=settings.dtype, param_dtype=settings.dtype)
        template = get_template(settings.template) if settings.template else loaded.template
        sampler = Sampler(loaded, loaded.tokenizer, settings, devices)
        encoded = sampler.encode([template.render(one.question) for one in asked])
        chosen = sampler.geometry(encoded=encoded)
        geometry = settle_geometry(folder.path, chosen, identity, share)
        if share.leads:
            print(f"sample: {sampler.describe_memory(geometry)}", flush=True)
            report_over_long(folder.path, asked, encoded, geometry)
        run = Run(folder.path, name, sampler, geometry, share, asked, encoded.ids, stopped)
        run.draw()
        _finish(folder, run)


def _finish(folder: OutputFolder, run: Run) -> None:
    """The leading process marks the folder finished, once all parts are."""
    wait_for_all("all parts drawn", folder.path)
    if run.share.leads:
        write_json(folder.path / "timing.json", run.sampler.counters.to_json())
        run.remove_other_divisions()
        folder.commit()
        run.remove_parts()
    wait_for_all("finished", folder.path)
