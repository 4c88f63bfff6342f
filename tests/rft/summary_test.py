"""What `rft collect` says at its end, and how it warns where little was kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rft.make import run_collect, write_samples

ANNOTATED = "<<9+9=18>>\n#### 18"


def _said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], texts: list[str], **kwargs: str
) -> str:
    samples = write_samples(tmp_path / "s", {"p": texts})
    run_collect(tmp_path, {"p": kwargs.pop("reference", ANNOTATED)}, [samples], **kwargs)
    return capsys.readouterr().out


def test_verdicts_and_kept_paths_are_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["<<9*2=18>>\n#### 18", "<<9*2=18>> again\n#### 18", "#### 17", ANNOTATED]
    _, *said = _said(tmp_path, capsys, texts).splitlines()  # the progress is first
    assert said[0] == "collect: 4 samples of 1 problem"
    assert [line.split()[:3] for line in said[1:3]] == [
        ["wrong_answer", "1", "25.0%"],
        ["correct", "3", "75.0%"],
    ]
    assert said[3] == (
        "kept: 2 distinct sampled paths (1 of them copies of a reference solution) and 1 reference "
        "solution, in paths.jsonl"
    )
    assert "warning" not in "".join(said)


def test_samples_without_an_answer_are_read_by_the_other_readers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(tmp_path, capsys, [r"It is $\boxed{18}$"] * 3 + ["nothing"])
    assert (
        "warning: 100% of the samples give no answer to collect.answers = 'first': 'boxed' reads "
        "75% of them" in said
    )
    said = _said(tmp_path / "none", capsys, ["nothing"])
    assert "no other reader finds one either" in said


def test_a_run_without_any_equation_is_offered_the_text_as_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [f"{word}, so 18\n#### 18" for word in ("one", "two", "three", "three")]
    said = _said(tmp_path, capsys, texts)
    assert "kept: 1 distinct sampled path and" in said
    assert (
        "collect.dedup = 'equations'; --gin.collect.dedup=exact_text would keep 3 "
        "(--gin.collect.dedup='' takes it where no solution and no sample has an equation), "
        "--gin.collect.dedup=none all 4, --gin.collect.equation_source=text reads equations" in said
    )
    for level, kept in (("exact_text", 3), ("none", 4), ("", 3)):
        folder = tmp_path / f"by-{level}"
        again = _said(folder, capsys, texts, dedup=level, reference="So 18\n#### 18")
        assert "warning" not in again
        assert f"kept: {kept} distinct sampled path" in again
    said = _said(tmp_path / "from", capsys, texts, equation_source="text")
    assert "dedup=none all 4\n" in said


def test_copies_of_the_reference_alone_are_said_to_be_nothing_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(tmp_path, capsys, [ANNOTATED])
    assert "no path that is not a reference: training on paths.jsonl is SFT on the ref" in said
    assert "no path that is not a reference: it is empty" in _said(
        tmp_path / "bare", capsys, ["#### 1"], reference="18"
    )


def test_a_reference_that_is_only_an_answer_is_not_a_training_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(tmp_path, capsys, ["<<9*2=18>>\n#### 18"], reference="18")
    assert "kept: 1 distinct sampled path and 0 reference solutions" in said
    assert "1 reference without a solution" in said
    assert "would not be accepted" not in said
    assert (tmp_path / "out" / "paths.jsonl").read_text().count('"human"') == 0
