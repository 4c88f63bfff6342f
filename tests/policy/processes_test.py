"""Two processes train a policy as one with as many devices does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rft_jax.files.jsonl import read_rows
from tests.tiny_model import write_tiny_model
from tests.together import finish, start

ROOT = Path(__file__).parents[2]
FLAGS = {
    "policy.num_steps": 3,
    "policy.problems_per_step": 4,
    "policy.samples_per_problem": 4,
    "policy.learning_rate": 1e-2,
    "policy.held_out": 3,
    "policy.measure_every_steps": 2,
    "train.batch_size": 8,
    "train.max_length": 32,
    "train.save_every_steps": 2,
    "sample.max_new_tokens": 8,
    "sample.max_prompt_length": 16,
    "sample.slots": 16,
    "sample.group": 2,
}
REWARDED = {
    "policy.preset": "dr_grpo",
    "policy.reward": "tests.policy.conftest:reward",
    "policy.kl": "loss",
    "policy.kl_coefficient": 0.1,
}

FAILING = """
import jax

def reward(problem, response):
    with open({calls!r}, "a") as file:
        file.write(str(jax.process_index()))
    with open({calls!r}) as file:
        return 1 / (5 - len(file.read()))
"""


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(folder / "metrics.jsonl")]


@pytest.mark.slow
@pytest.mark.parametrize("of_teacher", [False, True])
def test_two_processes_end_with_the_samples_and_metrics_of_one(
    files: Path, tmp_path: Path, of_teacher: bool
) -> None:
    settings = FLAGS | ({"policy.preset": "distillation"} if of_teacher else REWARDED)
    words = ["policy", "--model", str(files / "model"), "--problems", str(files / "problems.jsonl")]
    words += [f"--gin.{name}={value}" for name, value in settings.items()]
    if of_teacher:
        words += ["--teacher", str(write_tiny_model(tmp_path / "teacher", hidden_size=24))]
    for count in (2, 1):
        output = ["--output", str(tmp_path / str(count) / "policy")]
        more = {"PYTHONPATH": str(ROOT)}
        ended = finish(start([*words, *output], count, devices=2 // count, more=more))
        assert [code for code, _ in ended] == [0] * count, ended
    together, alone = tmp_path / "2" / "policy", tmp_path / "1" / "policy"
    first = "samples/samples-00000-of-00003.jsonl"
    assert (together / first).read_bytes() == (alone / first).read_bytes()
    assert len(metrics(together)) == len(metrics(alone)) == 3
    for ours, theirs in zip(metrics(together), metrics(alone), strict=True):
        assert ours.keys() == theirs.keys()
        for name in ("loss", "reward", "grad_norm", "entropy", "tokens"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_mistake_in_a_reward_ends_all_processes_and_process_0_alone_called_it(
    files: Path, tmp_path: Path
) -> None:
    (tmp_path / "failing.py").write_text(FAILING.format(calls=str(tmp_path / "calls")))
    settings = FLAGS | {"policy.reward": "failing:reward"}
    words = ["policy", "--model", str(files / "model"), "--problems", str(files / "problems.jsonl")]
    words += [f"--gin.{name}={value}" for name, value in settings.items()]
    more = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    first, second = finish(start([*words, "--output", str(tmp_path / "out")], 2, 1, more))
    assert (first[0], second[0]) == (2, 2), (first, second)
    assert "ZeroDivisionError" in first[1]
    assert "rewards: failed in process 0" in second[1]
    assert (tmp_path / "calls").read_text() == "0" * 5
