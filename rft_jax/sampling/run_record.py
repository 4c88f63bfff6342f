"""`run.json`: what a run sampled with, and its geometry, which a resumed run keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import jax

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_object, write_json
from rft_jax.files.outputs import RUN, SETTINGS
from rft_jax.installation import versions
from rft_jax.records import Problem
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.prompt_tokens import EncodedPrompts
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shares import Share


def settle_geometry(folder: Path, chosen: Geometry, share: Share, shards: int) -> Geometry:
    """The geometry of the run's first start, which writes it with settings and versions.

    Args:
      folder: the run's.
      chosen: the geometry for a first start.
      share: this process's.
      shards: of the mesh, that slots are split over.

    Raises:
      UserError: the first start's can't be read, or can't be split over these shards.
    """
    path = folder / RUN
    if path.exists():
        geometry = _recorded(path)
        _check_shards(path, geometry, shards)
        return geometry
    if not share.leads:
        return chosen
    device = jax.devices()[0]
    record = {
        "settings": read_object(folder / SETTINGS),
        "geometry": asdict(chosen),
        "device": {"platform": device.platform, "kind": device.device_kind},
        "versions": versions(),
    }
    write_json(path, record)
    return chosen


def _recorded(path: Path) -> Geometry:
    try:
        return Geometry.from_json(read_object(path)["geometry"])
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path}: its geometry can't be read ({error!r:.200}), which a resumed run keeps; name "
            "another --output"
        ) from error


def _check_shards(path: Path, geometry: Geometry, shards: int) -> None:
    if geometry.groups % shards:
        raise UserError(
            f"{path}: the run was begun with {geometry.groups} groups of slots, which "
            f"{shards} shards of the mesh can't share evenly; resume it on devices and a mesh like "
            "those that it was begun with, or name another --output"
        )


def report_over_long(
    folder: Path,
    problems: Sequence[Problem],
    encoded: EncodedPrompts,
    geometry: Geometry,
    settings: SampleSettings,
) -> None:
    """Writes the ids of problems whose prompts were too long into `run.json`, and says how many.

    Raises:
      UserError: all prompts are too long.
    """
    longest = geometry.max_prompt_length
    indices = {"skipped": encoded.skipped, "cut": encoded.cut}
    names = {what: [problems[i].id for i in found] for what, found in indices.items()}
    for what, ids in names.items():
        if ids:
            print(
                f"sample: {len(ids)} of {len(problems)} prompts are longer than {longest} tokens "
                f"and were {what}; they are listed in {folder / RUN}",
                flush=True,
            )
    if len(encoded.skipped) == len(problems):
        raise UserError(
            f"every prompt is longer than {longest} tokens; raise {settings.gin_name}."
            f"max_prompt_length, lower {settings.gin_name}.max_new_tokens, or set "
            "sample.over_long = 'cut'"
        )
    write_json(folder / RUN, read_object(folder / RUN) | {"over_long": names})
