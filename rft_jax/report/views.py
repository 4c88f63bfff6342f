"""Parts of the report as values that a notebook shows.

from rft_jax.report import views
run = views.open_run("runs/quickstart")
views.samples(run, verdict="wrong_equation", count=3)
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import islice

from rft_jax.errors import UserError
from rft_jax.records import VERDICTS, read_paths
from rft_jax.report.browser import example_html, read_all_examples
from rft_jax.report.costs import costs_section
from rft_jax.report.curves import models_section
from rft_jax.report.examples import Example
from rft_jax.report.experiments import figures_section
from rft_jax.report.html import asset, paragraph
from rft_jax.report.overview import colours, lead, results_section
from rft_jax.report.paths import read_collected, sampling_section
from rft_jax.report.runs import Run, read_run

_DRAWN = 500


@dataclass(frozen=True)
class View:
    """A piece of HTML with the report's style, which touches nothing around it."""

    html: str

    def _repr_html_(self) -> str:
        style = asset("page.css").replace(":root", ":scope").replace("\nbody {", "\n:scope {")
        return (
            f"<div class='rft-view'><style>@scope (.rft-view) {{ {style} }}</style>"
            f"{self.html}</div>"
        )


def open_run(path: str) -> Run:
    """A run's folder, or that of a single stage.

    Raises:
      UserError: it holds neither.
    """
    return read_run(path)


def results(run: Run) -> View:
    """What was found: in a sentence, as a table with intervals, as paired comparisons."""
    return View(lead([run]) + results_section([run]).body)


def commands(run: Run, arm: str = "") -> View:
    """The commands of a run's stages, as one would type them; of one arm, or all."""
    asked = [stage.typed for stage in run.stages if arm in ("", stage.arm)]
    return View(f'<div class="card"><pre>{escape(chr(10).join(asked))}</pre></div>')


def problems(run: Run, count: int = 3) -> View:
    """The first problems with their human paths.

    Raises:
      UserError: the run has collected nothing.
    """
    collected = read_collected([run])
    if not collected:
        raise UserError(f"{run.folder}: no collected paths there")
    read = read_paths(collected[0].stage.folder / "paths.jsonl")
    human = islice((path for _, path in read if path.origin == "human"), count)
    body = "".join(
        f'<div class="sample">{paragraph(path.query, "text question")}'
        f"{paragraph(path.response, 'text')}</div>"
        for path in human
    )
    return View(f'<div class="card">{body}</div>')


def figures(run: Run) -> View:
    """An experiment's figures, the paper's beside them."""
    return View(figures_section([run]).body)


def costs(run: Run) -> View:
    """Tokens, FLOPs and seconds; the paper's table of costs."""
    return View(costs_section([run]).body)


def models(run: Run) -> View:
    """Accuracy over all, by steps and by length; training loss; majority votes."""
    return View(models_section([run], colours([run])).body)


def sampling(run: Run) -> View:
    """Verdicts, kept paths, distinct paths and problems solved against k, suspicious references."""
    return View(sampling_section(read_collected([run]), colours([run])).body)


def samples(
    run: Run, verdict: str = "", model: str = "", problem: str = "", count: int = 5, seed: int = 0
) -> View:
    """Samples with their reasons, drawn by seed from those that fit.

    Args:
      verdict: one of `records.VERDICTS`, or `kept`; '' for any.
      model: as the samples name it; '' for any.
      problem: part of its id or question; '' for any.
      count: how many.

    Raises:
      UserError: there is no such verdict.
    """
    if verdict not in ("", "kept", *VERDICTS):
        raise UserError(f"verdict {verdict!r}; there are kept, {', '.join(VERDICTS)}")
    drawn = [example for _, example in read_all_examples(read_collected([run]), _DRAWN, seed)]
    fitting = [e for e in drawn if _fits(e, verdict, model, problem)][:count]
    body = "".join(map(example_html, fitting)) or "<p>No such sample.</p>"
    return View(f'<div class="card">{body}</div>')


def _fits(example: Example, verdict: str, model: str, problem: str) -> bool:
    return (
        verdict in ("", example.state, example.row.verdict)
        and model in ("", example.row.model)
        and problem.lower() in f"{example.row.id}\n{example.question}".lower()
    )
