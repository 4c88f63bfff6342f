#!/usr/bin/env python3
"""The smallest slices to train every model of configs/models on, by `rft plan`'s formulas.

Prints a Markdown table of training and sampling on them. With --write it replaces the table in
docs/results/slices.md and the lists at the head of the models' files. Training is the recipe of
runs/sft.gin with the cheapest `train.remat` that fits, sampling 100 paths per problem in bfloat16,
the data GSM8K.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rft_jax.devices.chips import CHIPS, USABLE, Chip, available_memory
from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.files.jsonl import read_json
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.advice import train_bytes
from rft_jax.planning.closed_form import train_cost
from rft_jax.planning.decoding import plan_decoding
from rft_jax.planning.hours import stage_costs
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import Topology, product_grids
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings

ROOT = Path(__file__).resolve().parent.parent
MODELS = sorted((ROOT / "configs" / "models").glob("*.gin"))
PAGE = ROOT / "docs" / "results" / "slices.md"
BEGIN, END = "<!-- tools/plan_table.py --write -->\n", "<!-- end of the table -->\n"
PAPER = ROOT / "rft_jax" / "report" / "paper_results.json"
# The paper's names of models that have a file here; its 33B is LLaMA 1's.
PAPER_NAMES = {"llama_7b": "7B", "llama_13b": "13B", "llama_33b": "33B", "llama_65b": "65B"}
PAPER_NAMES |= {"llama2_7b": "7B", "llama2_13b": "13B", "llama2_70b": "70B-2"}
REMATS = ("none", "save_attention", "full")  # cheapest first
HEADER = (
    "| model | slice | `train.remat` | training, GiB per chip | step, s | sampling, copies × slots "
    "| SFT, h | k = 100, h | RFT, h | paper, A100 hours |"
)


@dataclass(frozen=True)
class Slice:
    """The smallest slice of one kind of chip for a model.

    Attributes:
      train: the recipe, with the cheapest remat that fits and a row per chip or more.
      needed: bytes per chip of its train step.
    """

    topology: Topology
    train: TrainSettings
    needed: float

    @property
    def product(self) -> str:
        """The name under which it is rented, e.g. `v5e-16` or `h100:8`."""
        chip, chips = self.topology.chip, self.topology.num_chips
        return f"{chip.name}-{chip.cores * chips}" if chip.dimensions else f"{chip.name}:{chips}"


@cache
def recipe() -> TrainSettings:
    """The settings of runs/sft.gin."""
    return load_config({"train": TrainSettings}, ["runs/sft.gin"]).get(TrainSettings)


@cache
def read_model(path: Path) -> LlamaConfig:
    """A model of configs/models."""
    return load_config({"llama": LlamaConfig}, [str(path)]).get(LlamaConfig)


def smallest_slices(config: LlamaConfig) -> list[Slice]:
    """The smallest slice of each kind of chip that the train step fits, as far as there is one."""
    smallest = (next(_fitting(config, chip), None) for chip in CHIPS.values())
    return [one for one in smallest if one is not None]


def _fitting(config: LlamaConfig, chip: Chip) -> Iterator[Slice]:
    grids = product_grids(chip) or [(2**n,) for n in range(10)]
    for topology in (Topology(chip, grid) for grid in grids):
        rows = -(-recipe().batch_size // topology.num_chips) * topology.num_chips
        sizes = mesh_sizes(MeshSettings(), topology.num_chips)
        for remat in REMATS:
            train = replace(recipe(), remat=remat, batch_size=rows)
            needed = train_bytes(config, train, sizes)
            if needed <= USABLE * available_memory(chip):
                yield Slice(topology, train, needed)
                break


def head(config: LlamaConfig) -> str:
    """The lines at the head of a model's file: for each remat the slices that it is cheapest on."""
    slices = smallest_slices(config)
    lines = []
    for remat in REMATS:
        products = [one.product for one in slices if one.train.remat == remat]
        lines += [f"#   '{remat}': {', '.join(products)}\n"] * bool(products)
    return "".join(lines)


def row(model: str, config: LlamaConfig, one: Slice) -> str:
    """The cells of a line of the table, behind the model's name."""
    chips, chip = one.topology.num_chips, one.topology.chip
    sample, data = SampleSettings(num_samples=100, dtype="bfloat16"), PlanSettings()
    decoding = plan_decoding(config, sample, data, one.topology)
    costs = stage_costs(config, one.train, data, chip, k=sample.num_samples, decoding=decoding)
    step = train_cost(config, one.train, mesh_sizes(MeshSettings(), chips))
    copies = decoding.hardware.shards
    cells = [
        one.product,
        one.train.remat,
        f"{one.needed / 2**30:.1f} of {available_memory(chip) / 2**30:.1f}",
        f"{step.seconds(chip):.2f}",
        f"{copies} × {decoding.geometry.slots // copies}",
        *(f"{stage.chip_hours / chips:.2g}" for stage in costs),
        paper_hours(model),
    ]
    return " | ".join(cells)


def paper_hours(model: str) -> str:
    """SFT, sampling and RFT (U33B) in the paper's table, where it has the model."""
    if model not in PAPER_NAMES:
        return ""
    hours = read_json(PAPER)["a100_80gb_hours"]
    column = hours["columns"].index(PAPER_NAMES[model])
    return ", ".join(f"{hours[name][column]:g}" for name in ("sft", "rft_inference", "rft_u33b"))


def table() -> str:
    """The whole table; models of which everything in it is the same are in one line."""
    models: dict[tuple[str, ...], list[str]] = {}
    for path in MODELS:
        if path.stem.startswith("wordproblems"):  # any slice is large enough
            continue
        name, config = path.stem, read_model(path)
        rows = tuple(row(name, config, one) for one in smallest_slices(config))
        models.setdefault(rows, []).append(name)
    rule = f"|{'---|' * 3}{'---:|' * 7}"
    lines = [
        f"| {', '.join(names)} | {cells} |" for rows, names in models.items() for cells in rows
    ]
    return "\n".join([HEADER, rule, *lines]) + "\n"


def write() -> None:
    """Replaces the table in its page and the lists in the models' files."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
    for path in MODELS:
        text = path.read_text(encoding="utf-8")
        lists = re.compile(r"(^#   '\w+': .+\n)+", re.MULTILINE)
        path.write_text(lists.sub(head(read_model(path)), text, count=1), encoding="utf-8")


def main() -> None:
    """Prints the table, or writes it and the lists."""
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        print(table(), end="")


if __name__ == "__main__":
    main()
