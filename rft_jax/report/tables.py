"""Tables, written as HTML for the page and as Markdown for a README or a paper."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rft_jax.report.html import sample_link
from rft_jax.report.runs import RunRecord

METRICS = {"accuracy": "Accuracy", "mean@1": "mean@1", "maj@k": "maj@{k}", "pass@k": "pass@{k}"}
_NARROW = 2  # columns that fit on a phone
POINTS = "Difference, percentage points"


@dataclass(frozen=True)
class Cell:
    """A value and the small text beside it, usually its interval.

    Attributes:
      text: the value.
      small: the small text; '' for none.
      is_problem: whether the value is the id of a problem, which leads to its samples.
    """

    text: str
    small: str = ""
    is_problem: bool = False

    def html(self, title: str = "") -> str:
        """As a table cell.

        Args:
          title: of its column, which stands beside it on a narrow screen; '' for none.
        """
        small = f" <small>{escape(self.small)}</small>" if self.small else ""
        text = sample_link(self.text) if self.is_problem else escape(self.text)
        css = ' class="none"' if title and self.text == "–" else ""
        beside = f' data-title="{escape(title)}"' if title else ""
        return f"<td{css}{beside}>{text}{small}</td>"


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; `groups` are the rows that begin a new group."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    groups: frozenset[int] = frozenset()

    def without_empty(self, titles: Sequence[str]) -> Table:
        """The table without those of the columns `titles` that have a dash in every row."""
        kept = [
            i
            for i, title in enumerate(self.header)
            if title not in titles or any(row[i].text != "–" for row in self.rows)
        ]
        return self._of(kept)

    def without(self, title: str) -> Table:
        """The table without a column."""
        return self._of([i for i, one in enumerate(self.header) if one != title])

    def _of(self, columns: Sequence[int]) -> Table:
        rows = [[row[i] for i in columns] for row in self.rows]
        return Table([self.header[i] for i in columns], rows, self.groups)

    def html(self) -> str:
        """For the page; nothing without rows.

        Wide ones scroll sideways inside their box; on a narrow screen each of their rows is a block
        of lines, so that no column is hidden.
        """
        if not self.rows:
            return ""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.header)
        is_wide = len(self.header) > _NARROW
        titles = ["", *self.header[1:]] if is_wide else [""] * len(self.header)
        body = ""
        for i, row in enumerate(self.rows):
            css = ' class="group"' if i in self.groups and i > 0 else ""
            body += f"<tr{css}>{''.join(map(Cell.html, row, titles))}</tr>"
        kind = ' class="wide"' if is_wide else ""
        return (
            f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def markdown(self) -> str:
        """For a README: first column to the left, the rest to the right."""
        lines = [_markdown_row(self.header), "|---|" + "---:|" * (len(self.header) - 1)]
        lines += [_markdown_row([f"{c.text} {c.small}".strip() for c in row]) for row in self.rows]
        return "\n".join(lines) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def percentage(metric: Mapping[str, Any] | None) -> Cell:
    """A metric of the files as `58.7 %` with its interval."""
    if metric is None:
        return Cell("–")
    low, high = (100 * bound for bound in metric["ci95"])
    return Cell(f"{100 * metric['value']:.1f} %", f"[{low:.1f}, {high:.1f}]")


def results_table(runs: Sequence[RunRecord], reading: bool = False) -> Table:
    """A row per model and seed: metrics with 95 % intervals, data size, distinct paths.

    Columns that no row fills are left out; the run is named where there are several.

    Args:
      reading: whether to add the shares of greedy responses without an answer and cut off.
    """
    rows = [(run, row) for run in runs for row in _by_model(run.rows)]
    has = {name for _, row in rows for name, value in row.items() if value is not None}
    first = ["seed"] * ("seed" in has)
    counts = counted(has, reading)
    metrics = [name for name in METRICS if name in has]
    ks = sorted({row["k"] for _, row in rows if row.get("k")})
    metric_titles = [METRICS[name].format(k=ks[0] if len(ks) == 1 else "k") for name in metrics]
    if len(ks) > 1:
        first.append("k")
    several = len(runs) > 1
    header = ["Model", *["Run"] * several, *titles(first), *metric_titles, *titles(counts)]
    cells = [
        [Cell(run.arm_name(row["model"]))]
        + [Cell(run.name)] * several
        + [number(row.get(name), name) for name in first]
        + [percentage(row.get(name)) for name in metrics]
        + [number(row.get(name), name) for name in counts]
        for run, row in rows
    ]
    return Table(header, cells, _first_of_each(rows))


# Column title and number format of each count.
COUNTS = {
    "seed": ("Seed", "d"),
    "k": ("k", "d"),
    "train_rows": ("Training rows", ",.0f"),
    "new_paths_per_problem": ("New paths / problem", ".2f"),
    "distinct_paths_per_problem": ("With copies of the reference", ".2f"),
}
# The same of what happened to the greedy responses.
_READING = {"no_answer": ("No answer", ".1%"), "truncated": ("Truncated", ".1%")}


def counted(has: Collection[str], reading: bool) -> list[str]:
    """The counts and shares that rows have, in the order of their columns.

    Args:
      has: names of the values of some row.
      reading: whether to add the shares of greedy responses without an answer and cut off.
    """
    names = [*COUNTS, *(_READING if reading else ())]
    return [name for name in names if name in has and name not in ("seed", "k")]


def titles(counts: Sequence[str]) -> list[str]:
    """The column titles of counts."""
    return [(COUNTS | _READING)[name][0] for name in counts]


def measure(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row's accuracy, or the first other metric that it has."""
    for name in METRICS:
        if row.get(name):
            return row[name]
    return {"value": 0.0, "ci95": [0.0, 1.0], "n": 0}


def shown_sign(points: float) -> int:
    """-1, 0 or 1: the sign of percentage points as they are shown, with one decimal."""
    shown = round(points, 1)
    return (shown > 0) - (shown < 0)


def _by_model(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows with the seeds of a model together, models in their first order."""
    order = list(dict.fromkeys(row["model"] for row in rows))
    return sorted(rows, key=lambda row: order.index(row["model"]))


def number(value: float | None, name: str) -> Cell:
    """A count in its format."""
    shown = "–" if value is None else format(value, (COUNTS | _READING)[name][1])
    return Cell(shown.replace("%", " %"))


def _first_of_each(rows: Sequence[tuple[RunRecord, Mapping[str, Any]]]) -> frozenset[int]:
    """Indices of rows that begin another model, when models have several rows."""
    names = [(run.name, row["model"]) for run, row in rows]
    if len(set(names)) == len(names):
        return frozenset()
    return frozenset(i for i, name in enumerate(names) if i == 0 or names[i - 1] != name)
