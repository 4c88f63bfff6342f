"""Tables: made once, written as HTML for the page and as Markdown for a README or a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rft_jax.report.runs import Run, arm_name

FIGURES = {"accuracy": "Accuracy", "mean@1": "mean@1", "maj@k": "maj@{k}", "pass@k": "pass@{k}"}


@dataclass(frozen=True)
class Cell:
    """A figure and what stands small beside it (its interval)."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; `groups` are the rows that begin a new group."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    groups: frozenset[int] = frozenset()

    def html(self) -> str:
        """For the page; wide ones scroll sideways inside their box."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.header)
        body = ""
        for i, row in enumerate(self.rows):
            css = ' class="group"' if i in self.groups and i > 0 else ""
            cells = "".join(
                f"<td>{escape(c.text)}{f' <small>{escape(c.small)}</small>' if c.small else ''}</td>"
                for c in row
            )
            body += f"<tr{css}>{cells}</tr>"
        return (
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def markdown(self) -> str:
        """For a README: first column to the left, the rest to the right."""
        lines = [_markdown_row(self.header), "|---|" + "---:|" * (len(self.header) - 1)]
        lines += [_markdown_row([f"{c.text} {c.small}".strip() for c in row]) for row in self.rows]
        return "\n".join(lines) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def percentage(figure: Mapping[str, Any] | None) -> Cell:
    """A figure of the files as `58.7 %` with its interval."""
    if figure is None:
        return Cell("–")
    low, high = (100 * bound for bound in figure["ci95"])
    return Cell(f"{100 * figure['value']:.1f} %", f"[{low:.1f}, {high:.1f}]")


def p_text(p_value: float) -> str:
    """A p-value as it is read: three places, or that it is smaller."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def results_table(runs: Sequence[Run]) -> Table:
    """A row a model and seed: size of its data, distinct paths, figures with 95 % intervals.

    Columns that no row fills are left out; the run is named where there are several.
    """
    rows = [(run, row) for run in runs for row in run.rows]
    several = len(runs) > 1
    has = {name for _, row in rows for name, value in row.items() if value is not None}
    header = ["Model"] + ["Run"] * several + ["Seed"] * ("seed" in has)
    header += ["Training rows"] * ("train_rows" in has)
    header += ["Distinct paths / problem"] * ("distinct_paths_per_problem" in has)
    ks = {row["k"] for _, row in rows if row.get("k")}
    shown = {n: title for n, title in FIGURES.items() if n in has}
    header += [title.format(k=ks.copy().pop() if len(ks) == 1 else "k") for title in shown.values()]
    cells = [[Cell(arm_name(row["model"]))] for _, row in rows]
    for line, (run, row) in zip(cells, rows, strict=True):
        line += [Cell(run.name)] * several
        line += [_number(row, name, form) for name, form in _COUNTS.items() if name in has]
        line += [percentage(row.get(name)) for name in shown]
    return Table(header, cells, _first_of_each(rows))


_COUNTS = {"seed": "d", "train_rows": ",d", "distinct_paths_per_problem": ".2f"}


def _number(row: Mapping[str, Any], name: str, form: str) -> Cell:
    value = row.get(name)
    return Cell("–" if value is None else format(value, form))


def _first_of_each(rows: Sequence[tuple[Run, Mapping[str, Any]]]) -> frozenset[int]:
    """Where another model begins, when models have several rows."""
    names = [(run.name, row["model"]) for run, row in rows]
    if len(set(names)) == len(names):
        return frozenset()
    return frozenset(i for i, name in enumerate(names) if i == 0 or names[i - 1] != name)


def comparison_table(runs: Sequence[Run]) -> Table:
    """A row a paired comparison: how much better, with interval and p-value."""
    several = len(runs) > 1
    cells = []
    for run in runs:
        for row in run.comparisons:
            low, high = (100 * bound for bound in row["ci95"])
            cells.append(
                [Cell(f"{arm_name(row['a'])} – {arm_name(row['b'])}")]
                + [Cell(run.name)] * several
                + [
                    Cell(str(row.get("seed", "–"))),
                    Cell(f"{100 * row['difference']:+.1f}", f"[{low:+.1f}, {high:+.1f}]"),
                    Cell(p_text(row["p_value"])),
                ]
            )
    return Table(["Compared", *["Run"] * several, "Seed", "Points", "p"], cells)
