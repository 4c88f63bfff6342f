"""The calculator reaches sampling by its setting, and what is put in is correct."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.checkpoints.names import EMBEDDED, model_folder
from rft_jax.evaluation.calculator import calculator_of
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.records import read_samples
from rft_jax.sampling.settings import SampleSettings
from rft_jax.verify.calculator import calculated
from rft_jax.verify.equations import check_exact, find_annotations


def test_it_is_the_verifiers_result_behind_an_equals_sign_where_it_is_asked_for() -> None:
    assert calculator_of(SampleSettings()) is None
    forcing = calculator_of(SampleSettings(calculator=True))
    assert forcing is not None
    assert (forcing.ending, forcing.text_for) == ("=", calculated)
    assert calculator_of(EvaluateSettings(calculator=True)) == forcing


def test_evaluate_hands_it_to_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rft_jax.sampling import run

    class Reached(Exception):
        pass

    def sample(*_: Any, forcing: Any) -> None:
        assert forcing == calculator_of(EvaluateSettings(calculator=True))
        raise Reached

    monkeypatch.setattr(run, "sample", sample)
    settings = EvaluateSettings(calculator=True)
    with pytest.raises(Reached):
        evaluate("wordproblems:dev", str(tmp_path / "out"), settings, model="m")


@pytest.mark.slow
def test_with_it_every_calculation_that_ends_is_correct(tmp_path: Path) -> None:
    """On numbers larger than any in training, where the model's own results are often not."""
    found = {}
    for calculator in (False, True):
        settings = EvaluateSettings(calculator=calculator, limit=16, max_new_tokens=128)
        output = tmp_path / str(calculator)
        evaluate("wordproblems:test-large", str(output), settings, model=model_folder(EMBEDDED))
        rows = read_samples(output / "samples" / "samples-00000-of-00001.jsonl")
        equations = [one for _, row in rows for one in find_annotations(row.response)]
        assert len(equations) > 16
        found[calculator] = {check_exact(one) for one in equations}
    assert found == {False: {"correct", "wrong_equation"}, True: {"correct"}}
