"""A run whose stages a stand-in for `rft` makes: `fake_rft.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rft_jax.commands.loop import RUN
from rft_jax.gin_settings import Config, load_config
from rft_jax.pipeline import run as pipeline
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.supervise import process

FAKE = (sys.executable, str(Path(__file__).with_name("fake_rft.py")))


@pytest.fixture
def fake(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(process, "COMMAND", FAKE)
    monkeypatch.setattr(pipeline, "_jax_backend", lambda *_: "cpu")
    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Callable[..., Config]:
    """The settings of an installed experiment on a model and problems that hardly exist."""
    folder = tmp_path_factory.mktemp("experiment")
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    problems = {"train": folder / "train.jsonl", "test": folder / "problems.jsonl"}
    for names, file in zip(("abcd", "efgh"), problems.values(), strict=True):
        rows = [{"id": name, "question": f"{name}?", "answer": "1+1=2\n#### 2"} for name in names]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def make(name: str, *flags: str, more_files: tuple[str, ...] = ()) -> Config:
        common = [f"run.model={model}", "run.parallel=2"]
        common += [f"run.{split}_problems={file}" for split, file in problems.items()]
        files = [f"experiments/{name}.gin", *more_files]
        return load_config(RUN.settings_classes(), files, [*common, *flags], scoped=True)

    return make


@pytest.fixture(scope="module")
def plan_of(experiment, tmp_path_factory):
    """`plan_of(name, *flags, more_files=…)`: the plan of an installed experiment."""

    def make(name: str, *flags: str, more_files: tuple[str, ...] = ()) -> Plan:
        config = experiment(name, *flags, more_files=more_files)
        return pipeline.make_plan(config, tmp_path_factory.mktemp("plan") / "run")

    return make
