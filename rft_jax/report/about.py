"""The section on settings, versions and stages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rft_jax.report.html import Section, definitions, folded
from rft_jax.report.runs import RunRecord, StageRecord, read_settings


def about_section(runs: Sequence[RunRecord]) -> Section:
    """Settings and versions of every run, folded; each stage with its settings."""
    parts = []
    for run in runs:
        name = f"{run.name}: " if len(runs) > 1 else ""
        if run.settings:
            parts.append(folded(f"{name}settings", definitions(_flat(run.settings))))
        if run.versions:
            parts.append(folded(f"{name}versions", definitions(_flat(run.versions))))
        if len(run.stages) > 1:
            stages = "".join(
                folded(_stage_title(run, stage), _json(read_settings(stage.folder)))
                for stage in run.stages
            )
            parts.append(folded(f"{name}stages", stages))
    body = "".join(f'<div class="card">{part}</div>' for part in parts)
    return Section("settings", "Settings and versions", body)


def _stage_title(run: RunRecord, stage: StageRecord) -> str:
    seconds = run.seconds.get(stage.name)
    took = f", {seconds:,.0f} s" if isinstance(seconds, int | float) else ""
    return f"{stage.name} ({stage.command}{took})"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested settings as `outer.inner` names."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _json(settings: Mapping[str, Any]) -> str:
    return f"<pre>{escape(json.dumps(settings, indent=1, ensure_ascii=False))}</pre>"
