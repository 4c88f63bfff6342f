"""How far a run has come: for the title and the top of the page of one that is not finished."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rft_jax.files.outputs import COMPLETE
from rft_jax.report.html import paragraph
from rft_jax.report.runs import RunRecord

_NAMED = 6  # stages that are named at most


def unfinished(run: RunRecord) -> tuple[int, int] | None:
    """(finished stages, all stages) of a run that is not finished.

    None for a finished run, a single stage, and results that are published without their stages.
    """
    folders = {stage.folder for stage in run.stages}
    finished = sum((folder / COMPLETE).exists() for folder in folders)
    is_published = bool(run.rows) and not any(folder.exists() for folder in folders)
    if len(folders) < 2 or finished == len(folders) or is_published:
        return None
    return finished, len(folders)


def progress(run: RunRecord) -> str:
    """`23 of 141 stages`; empty for a finished run."""
    found = unfinished(run)
    return "{:,} of {:,} stages".format(*found) if found else ""


def progress_of_all(runs: Sequence[RunRecord]) -> str:
    """The progress of several runs, each named; empty if all are finished."""
    found = {run.name: text for run in runs if (text := progress(run))}
    if len(runs) == 1:
        return "".join(found.values())
    return ", ".join(f"{name}: {text}" for name, text in found.items())


def progress_html(run: RunRecord) -> str:
    """A bar, how many stages are finished, and which ones have begun; empty if all are finished."""
    found = unfinished(run)
    if not found:
        return ""
    begun = dict.fromkeys(
        stage.name
        for stage in run.stages
        if stage.folder.exists() and not (stage.folder / COMPLETE).exists()
    )
    names = [*begun][:_NAMED] + ["…"] * (len(begun) > _NAMED)
    more = f"; begun: {', '.join(names)}" if names else ""
    text = f"{run.name}: {progress(run)}"
    return (
        f'<progress value="{found[0]}" max="{found[1]}" aria-label="{escape(text)}"></progress>'
        f"{paragraph(f'{text} are finished{more}. The results are those so far.', 'soft')}"
    )
