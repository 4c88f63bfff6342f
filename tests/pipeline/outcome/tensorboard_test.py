"""TensorBoard of a whole run: what stands in its event files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.gin_settings import load_config
from rft_jax.pipeline.graph import StageGraph
from rft_jax.pipeline.measures import Measured
from rft_jax.pipeline.outcome.tensorboard import write_tensorboard
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Given, Stage
from rft_jax.records import Problem
from tests.pipeline.outcome.factories import evaluation, measured, training


def _values(folder: Path) -> Iterator[tuple[str, int, Any]]:
    """(tag, step, value) of all events: length-prefixed records with check sums around them."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.iterdir()
    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event = Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]
        for value in event.summary.value:
            is_text = value.HasField("tensor")
            found = value.tensor.string_val[0].decode() if is_text else value.simple_value
            yield value.tag.removesuffix("/text_summary"), event.step, found


def test_a_model_has_its_training_accuracies_samples_and_settings_under_its_name(
    tmp_path: Path,
) -> None:
    model = training(tmp_path, "rft", Given("data"), examples=2)
    folder = tmp_path / model.stage.folder
    write_rows(folder / "metrics.jsonl", [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 0.5}])
    (folder / "config.gin").write_text("train.seed = 3\n")
    greedy = evaluation(tmp_path, "rft", 0, [True, False], model)
    sample = {"id": "a", "sample": 0, "model": "rft", "seed": 0, "response": "It is 2.\n#### 2"}
    write_rows(tmp_path / greedy.folder / "samples" / "samples-00000-of-00001.jsonl", [sample])
    vote = Stage("evaluate", "rft", 0, {}, label="vote")
    share = {"value": 0.75, "ci95": [0.5, 1.0], "n": 4}
    metrics = {"n": 4, "k": 8, "mean@1": share, "maj@k": share, "pass@k": share}
    write_json(tmp_path / vote.folder / "metrics.json", metrics)
    problems = [Problem("a", "1 + 1?", "#### 2")]
    settings = RunSettings()
    plan = Plan(
        *(settings, load_config({"run": RunSettings}), Given("model"), [], problems),
        StageGraph({}),
    )
    plan.measured.append(Measured("rft", 0, "RFT", greedy, {}, vote=vote))
    plan.measured.append(measured(tmp_path, "rho", 0, [False, False]))
    for _ in range(2):  # a run that is started again replaces them
        write_tensorboard(tmp_path, tmp_path, plan)
    found = {(tag, step): value for tag, step, value in _values(tmp_path / "tensorboard" / "rft-0")}
    assert found["train/loss", 1] == 2.0 and found["train/loss", 2] == 0.5
    assert found["evaluation/accuracy", 2] == 0.5
    assert found["evaluation/maj_at_8", 2] == found["evaluation/pass_at_8", 2] == 0.75
    assert found["samples/0", 2] == "    1 + 1?\n    \n    It is 2.\n    #### 2"
    assert found["settings", 2] == "    train.seed = 3"
    others = list(_values(tmp_path / "tensorboard" / "rho-0"))
    assert others == [("evaluation/accuracy", 0, 0.0)]
