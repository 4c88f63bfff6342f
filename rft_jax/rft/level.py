"""The dedup level that the data choose, where the settings leave it open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from rft_jax.records import PROGRAM, Problem
from rft_jax.rft.settings import BY_DATA, CollectSettings
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
    of_problems = with_level_of_problems(settings, problems)
    if of_problems.dedup != BY_DATA:
        return of_problems
    return with_level_of_samples(settings, any(map(has_equation(settings), responses)))


def with_level_of_problems(
    settings: CollectSettings, problems: Sequence[Problem]
) -> CollectSettings:
    """As `with_level`; the level stays open where no reference solution has an equation."""
    if settings.dedup != BY_DATA:
        return settings
    has_programs = settings.answers == PROGRAM or any(one.form == PROGRAM for one in problems)
    if has_programs or any(map(has_equation(settings), (one.answer for one in problems))):
        return replace(settings, dedup="equations")
    return settings


def with_level_of_samples(settings: CollectSettings, found: bool) -> CollectSettings:
    """An open level, decided by whether a sample with an equation was found."""
    return replace(settings, dedup="equations" if found else "exact_text")


def has_equation(settings: CollectSettings) -> Callable[[str], bool]:
    """What tells texts that have an equation, as these settings find them."""
    find = equation_source(settings.equation_source)
    return lambda text: bool(find(text))


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
    if given.dedup != BY_DATA or chosen.dedup != "exact_text":
        return ""
    what = "<<…>>" if given.equation_source == "annotations" else "equations"
    return f"no solution has {what}: distinct by text (collect.dedup = 'exact_text')"
