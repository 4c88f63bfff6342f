"""The picture for a README: accuracies with their intervals, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from rft_jax.files.jsonl import atomic_write
from rft_jax.report.overview import colours
from rft_jax.report.runs import Run
from rft_jax.report.tables import measure

_COLOURS = ("#2563c9", "#c2570c", "#0d8a63", "#8b46c9", "#be2f72", "#0e7fa3", "#6b7d12", "#6f6a64")
_METADATA = {"Software": None}  # the same bytes from every version


def write_accuracies(path: Path, runs: Sequence[Run]) -> None:
    """A row an arm, in it a dot with its 95 % interval for every seed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    palette = colours(runs)
    grouped: dict[tuple[str, str, str], list[tuple[float, float, float]]] = {}
    for run in runs:
        for row in run.rows:
            measured = measure(row)
            low, high = measured["ci95"]
            name = run.arm_name(row["model"])
            named = (f"{name} – {run.name}" if len(runs) > 1 else name, run.name, row["model"])
            grouped.setdefault(named, []).append((measured["value"], low, high))
    picture = Figure(figsize=(7.5, 0.9 + 0.55 * len(grouped)), dpi=160, layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots()
    for place, ((_, _, model), values) in enumerate(grouped.items()):
        colour = _COLOURS[palette[model] % len(_COLOURS)]
        for i, (value, low, high) in enumerate(values):
            y = place + 0.16 * (i - (len(values) - 1) / 2)
            axes.plot([100 * low, 100 * high], [y, y], color=colour, alpha=0.6, linewidth=2)
            axes.plot([100 * value], [y], "o", color=colour, markersize=6)
    names = [name for name, _, _ in grouped]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("right answers (%), with 95 % intervals")
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    content = BytesIO()
    picture.savefig(content, format="png", metadata=_METADATA)
    with atomic_write(path, "wb") as file:
        file.write(content.getvalue())
