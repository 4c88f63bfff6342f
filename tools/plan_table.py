#!/usr/bin/env python3
"""Every model of configs/models on the slices that its file suggests, by `rft plan`'s formulas.

Prints a Markdown table; with --write it takes the place of the one in docs/pods.md. Training is the
recipe of runs/sft.gin with the remat that the model's file names, sampling 100 paths a problem in
bfloat16, the data GSM8K.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.files.jsonl import read_json
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.advice import USABLE, train_bytes
from rft_jax.planning.closed_form import decode_bytes, decode_tensor, train_cost
from rft_jax.planning.hours import stages
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import Topology, parse_topology
from rft_jax.sampling.geometry import choose_geometry
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "pods.md"
BEGIN, END = "<!-- tools/plan_table.py --write -->\n", "<!-- end of the table -->\n"
PAPER = ROOT / "rft_jax" / "report" / "paper_results.json"
# The paper's name of a model that has a file here; its 33B is LLaMA 1's.
PAPER_NAMES = {"llama_7b": "7B", "llama_13b": "13B", "llama_33b": "33B", "llama_65b": "65B"}
PAPER_NAMES |= {"llama2_7b": "7B", "llama2_13b": "13B", "llama2_70b": "70B-2"}
HEADER = (
    "| model | slice | `train.remat` | training, GB a chip | fits | step, s | SFT, h | k = 100, h "
    "| RFT, h | paper, A100 hours |"
)


@dataclass(frozen=True)
class Suggestion:
    """A slice that a model's file names, with the remat that it is meant for."""

    model: str
    config: LlamaConfig
    remat: str
    topology: Topology
    name: str


def suggestions() -> Iterator[Suggestion]:
    """All of them, by model and in the order of the files."""
    for path in sorted((ROOT / "configs" / "models").glob("*.gin")):
        config = load_config({"llama": LlamaConfig}, [str(path)]).get(LlamaConfig)
        for remat, names in re.findall(r"^#   '(\w+)': (.+)$", path.read_text(), re.MULTILINE):
            for name in names.split(", "):
                yield Suggestion(path.stem, config, remat, parse_topology(name), name)


def row(one: Suggestion) -> str:
    """A line of the table."""
    recipe = load_config({"train": TrainSettings}, ["runs/sft.gin"]).get(TrainSettings)
    chips, chip = one.topology.num_chips, one.topology.chip
    rows = -(-recipe.batch_size // chips) * chips  # every chip needs a row
    train = replace(recipe, remat=one.remat, batch_size=rows)
    sizes = mesh_sizes(MeshSettings(), chips)
    needed = train_bytes(one.config, train, sizes)
    sample, data = SampleSettings(num_samples=100, dtype="bfloat16"), PlanSettings()
    geometry = choose_geometry(one.config, sample)
    costs = stages(
        one.config,
        train,
        data,
        chip,
        k=sample.num_samples,
        slots=geometry.slots,
        group=geometry.group,
        tensor=decode_tensor(decode_bytes(one.config, geometry), chip, chips),
    )
    cells = [
        one.model,
        one.name,
        one.remat,
        f"{needed / 1e9:.1f} of {chip.hbm / 1e9:.1f}",
        "yes" if needed <= USABLE * chip.hbm else "no",
        f"{train_cost(one.config, train, sizes).seconds(chip):.2f}",
        *(f"{stage.chip_hours / chips:.2g}" for stage in costs),
        paper_hours(one.model),
    ]
    return f"| {' | '.join(cells)} |"


def paper_hours(model: str) -> str:
    """SFT, sampling and RFT (U33B) in the paper's table, where it has the model."""
    if model not in PAPER_NAMES:
        return ""
    hours = read_json(PAPER)["a100_80gb_hours"]
    column = hours["columns"].index(PAPER_NAMES[model])
    return ", ".join(f"{hours[name][column]:g}" for name in ("sft", "rft_inference", "rft_u33b"))


def table() -> str:
    """The whole table."""
    rule = f"|{'---|' * 3}{'---:|' * 7}"
    return "\n".join([HEADER, rule, *map(row, suggestions())]) + "\n"


def main() -> None:
    """Prints the table, or writes it into its page."""
    if sys.argv[1:] != ["--write"]:
        print(table(), end="")
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
