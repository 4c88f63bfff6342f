"""What the files in configs/models say of slices to train on is what the formulas say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.advice import train_bytes
from rft_jax.planning.topologies import parse_topology
from rft_jax.training.settings import TrainSettings

MODELS = sorted((Path(__file__).parents[2] / "configs" / "models").glob("*.gin"))
MODELS = [path for path in MODELS if path.stem != "wordproblems"]  # it fits anything
SETTINGS = TrainSettings(dtype="bfloat16", loss_chunk=128)
MARGIN = 0.85  # of a chip's memory


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_fits_the_slices_that_its_file_names(path: Path) -> None:
    config = load_config({"llama": LlamaConfig}, [str(path)]).get(LlamaConfig)
    rows = re.findall(r"^#   '(\w+)': (.+)$", path.read_text(), re.MULTILINE)
    named = [(remat, name) for remat, names in rows for name in names.split(", ")]
    assert len(named) >= 2
    for remat, name in named:
        topology = parse_topology(name)
        chips = topology.num_chips
        settings = replace(SETTINGS, remat=remat, batch_size=-(-48 // chips) * chips)
        needed = train_bytes(config, settings, mesh_sizes(MeshSettings(), chips))
        assert needed <= MARGIN * topology.chip.hbm, name
