"""The section on sampling, from made-up statistics of collect stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import write_json
from rft_jax.report.collected import Collected, read_collected, widest
from rft_jax.report.paths import sampling_section
from rft_jax.report.runs import RunRecord, StageRecord

NO_CURVES: dict[str, Any] = {"distinct@k": {}, "pass@k": []}


def _collected(
    models: dict[str, Any],
    arm: str = "rft",
    run: str = "run",
    dedup: str = "equations",
    **stats: Any,
) -> Collected:
    record = RunRecord(run, Path(run), (), labels={"rft": "RFT"})
    stage = StageRecord(f"{arm} collect", Path(run), "collect", arm, 0)
    paths = {"problems_by_sampled": {"0": 3, "2": 5}}
    stats = {"models": models, "paths": paths, **NO_CURVES, **stats}
    return Collected(record, stage, stats, {"dedup": dedup})


def _model(distinct: int = 1, **verdicts: int) -> dict[str, Any]:
    return {"verdicts": verdicts, "distinct": distinct, "distinct_alone": 0}


def _section(*collected: Collected) -> str:
    return sampling_section(collected, {"rft": 0, "other": 1}).body


def test_the_verdicts_of_a_model_are_shares_of_its_samples() -> None:
    body = _section(_collected({"sft-0": _model(correct=3, wrong_answer=1)}))
    assert "correct: 3 of 4 (75 %)" in body and "wrong_answer: 1 of 4 (25 %)" in body
    assert "timeout" not in body


def test_samples_that_two_stages_share_are_shown_once_and_others_by_their_run() -> None:
    one = _collected({"sft-0": _model(correct=3)}, run="a")
    assert _section(one, one).count("correct: 3 of 3") == 1
    other = _collected({"sft-0": _model(correct=2)}, run="b")
    assert ">sft-0 (b)</text>" in _section(one, other)


def test_the_curve_of_solved_problems_names_the_models_sampled() -> None:
    curve = {"pass@k": [{"k": 1, "value": 0.5}, {"k": 2, "value": 0.75}]}
    models = {"sft-0": _model(correct=3), "sft-1": _model(correct=2)}
    body = _section(_collected(models, **curve))
    assert "Sampled from RFT: sft-0, sft-1." in body


def test_programs_are_shown_with_their_errors_and_what_is_unsupported() -> None:
    programs = {"samples": 1200, "correct": 7, "correct_exactly": 5}
    programs |= {"errors": {"name": 3, "limit": 2}, "unsupported": {"import <sympy>": 4}}
    body = _section(_collected({"m": _model(correct=7)}, programs=programs))
    for text in ("1,200", "exactly: 5", "name 3, limit 2", "import &lt;sympy&gt; 4"):
        assert text in body
    assert "Unsupported" not in _section(_collected({"m": _model(correct=7)}))


def test_copies_of_the_reference_solution_are_counted_apart_from_new_paths() -> None:
    paths = {"problems_by_sampled": {"2": 5}, "sampled": 10, "copies_of_reference": 3}
    one = _collected({"a": _model()}, paths=paths)
    said = "Of 20 kept paths 14 are new; 6 have the equations of the reference solution."
    assert said in _section(one, one)
    assert "are new" not in _section(_collected({"a": _model()}))


def test_kept_paths_add_up_over_the_seeds_of_an_arm() -> None:
    body = _section(_collected({"a": _model()}), _collected({"b": _model()}))
    assert "RFT: 6 with 0" in body and "RFT: 10 with 2" in body


def test_curves_are_means_over_the_stages_that_removed_duplicates() -> None:
    stages = [
        _collected(
            {f"m{i}": _model()},
            dedup=dedup,
            **{
                "distinct@k": {"equations": [{"k": 4, "value": v}]},
                "pass@k": [{"k": 4, "value": v / 4}],
            },
        )
        for i, (v, dedup) in enumerate(((1.0, "equations"), (3.0, "canonical"), (99.0, "none")))
    ]
    body = _section(*stages)
    assert "equation list, 4: 2<" in body
    assert "RFT, 4: 50 %<" in body


def test_models_of_a_union_have_their_distinct_paths() -> None:
    assert "What each model contributes" not in _section(_collected({"a": _model()}))
    body = _section(_collected({"a": _model(1234), "b": _model(7)}))
    assert ">1,234</td>" in body and ">7</td>" in body


def test_suspicious_references_are_listed_once_with_most_agreement_first() -> None:
    rows = [
        {"id": "p1", "reference": "3", "answer": "4", "votes": 4, "samples": 8},
        {"id": "p2", "reference": "5", "answer": "6", "votes": 7, "samples": 8},
    ]
    one = _collected({"a": _model()}, suspicious_references=rows)
    body = _section(one, one)
    assert body.index("<td>p2</td>") < body.index("<td>p1</td>")
    assert "2 problems" in body and ">6 <small>7 of 8</small></td>" in body


def test_stages_that_read_the_first_of_the_same_samples_are_within_the_one_that_reads_all() -> None:
    def stage(k: int, arm: str, row: dict[str, Any], **models: int) -> Collected:
        curve = [
            {"k": at, "value": float(at * (2 if k == 4 else 1))} for at in (1, 2, 4) if at <= k
        ]
        curves = {"distinct@k": {"equations": curve}, "pass@k": []}
        counts = {model: _model(wrong_answer=samples) for model, samples in models.items()}
        return _collected(counts, arm, suspicious_references=[row], **curves)

    first = {"id": "p1", "reference": "3", "answer": "4", "votes": 2, "samples": 2}
    every = {"id": "p2", "reference": "5", "answer": "6", "votes": 3, "samples": 4}
    few, all_of_them = stage(2, "rft", first, a=20), stage(4, "other", every, a=40)
    body = _section(few, all_of_them)
    assert "wrong_answer: 40 of 40" in body and "of 20" not in body and "(run)" not in body
    # The mean of both would be 1.5, 3 and 8, a bend where the first ends.
    for k, value in ((1, 2), (2, 4), (4, 8)):
        assert f"equation list, {k}: {value}<" in body
    # Four samples say more than the first two of them.
    assert "p2" in body and "p1" not in body
    with_another = stage(2, "rft", first, a=20, b=20)
    assert widest([few, all_of_them, with_another]) == [all_of_them, with_another]


def test_stages_without_statistics_or_of_test_paths_are_not_read(tmp_path: Path) -> None:
    stages = []
    for name, label in (("kept", ""), ("test", "test paths"), ("unfinished", "")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "ledger.jsonl").touch()
        if name != "unfinished":
            write_json(folder / "stats.json", {"models": {}})
        stages.append(StageRecord(name, folder, "collect", "rft", 0, label))
    (one,) = read_collected([RunRecord("run", tmp_path, tuple(stages))])
    assert one.stage.name == "kept" and one.is_deduplicated
