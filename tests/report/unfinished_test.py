"""How far a run has come, as the title and the top of the page say it."""

from __future__ import annotations

from pathlib import Path

from rft_jax.files.jsonl import write_json
from rft_jax.report.overview import lead
from rft_jax.report.runs import RunRecord, StageRecord
from rft_jax.report.unfinished import progress, progress_html, progress_of_all


def _run(folder: Path, name: str, *, finished: int, begun: int, of: int) -> RunRecord:
    for i in range(finished + begun):
        (folder / name / f"s{i}").mkdir(parents=True)
    for i in range(finished):
        write_json(folder / name / f"s{i}" / "COMPLETE", {})
    stages = [
        StageRecord(f"stage <{i}>", folder / name / f"s{i}", "train", "sft", 0) for i in range(of)
    ]
    return RunRecord(name, folder / name, (*stages, stages[0]))  # the first for two conditions


def test_stages_are_counted_once_and_those_begun_are_named(tmp_path: Path) -> None:
    run = _run(tmp_path, "a", finished=2, begun=1, of=1200)
    assert progress(run) == progress_of_all([run]) == "2 of 1,200 stages"
    html = progress_html(run)
    assert '<progress value="2" max="1200"' in html
    assert "a: 2 of 1,200 stages are finished; begun: stage &lt;2&gt;." in html
    other = _run(tmp_path, "b", finished=0, begun=0, of=2)
    assert progress_of_all([run, other]) == "a: 2 of 1,200 stages, b: 0 of 2 stages"


def test_many_stages_that_have_begun_are_not_all_named(tmp_path: Path) -> None:
    html = progress_html(_run(tmp_path, "a", finished=1, begun=9, of=12))
    assert html.count("stage &lt;") == 6 and ", …." in html


def test_what_is_finished_a_single_stage_and_published_results_have_no_progress(
    tmp_path: Path,
) -> None:
    assert progress(_run(tmp_path, "a", finished=3, begun=0, of=3)) == ""
    assert progress(_run(tmp_path, "b", finished=0, begun=1, of=1)) == ""
    stages = _run(tmp_path, "c", finished=0, begun=0, of=3).stages
    rows = ({"model": "sft"},)
    assert (
        progress(RunRecord("c", tmp_path, stages, rows))
        == progress_html(RunRecord("d", tmp_path, ()))
        == ""
    )


def test_the_best_model_so_far_is_not_announced_as_a_result(tmp_path: Path) -> None:
    stages = _run(tmp_path, "a", finished=1, begun=0, of=2).stages
    metric = {"value": 0.5, "ci95": [0.4, 0.6], "n": 10}
    run = RunRecord("a", tmp_path, stages, ({"model": "sft", "accuracy": metric},))
    assert "solves" not in lead([run]) and "1 of 2 stages" in lead([run])
    (tmp_path / "a/s1").mkdir()
    write_json(tmp_path / "a/s1/COMPLETE", {})
    assert "sft solves 50.0 %" in lead([run])
