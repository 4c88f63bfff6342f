"""A second process of the same stages finds every compiled program in the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rft_jax.pipeline.supervise.environment import child_environment
from tests.tiny_model import write_tiny_model

# Runs commands in turn, and prints how many programs each asked for and how many were cached.
COUNT = """
import json, sys
from jax import monitoring
from rft_jax import cli

counts = {"compile_requests_use_cache": 0, "cache_hits": 0}

def count(event, **_):
    name = event.rpartition("/")[2]
    if name in counts:
        counts[name] += 1

monitoring.register_event_listener(count)
for words in json.loads(sys.argv[1]):
    assert cli.main(words) == 0, words
print(json.dumps(counts))
"""


def _counts(model: Path, cache: Path, output: Path) -> dict[str, int]:
    limits = ["--gin.{}.limit=4", "--gin.{}.max_new_tokens=8", "--gin.{}.slots=8"]
    train = ["--data", "wordproblems:train", "--gin.train.limit=8", "--gin.train.num_steps=2"]
    problems = ["--problems", "wordproblems:test"]
    commands = [
        ["train", *train, "--gin.train.max_length=128"],
        ["sample", *problems, "--gin.sample.num_samples=2", *(x.format("sample") for x in limits)],
        ["evaluate", *problems, *(x.format("evaluate") for x in limits)],
    ]
    words = [
        [*command, "--model", str(model), "--output", str(output / command[0])]
        for command in commands
    ]
    environment = child_environment(os.environ, one_thread=True)
    environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-c", COUNT, json.dumps(words)],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_second_process_compiles_nothing_to_train_sample_and_evaluate(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    first, second = (_counts(model, tmp_path / "cache", tmp_path / name) for name in ("a", "b"))
    asked = second["compile_requests_use_cache"]
    assert first["compile_requests_use_cache"] == asked > 10
    assert first["cache_hits"] < asked
    assert second["cache_hits"] == asked
