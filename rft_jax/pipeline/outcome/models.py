"""The trained models of a run under names to find them by: `models/rft-0` and so on."""

from __future__ import annotations

from pathlib import Path

from rft_jax.files.links import write_links
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf

FOLDER = "models"


def link_models(root: Path, home: Path, plan: Plan) -> list[str]:
    """Links each finished training in `models/` under the names `CONDITION-SEED`.

    Returns:
      Each model's shortest name: several conditions may evaluate one model.

    Args:
      root: the run's folder.
      home: the folder of its results.
    """
    trained = {
        f"{stage.arm}-{stage.seed}": stage
        for stage in reversed(plan.stages)
        if stage.command in ("train", "policy")
    }
    for one in plan.measured:
        model = one.model
        if isinstance(model, OutputOf) and not model.file:
            trained[f"{one.arm}-{one.seed}"] = model.stage
    finished = {n: root / s.folder for n, s in sorted(trained.items()) if s.is_complete(root)}
    write_links(home / FOLDER, finished)
    shortest: dict[Path, str] = {}
    for name in sorted(finished, key=lambda name: (len(name), name)):
        shortest.setdefault(finished[name], name)
    return sorted(shortest.values())
