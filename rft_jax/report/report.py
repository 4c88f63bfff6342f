"""`rft report`: tables, a plot and one self-contained HTML page from the folders of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import rft_jax
from rft_jax.checked_settings import CheckedSettings
from rft_jax.errors import UserError
from rft_jax.evaluation.compare import with_holm
from rft_jax.files.identity import added_setting, settings_identity
from rft_jax.files.jsonl import atomic_write
from rft_jax.files.mirror import original
from rft_jax.files.outputs import open_output
from rft_jax.report.about import about_section
from rft_jax.report.browser import browser_section, choose_examples, examples_section
from rft_jax.report.cautions import cautions
from rft_jax.report.collected import read_collected
from rft_jax.report.conditions import NOTES, comparison_note, comparison_table, conditions_table
from rft_jax.report.costs import costs_markdown, costs_section
from rft_jax.report.curves import accuracy_chart, models_section
from rft_jax.report.experiments import plots_markdown, plots_section
from rft_jax.report.headline import headline
from rft_jax.report.html import page
from rft_jax.report.overview import colours, is_repeated, lead, results_section
from rft_jax.report.paths import sampling_section, suspicious_problems
from rft_jax.report.policy import policy_section
from rft_jax.report.runs import RunRecord, read_run
from rft_jax.report.side_by_side import read_side_by_side
from rft_jax.report.svg import standalone
from rft_jax.report.tables import results_table
from rft_jax.report.unfinished import progress_of_all


@dataclass(frozen=True)
class ReportSettings(CheckedSettings):
    """Settings of `rft report`.

    Attributes:
      title: heading of the page.
      samples_per_verdict: most samples of each verdict on the page, chosen by `report.seed`; 0: no
        samples, and no answers side by side.
      seed: seed for choosing the samples of the page.
      pair: the two conditions whose answers are shown side by side, e.g. ('rft', 'sft_steps'), as
        results.json names them; () for the main comparison.
    """

    gin_name: ClassVar[str] = "report"

    title: str = "Rejection-sampling fine-tuning"
    samples_per_verdict: int = 500
    seed: int = 0
    pair: tuple[str, ...] = added_setting(())

    def __post_init__(self) -> None:
        self._check_at_least(0, "samples_per_verdict")
        object.__setattr__(self, "pair", tuple(self.pair))  # gin gives lists
        if self.pair and (len(self.pair) != 2 or len(set(self.pair)) == 1):
            self._refuse("pair", "two conditions are needed, or ()")
        if self.pair and not self.samples_per_verdict:
            needed = "report.samples_per_verdict = 0 leaves all samples out, those of a pair too"
            self._refuse("pair", f"{needed}; set one of the two")


def report(inputs: list[str], output: str, settings: ReportSettings, config_text: str = "") -> Path:
    """Writes `index.html`, `table.md` and, if there are results, `accuracy.svg`.

    A report is written again each time, since its runs may have progressed.

    Args:
      inputs: folders of runs or of single stages.
      output: folder of the report.
      settings: of the page.
      config_text: the resolved settings as a gin file, written into the output.

    Returns:
      The page's file.

    Raises:
      UserError: a folder holds nothing that can be reported, or the output folder was made from
        other inputs.
    """
    runs = read_runs(inputs)
    named = [original(path) or path for path in inputs]
    made_with = {"inputs": named, **settings_identity(settings)}
    with open_output(output, made_with, config_text) as folder:
        _write(folder.path / "index.html", render(runs, settings))
        _write(folder.path / "table.md", markdown(runs))
        if chart := accuracy_chart(runs, colours(runs)):
            _write(folder.path / "accuracy.svg", standalone(chart))
        folder.commit()
    page = Path(output) / "index.html"
    print(f"report: {page}", flush=True)
    return page


def read_runs(inputs: Sequence[str]) -> list[RunRecord]:
    """The runs, each with a unique name: of its folder, and of parent folders where needed.

    Raises:
      UserError: a folder holds nothing that can be reported, or is named twice.
    """
    folders = [Path(path).resolve() for path in inputs]
    for path, folder in zip(inputs, folders, strict=True):
        if folders.count(folder) > 1:
            raise UserError(f"{path}: named twice; name it once")
    runs = [read_run(path) for path in inputs]
    together = iter(with_holm([row for run in runs for row in run.comparisons]))
    return [
        replace(
            run,
            name=_name_among(folder, folders),
            comparisons=tuple(next(together) for _ in run.comparisons),
        )
        for run, folder in zip(runs, folders, strict=True)
    ]


def _name_among(folder: Path, folders: Sequence[Path]) -> str:
    """The shortest end of a path that no other path has."""
    ends = [folder.parts[-length:] for length in range(1, len(folder.parts) + 1)]
    others = [other.parts for other in folders if other != folder]
    return "/".join(next(end for end in ends if all(other[-len(end) :] != end for other in others)))


def render(runs: Sequence[RunRecord], settings: ReportSettings) -> str:
    """The page as HTML."""
    palette = colours(runs)
    collected = read_collected(runs)
    choice = settings.samples_per_verdict, settings.seed
    examples = choose_examples(collected, *choice, suspicious_problems(collected))
    shown = runs if settings.samples_per_verdict else ()
    pairs, answers = read_side_by_side(shown, settings.seed, settings.pair)
    looked_through = [*examples, *answers]
    sections = [
        plots_section(runs),
        results_section(runs),
        models_section(runs, palette),
        pairs,
        policy_section(runs),
        sampling_section(collected, palette, {example.row.id for _, example in looked_through}),
        examples_section(examples),
        browser_section(looked_through, *choice),
        costs_section(runs),
        about_section(runs),
    ]
    time = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    footer = (
        f"Made by rft_jax {rft_jax.__version__} on {time} from {', '.join(r.name for r in runs)}."
    )
    names = ", ".join(run.name for run in runs)
    title = " · ".join(filter(None, [settings.title, names, time[:10], progress_of_all(runs)]))
    return page(title, lead(runs), sections, footer)


def markdown(runs: Sequence[RunRecord]) -> str:
    """The tables for a README, after each run's main result."""
    parts = [text for run in runs if run.rows for text in (*cautions(run), headline(run))]
    repeated = [run for run in runs if is_repeated(run)]
    for run in repeated:
        parts += [conditions_table(run).markdown(), NOTES["conditions"]]
    if len(repeated) < len(runs) and any(run.rows for run in runs):
        parts += [results_table(runs).markdown(), NOTES["rows"]]
    if any(run.comparisons for run in runs):
        parts += [comparison_table(runs).markdown(), comparison_note(runs)]
    for run in runs:
        parts += [*plots_markdown(run), *costs_markdown(run)]
    parts += dict.fromkeys(note for run in runs for note in run.notes if note)
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _write(path: Path, text: str) -> None:
    """As UTF-8; a lone surrogate in a model's output becomes a question mark."""
    with atomic_write(path, "wb") as file:
        file.write(text.encode("utf-8", "replace"))
