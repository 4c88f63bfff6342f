"""Sections of the report as values that a notebook shows.

from rft_jax.report import views
from rft_jax.report.runs import read_run
run = read_run("runs/quickstart")
views.samples(run, verdict="wrong_equation", count=3)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice, zip_longest

from rft_jax.errors import UserError
from rft_jax.records import PATHS_FILE, VERDICTS, read_paths
from rft_jax.report.browser import choose_examples, example_html
from rft_jax.report.collected import read_collected
from rft_jax.report.costs import costs_section
from rft_jax.report.curves import models_section
from rft_jax.report.examples import Example
from rft_jax.report.experiments import plots_section
from rft_jax.report.html import asset, paragraph
from rft_jax.report.overview import colours, lead, results_section
from rft_jax.report.paths import sampling_section
from rft_jax.report.runs import RunRecord

_SAMPLES_PER_VERDICT = 500
# What tells the theme of JupyterLab, Colab and VS Code, which may differ from the system's.
_LIGHT = '[data-jp-theme-light="true"], [theme="light"], .vscode-light'
_DARK = '[data-jp-theme-light="false"], [theme="dark"], .vscode-dark'


@dataclass(frozen=True)
class View:
    """HTML with the report's style, which does not affect the HTML around it."""

    html: str

    def _repr_html_(self) -> str:
        style = asset("chart.css") + asset("page.css")
        themes = _themes(style)
        style = style.replace(":root", ":scope").replace("\nbody {", "\n:scope {")
        # The notebook's messages are UTF-8; a response may have characters that are not.
        body = self.html.encode("utf-8", "replace").decode("utf-8")
        return (
            f"<div class='rft-view'><style>@scope (.rft-view) {{ {style} }} {themes}</style>"
            f"{body}</div>"
        )


def _themes(style: str) -> str:
    """Rules that give a view the colours of the notebook's theme, where that is known.

    Args:
      style: has the light colours in its first `:root`, the dark ones in its second.
    """
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    return (
        f":is({_LIGHT}) .rft-view {{ {light} color-scheme: light; }} "
        f":is({_DARK}) .rft-view {{ {dark} color-scheme: dark; }}"
    )


def results(run: RunRecord) -> View:
    """The main result in a sentence, the table with intervals, the paired comparisons."""
    return View(lead([run]) + results_section([run]).body)


def command_lines(run: RunRecord, arm: str = "") -> View:
    """The command lines of a run's stages.

    Args:
      run: a run.
      arm: only the stages of this arm; '' for all.
    """
    lines = [stage.typed for stage in run.stages if arm in ("", stage.arm)]
    return View(f'<div class="card"><pre>{escape(chr(10).join(lines))}</pre></div>')


def problems(run: RunRecord, count: int = 3) -> View:
    """The first problems with their reference solutions.

    Raises:
      UserError: the run has collected nothing.
    """
    collected = read_collected([run])
    if not collected:
        raise UserError(f"{run.folder}: no collected paths there")
    read = read_paths(collected[0].stage.folder / PATHS_FILE)
    human = islice((path for _, path in read if path.origin == "human"), count)
    body = "".join(
        f'<div class="sample">{paragraph(path.query, "text question")}'
        f"{paragraph(path.response, 'text')}</div>"
        for path in human
    )
    return View(f'<div class="card">{body}</div>')


def plots(run: RunRecord) -> View:
    """The plots of an experiment, with the paper's."""
    return View(plots_section([run]).body)


def costs(run: RunRecord) -> View:
    """Tokens, FLOPs and seconds; the paper's table of costs."""
    return View(costs_section([run]).body)


def models(run: RunRecord) -> View:
    """Accuracy, accuracy by steps and by length; training loss; majority votes."""
    return View(models_section([run], colours([run])).body)


def sampling(run: RunRecord) -> View:
    """Verdicts, kept paths, distinct paths and solved problems against k, suspicious references."""
    return View(sampling_section(read_collected([run]), colours([run])).body)


def samples(
    run: RunRecord,
    verdict: str = "",
    model: str = "",
    problem: str = "",
    count: int = 5,
    seed: int = 0,
) -> View:
    """Matching samples with their reasons, chosen by seed: of every verdict in turn.

    Args:
      run: a run.
      verdict: one of `records.VERDICTS`, or `kept`; '' for any.
      model: the model's name in the samples; '' for any.
      problem: a substring of its id or question; '' for any.
      count: most samples to show.
      seed: seed of the choice.

    Raises:
      UserError: there is no such verdict.
    """
    if verdict not in ("", "kept", *VERDICTS):
        raise UserError(f"verdict {verdict!r}; there are kept, {', '.join(VERDICTS)}")
    chosen = choose_examples(read_collected([run]), _SAMPLES_PER_VERDICT, seed)
    matching = [e for _, e in chosen if _matches(e, verdict, model, problem)]
    matching = sorted(_in_turn(matching)[:count], key=matching.index)
    body = "".join(map(example_html, matching)) or "<p>No such sample.</p>"
    return View(f'<div class="card">{body}</div>')


def _in_turn(examples: Sequence[Example]) -> list[Example]:
    """The first of every verdict and state, kept ones before others, then the second of each."""
    by_kind: dict[tuple[str, str], list[Example]] = {}
    for one in examples:
        by_kind.setdefault((one.row.verdict, one.state), []).append(one)
    kinds = sorted(by_kind, key=lambda kind: kind[1] != "kept")
    rounds = zip_longest(*map(by_kind.__getitem__, kinds))
    return [one for round_ in rounds for one in round_ if one is not None]


def _matches(example: Example, verdict: str, model: str, problem: str) -> bool:
    return (
        verdict in ("", example.state, example.row.verdict)
        and model in ("", example.row.model)
        and problem.lower() in f"{example.row.id}\n{example.question}".lower()
    )
