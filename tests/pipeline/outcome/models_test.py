"""Names of trained models, and the models that rows are about."""

from __future__ import annotations

from pathlib import Path

from rft_jax.files.jsonl import write_json
from rft_jax.files.outputs import COMPLETE
from rft_jax.gin_settings import load_config
from rft_jax.pipeline.graph import StageGraph
from rft_jax.pipeline.measures import Measured
from rft_jax.pipeline.outcome.models import link_models
from rft_jax.pipeline.outcome.tensorboard import write_tensorboard
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Given, Many, OutputOf, Stage
from tests.pipeline.outcome.factories import evaluation, training


def test_votes_that_are_counted_together_are_about_the_model_of_their_samples(
    tmp_path: Path,
) -> None:
    model = training(tmp_path, "both", Given("data"), examples=2)
    folder = tmp_path / model.stage.folder
    (folder / "metrics.jsonl").write_text('{"step": 7, "loss": 2.0}\n')
    (folder / COMPLETE).touch()
    first, second = (evaluation(tmp_path, arm, 0, [True], model) for arm in ("a", "b"))
    samples = Many((OutputOf(first, "samples"), OutputOf(second, "samples")))
    counted = Stage("evaluate", "votes", 0, {"--samples": samples}, label="vote")
    share = {"value": 0.75, "ci95": [0.5, 1.0], "n": 4}
    write_json(tmp_path / counted.folder / "metrics.json", {"n": 4, "k": 8, "maj@k": share})
    row = Measured("votes", 0, "Votes", counted, vote=counted)
    assert row.model == model
    settings = RunSettings()
    graph = StageGraph({})
    plan = Plan(settings, load_config({"run": RunSettings}), Given("model"), [], [], graph)
    graph.add(model.stage), graph.add(first), graph.add(second), graph.add(counted)
    plan.measured.append(row)
    assert link_models(tmp_path, tmp_path, plan) == ["both-0"]
    assert (tmp_path / "models" / "both-0").resolve() == folder.resolve()
    assert (tmp_path / "models" / "votes-0").resolve() == folder.resolve()
    write_tensorboard(tmp_path, tmp_path, plan)
    assert len(list((tmp_path / "tensorboard" / "votes-0").iterdir())) == 1
