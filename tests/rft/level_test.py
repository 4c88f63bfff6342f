"""The dedup level that the data choose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rft_jax.records import Problem
from rft_jax.rft.level import with_level
from rft_jax.rft.settings import CollectSettings
from tests.rft.make import WORKED, run_collect, write_samples

PLAIN, ANNOTATED = f"{WORKED}\n#### 18", "<<9+9=18>>\n#### 18"
BY_DATA = CollectSettings(dedup="")


def _problems(*answers: str, form: str = "text") -> list[Problem]:
    return [Problem(f"p/{i}", "How many?", one, form) for i, one in enumerate(answers)]


def _nothing_is_read() -> Iterator[str]:
    raise AssertionError("samples are read")
    yield ""


def test_texts_are_compared_where_neither_solutions_nor_samples_have_equations() -> None:
    problems = _problems(PLAIN, PLAIN)
    assert with_level(BY_DATA, problems).dedup == "exact_text"
    assert with_level(BY_DATA, problems, [PLAIN, "9+9=18"]).dedup == "exact_text"
    assert with_level(BY_DATA, problems, [PLAIN, ANNOTATED]).dedup == "equations"
    assert with_level(BY_DATA, _problems(PLAIN, ANNOTATED), _nothing_is_read()).dedup == "equations"


def test_equations_are_found_where_the_settings_find_them() -> None:
    text = CollectSettings(dedup="", equation_source="text")
    assert with_level(text, _problems("9+9 = 18\n#### 18")).dedup == "equations"
    assert with_level(text, _problems(PLAIN)).dedup == "exact_text"


def test_programs_have_equations() -> None:
    assert with_level(BY_DATA, _problems("print(18)", form="program")).dedup == "equations"
    by_programs = CollectSettings(dedup="", answers="program")
    assert with_level(by_programs, _problems("18")).dedup == "equations"


def test_a_level_that_is_named_stays_and_nothing_is_read() -> None:
    for level in ("none", "exact_text", "equations"):
        settings = CollectSettings(dedup=level)
        assert with_level(settings, _problems(PLAIN), _nothing_is_read()) == settings


@pytest.mark.parametrize(
    ("texts", "level", "kept"),
    [([PLAIN, f"Yes. {PLAIN}"], "exact_text", 2), ([PLAIN, f"Yes. {ANNOTATED}"], "equations", 2),
     ([ANNOTATED, f"Yes. {ANNOTATED}"], "equations", 1)],
)  # fmt: skip
def test_collect_records_the_level_that_it_chose(
    tmp_path: Path, texts: list[str], level: str, kept: int, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = write_samples(tmp_path / "s", {"p": texts})
    result = run_collect(tmp_path, {"p": PLAIN}, [samples], dedup="")
    assert len(result.kept("p")) == kept
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["dedup"] == level
    said = "no solution has <<…>>: distinct by text (collect.dedup = 'exact_text')"
    assert (said in capsys.readouterr().out) == (level == "exact_text")
    named = {"p": PLAIN}, [samples]
    assert run_collect(tmp_path, *named, dedup=level).stats == result.stats  # the same folder
