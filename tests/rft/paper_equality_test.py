from __future__ import annotations

import random
from pathlib import Path

import pytest
from rapidfuzz.distance.Levenshtein import distance

from rft_jax.records import Problem
from rft_jax.rft.graded import SampleGrader, solution_row
from rft_jax.rft.problem import select_paths
from rft_jax.rft.rows import Row
from rft_jax.rft.settings import CollectSettings
from tests.rft.fuzz import responses
from tests.rft.make import run_collect, write_samples
from tests.rft.paper_script import collect_paths, edit_distance

SETTINGS = CollectSettings()


def kept_paths(reference: str, texts: list[str], settings: CollectSettings = SETTINGS) -> list[str]:
    """Ours, in memory."""
    rows = [Row(0, index, "m", text, "stop", -1.0) for index, text in enumerate(texts)]
    rows.append(solution_row(Problem("p", "?", f"#### {reference}")))
    *graded, solution = SampleGrader(settings).grade(rows, reference)
    return [row.response for row in select_paths(graded, solution, settings).rows]


@pytest.mark.parametrize("seed", range(10))
def test_the_oracles_distance_is_levenshteins(seed: int) -> None:
    rng = random.Random(seed)
    a, b = ("".join(rng.choices("ab é\ud800", k=rng.randrange(30))) for _ in range(2))
    assert edit_distance(a, b) == distance(a, b)


@pytest.mark.parametrize("first_seed", range(0, 600, 50))
def test_the_same_paths_are_kept_in_the_same_order(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 50):
        texts = responses(seed, 30)
        assert kept_paths("18", texts) == collect_paths("#### 18", texts, distance), seed


def test_the_generated_samples_collide_and_replace_each_other() -> None:
    first = CollectSettings(select="first")
    replaced = [
        s
        for s in range(100)
        if kept_paths("18", t := responses(s, 30)) != kept_paths("18", t, first)
    ]
    several = [s for s in range(100) if len(kept_paths("18", responses(s, 30))) > 2]
    assert len(replaced) > 30
    assert len(several) > 30


@pytest.mark.parametrize("seed", range(1000, 1006))
def test_and_with_the_oracles_own_distance(seed: int) -> None:
    texts = responses(seed, 12)
    assert kept_paths("18", texts) == collect_paths("#### 18", texts)


def test_long_paths_of_many_lines_that_all_collide() -> None:
    rng = random.Random(7)
    for _ in range(20):
        texts = [
            "\n".join(
                " ".join(rng.choices(["one", "two", "many", "apples"], k=rng.randrange(1, 12)))
                for _ in range(rng.randrange(1, 7))
            )
            + f"<<{rng.randrange(3)}+1={rng.randrange(1, 4)}>>\n#### 18"
            for _ in range(60)
        ]
        assert kept_paths("18", texts) == collect_paths("#### 18", texts, distance)


@pytest.mark.parametrize("gold", ["18", "-3", "1,234", "0", "9" * 400, "0.5"])
def test_references_of_any_size(gold: str, tmp_path: Path) -> None:
    texts = [f"<<1+1=2>> {i}\n#### {g}" for i, g in enumerate((gold, f"{gold}.0", "18", "inf"))]
    samples = write_samples(tmp_path / "s", {"p": texts})
    result = run_collect(tmp_path, {"p": f"#### {gold}"}, [samples])
    assert result.kept("p") == collect_paths(f"#### {gold}", texts)


@pytest.mark.parametrize("workers", [1, 2])
def test_from_files_to_files_over_several_models(tmp_path: Path, workers: int) -> None:
    ids = [f"p/{index}" for index in range(25)]
    by_model = [{name: responses(int(name[2:]) * 3 + m, 12) for name in ids} for m in (1, 2, 3)]
    samples = [
        write_samples(tmp_path / f"s{m}", texts, model=f"m{m}") for m, texts in enumerate(by_model)
    ]
    result = run_collect(tmp_path, dict.fromkeys(ids, "#### 18"), samples, workers=workers)
    for name in ids:
        pooled = [text for texts in by_model for text in texts[name]]
        assert result.kept(name) == collect_paths("#### 18", pooled, distance)
    humans = [row["id"] for row in result.paths if row["origin"] == "human"]
    assert humans == ids
    first_rows = {row["id"]: row["origin"] for row in reversed(result.paths)}
    assert set(first_rows.values()) == {"human"}
