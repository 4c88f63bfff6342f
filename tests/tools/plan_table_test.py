"""The slices in the heads of configs/models are the smallest that the formulas find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rft_jax.devices.chips import USABLE
from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.planning.advice import train_bytes
from tools import plan_table
from tools.plan_table import MODELS, head, read_model, smallest_slices

NAMED = [path for path in MODELS if not path.stem.startswith("wordproblems")]


@pytest.fixture(autouse=True)
def _default_share_of_gpu_memory(monkeypatch):
    monkeypatch.delenv("XLA_PYTHON_CLIENT_MEM_FRACTION", raising=False)


@pytest.mark.parametrize("path", NAMED, ids=lambda path: path.stem)
def test_the_head_of_a_models_file_is_what_the_tool_writes(path: Path):
    lines = head(read_model(path))
    assert lines.count("\n") >= 1
    assert f"with train.remat:\n{lines}\n" in path.read_text("utf-8")


def test_models_of_which_all_is_the_same_are_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("llama2_7b", "llama_7b", "mistral_7b", "mistral_7b_v0_3")
    monkeypatch.setattr(plan_table, "MODELS", [path for path in MODELS if path.stem in names])
    lines = plan_table.table().splitlines()[2:]
    models, cells = zip(*(line.split(" | ", 1) for line in lines), strict=True)
    # The two versions of Mistral differ in the vocabulary, and so in the memory of a step.
    assert set(models) == {"| llama2_7b, llama_7b", "| mistral_7b", "| mistral_7b_v0_3"}
    assert len(set(lines)) == len(lines) == 3 * 7
    assert all(len(one.split(" | ")) == 9 for one in cells)


def test_a_slice_half_as_large_does_not_fit_even_with_full_remat():
    config = read_model(next(path for path in MODELS if path.stem == "llama2_7b"))
    slices = {one.topology.chip.name: one for one in smallest_slices(config)}
    assert [one.product for one in slices.values()] == [
        "v4-16",
        "v5e-16",
        "v5p-8",
        "v6e-8",
        "a100:4",
        "h100:4",
        "h200:2",
    ]
    for name, memory in (("v5e", 16 * 2**30), ("h100", 60 * 2**30)):
        one = slices[name]
        assert one.needed <= USABLE * memory
        sizes = mesh_sizes(MeshSettings(), one.topology.num_chips // 2)
        full = replace(one.train, remat="full")
        assert train_bytes(config, full, sizes) > USABLE * memory
