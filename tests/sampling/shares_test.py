"""Two processes that sample together, on their own problems or in lockstep."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rft_jax.files.jsonl import write_rows
from rft_jax.records import read_samples
from rft_jax.rft.budgets import Proportional
from rft_jax.sampling import sample
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shares import Share
from tests.tiny_model import write_tiny_model

SETTINGS = SampleSettings(
    num_samples=4, temperature=1.0, max_new_tokens=10, max_prompt_length=40, slots=8, group=2
)
_CHILD = """
import sys
import jax
port, index, *words = sys.argv[1:]
jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(index))
from rft_jax.cli import main
sys.exit(main(words))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random `model`, 25 `problems.jsonl`, and `alone`: one process's samples of them."""
    folder = tmp_path_factory.mktemp("hosts")
    write_tiny_model(folder / "model")
    rows = [
        {"id": f"p{i}", "question": f"Amy has {i} apples.", "answer": f"#### {i % 3}"}
        for i in range(25)
    ]
    write_rows(folder / "problems.jsonl", rows)
    model, problems = str(folder / "model"), str(folder / "problems.jsonl")
    sample(model, problems, str(folder / "alone"), None, SETTINGS)
    return folder


def _words(files: Path, output: Path, mesh: dict[str, int], **changes: Any) -> list[str]:
    """The command line of `rft sample`."""
    values = {f"sample.{name}": value for name, value in {**vars(SETTINGS), **changes}.items()}
    values |= {f"mesh.{name}": size for name, size in mesh.items()}
    paths = {"model": files / "model", "problems": files / "problems.jsonl", "output": output}
    words = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    return ["sample", *words, *(f"--gin.{name}={value!r}" for name, value in values.items())]


def _on_two_hosts(files: Path, output: Path, mesh: dict[str, int], **changes: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = _words(files, output, mesh, **changes)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(port), str(i), *words],
            env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in (0, 1)
    ]
    for child in children:
        printed, _ = child.communicate(timeout=600)
        assert child.returncode == 0, printed


def _rows(*paths: Path) -> list[tuple[str, int, tuple[int, ...] | None]]:
    return [(one.id, one.sample, one.tokens) for path in paths for _, one in read_samples(path)]


@pytest.mark.slow
def test_two_hosts_sample_disjoint_problems_into_their_own_shards(
    files: Path, tmp_path: Path
) -> None:
    """Together bit for bit what one host samples."""
    output = tmp_path / "out"
    _on_two_hosts(files, output, {"data": 1, "fsdp": 1, "tensor": 1})
    shards = [output / f"samples-{i:05d}-of-00002.jsonl" for i in (0, 1)]
    one = (files / "alone" / "samples-00000-of-00001.jsonl").read_bytes()
    assert b"".join(shard.read_bytes() for shard in shards) == one
    assert min(shard.read_bytes().count(b"\n") for shard in shards) == 12 * 4
    assert (output / "COMPLETE").exists()
    assert not (output / "segments").exists()


@pytest.mark.slow
def test_a_total_shared_out_in_proportion_does_not_depend_on_the_hosts(
    files: Path, tmp_path: Path
) -> None:
    budget = {"budget": "proportional", "round_size": 2, "average": 2.5}
    mesh = {"data": 1, "fsdp": 1, "tensor": 1}
    _on_two_hosts(files, tmp_path / "two", mesh, **budget)
    settings = SampleSettings(**{**vars(SETTINGS), **budget})
    model, problems, output = files / "model", files / "problems.jsonl", tmp_path / "one"
    sample(
        *map(str, (model, problems, output)),
        None,
        settings,
        make_budget=partial(Proportional, round_size=2, average=2.5, num_samples=4),
    )
    two = [tmp_path / "two" / f"samples-{i:05d}-of-00002.jsonl" for i in (0, 1)]
    one = tmp_path / "one" / "samples-00000-of-00001.jsonl"
    assert b"".join(path.read_bytes() for path in two) == one.read_bytes()
    assert one.read_bytes().count(b"\n") == int(2.5 * 25)


@pytest.mark.slow
def test_two_hosts_in_lockstep_sample_what_one_does(files: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    _on_two_hosts(files, output, {"data": 2, "fsdp": 1, "tensor": 1}, span_hosts=True)
    found = _rows(output / "samples-00000-of-00001.jsonl")
    alone = _rows(files / "alone" / "samples-00000-of-00001.jsonl")
    assert [row[:2] for row in found] == [row[:2] for row in alone]
    assert sum(map(lambda a, b: a == b, found, alone)) >= 0.99 * len(alone)


def test_shares_cover_all_problems_in_order_without_overlap() -> None:
    for count in (1, 2, 3, 8):
        assert [i for share in range(count) for i in Share(share, count).own(25)] == list(range(25))


def test_files_of_other_numbers_of_processes_are_removed(tmp_path: Path) -> None:
    for name in ("samples-00000-of-00002.jsonl", "samples-00001-of-00002.jsonl", "run.json"):
        (tmp_path / name).touch()
    (tmp_path / Share().file_name).touch()
    Share().remove_other_files(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["run.json", "samples-00000-of-00001.jsonl"]
