"""What has to be known before any number of a run is read: nothing was read, or nothing was new."""

from __future__ import annotations

from rft_jax.evaluation.unread import unread_note
from rft_jax.report.runs import RunRecord


def cautions(run: RunRecord) -> list[str]:
    """A sentence for each model whose responses give no answer or that had nothing new to learn.

    Models are in the order of the results; of several trainings the first one that it is true of
    is named.
    """
    found: dict[tuple[str, str], str] = {}
    for row in run.rows:
        if note := unread_note(row):
            name = run.arm_name(row["model"])
            found.setdefault((row["model"], "unread"), f"{name}: {note}.")
        if row.get("new_paths_per_problem") == 0:
            found.setdefault((row["model"], "new"), _nothing_new(run.arm_name(row["model"])))
    return list(found.values())


def _nothing_new(name: str) -> str:
    return (
        f"{name} had nothing new to train on: no sampled path differs from the reference solutions."
    )
