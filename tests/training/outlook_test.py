"""What a training says before its first step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rft_jax.errors import Preempted
from rft_jax.training import trainer
from tests.training.conftest import CONFIG, SETTINGS, preempt


def _said(
    folder: Path, data: str, capsys: pytest.CaptureFixture[str], **changes: object
) -> list[str]:
    settings = replace(SETTINGS, **{"num_steps": 1, **changes})  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Preempted):
        patch.setattr(trainer, "run_steps", preempt)
        trainer.train(CONFIG, [data], str(folder), settings)
    said = capsys.readouterr().out.splitlines()
    return [line for line in said if "step" in line or "warn" in line]


def test_rows_that_no_example_fills_are_not_computed_and_few_steps_are_a_warning(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(tmp_path / "a", data, capsys, batch_size=512)
    rows = int(said[0].split("1 step of ")[1].split(" ")[0])
    assert "60 examples" in said[0] and 30 < rows <= 64
    few = (
        "warning: 1 step at a learning rate of up to 0.01 may change little: raise "
        "train.num_epochs or train.learning_rate"
    )
    assert said[1] == f"{few}, or lower train.batch_size (now 512 rows)"
    assert _said(tmp_path / "b", data, capsys, batch_size=8)[1] == few  # a row per device


def test_much_padding_is_a_warning_that_names_the_longest_example(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(tmp_path / "a", data, capsys, max_length=1024, pack=False)
    assert "of what is computed is padding: the longest example has" in said[2]
    assert "train.max_length is 1,024; train.pack=True" in said[2]
