from __future__ import annotations

from pathlib import Path

from rft_jax.files.jsonl import write_json
from rft_jax.report.cautions import cautions
from rft_jax.report.measured import measured
from rft_jax.report.runs import read_run

METRIC = {"value": 0.5, "ci95": [0.4, 0.6], "n": 100}


def test_votes_of_one_sample_are_left_out_and_shares_of_responses_kept(tmp_path: Path) -> None:
    read = {"no_answer": 0.9, "truncated": 0.2, "readable": {"boxed": 1.0}}
    write_json(
        tmp_path / "metrics.json", {"n": 9, "k": 1, "accuracy": METRIC, "maj@k": METRIC} | read
    )
    assert measured(tmp_path) == {"accuracy": METRIC, **read}
    (said,) = cautions(read_run(str(tmp_path)))
    assert "90% of the responses give no answer" in said and "'boxed' reads 100%" in said
