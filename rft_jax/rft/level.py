"""The dedup level that the data choose, where the settings leave it open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from rft_jax.records import Problem
from rft_jax.rft.settings import CollectSettings
from rft_jax.verify.answers import PROGRAM
from rft_jax.verify.running_text import equation_source


def with_level(
    settings: CollectSettings, problems: Sequence[Problem], responses: Iterable[str] = ()
) -> CollectSettings:
    """The settings with a dedup level: `equations`, or `exact_text` where no text has any.

    Without equations, all correct paths of a problem would be duplicates of each other at every
    level that compares equations. Programs have the operations that they do.

    Args:
      problems: whose reference solutions are looked at first.
      responses: of samples, if there are any yet; read up to the first that has an equation.
    """
    if settings.dedup:
        return settings
    texts = chain((problem.answer for problem in problems), responses)
    has_programs = settings.answers == PROGRAM or any(one.form == PROGRAM for one in problems)
    if has_programs or any(map(equation_source(settings.equation_source), texts)):
        return replace(settings, dedup="equations")
    return replace(settings, dedup="exact_text")


def with_level_said(
    settings: CollectSettings, problems: Sequence[Problem], responses: Iterable[str]
) -> CollectSettings:
    """As `with_level`; prints the level that the data chose."""
    chosen = with_level(settings, problems, responses)
    if note := level_note(settings, chosen):
        print(note, flush=True)
    return chosen


def level_note(given: CollectSettings, chosen: CollectSettings) -> str:
    """A line about the level that the data chose; empty where the settings chose it."""
    if given.dedup or chosen.dedup != "exact_text":
        return ""
    what = "<<…>>" if given.equation_source == "annotations" else "equations"
    return f"no solution has {what}: distinct by text (collect.dedup = 'exact_text')"
