"""A tiny model and problems on disk, and a finished run of policy training."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.files.jsonl import write_rows
from rft_jax.policy.inputs import Inputs
from rft_jax.policy.run import train_policy
from rft_jax.policy.settings import PolicySettings
from rft_jax.policy.shared_settings import RolloutSettings, UpdateSettings
from rft_jax.records import Problem
from tests.tiny_model import write_tiny_model

SETTINGS = PolicySettings(
    preset="dr_grpo",
    num_steps=4,
    problems_per_step=4,
    samples_per_problem=4,
    learning_rate=1e-2,
    reward="tests.policy.conftest:reward",
    held_out=3,
    measure_every_steps=2,
)
DISTILLED = PolicySettings(
    preset="distillation",
    num_steps=4,
    problems_per_step=4,
    samples_per_problem=4,
    learning_rate=1e-2,
    held_out=3,
    measure_every_steps=2,
)
UPDATE = UpdateSettings(batch_size=8, max_length=32, save_every_steps=2, max_grad_norm=1.0)
ROLLOUT = RolloutSettings(max_new_tokens=8, max_prompt_length=16, slots=16, group=2)


def reward(problem: Problem, response: str) -> float:
    """One that an untrained model earns sometimes."""
    return (len(response) + len(problem.id)) % 5 / 4


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random `model` and 13 `problems.jsonl`."""
    folder = tmp_path_factory.mktemp("policy")
    write_tiny_model(folder / "model")
    rows = [
        {"id": f"p{i}", "question": f"Amy has {i} apples.", "answer": "#### 1"} for i in range(13)
    ]
    write_rows(folder / "problems.jsonl", rows)
    return folder


def run(
    files: Path,
    folder: Path,
    settings: PolicySettings = SETTINGS,
    update: UpdateSettings = UPDATE,
    rollout: RolloutSettings = ROLLOUT,
    **inputs: str,
) -> Path:
    """Trains the tiny model; `inputs` are further ones."""
    given = Inputs(str(files / "model"), str(files / "problems.jsonl"), **inputs)
    train_policy(given, str(folder), settings, update, rollout)
    return folder


@pytest.fixture(scope="session")
def finished(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(files, tmp_path_factory.mktemp("finished") / "policy")


def content(folder: Path) -> dict[str, bytes]:
    """Everything that does not depend on time: model, metrics, ledger and samples."""
    names = ["model.safetensors", "metrics.jsonl", "ledger.jsonl", "samples/*.jsonl"]
    paths = [path for name in names for path in sorted(folder.glob(name))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
