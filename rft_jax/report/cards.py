"""Cards (README.md) of what leaves: of an exported model, and of exported data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rft_jax
from rft_jax.errors import UserError
from rft_jax.evaluation.metrics import METRICS
from rft_jax.files.jsonl import atomic_write, read_json, read_rows
from rft_jax.files.names import METRICS_FILE, STEPS_FILE, TRAINING_DATA_FILE
from rft_jax.files.outputs import SETTINGS
from rft_jax.progress import quantity
from rft_jax.records import PATHS_FILE, read_paths

CARD = "README.md"
_LICENCE = "# license: to be chosen by you; those of the base model and of the data bind you"
# Settings of a training that a reader looks for; those that are 0 or empty say nothing.
_SETTINGS = (
    "learning_rate", "schedule", "num_epochs", "num_steps", "batch_size", "max_length", "seed",
    "lora_rank", "lora_alpha", "dtype",
)  # fmt: skip


def write_model_card(folder: str | Path, source: str | Path, evaluations: Sequence[str]) -> None:
    """Writes the card of an exported model.

    Args:
      folder: of the export.
      source: the model that was exported; of a training the card tells base model, data, settings.
      evaluations: folders that `rft evaluate` wrote about this model.

    Raises:
      UserError: an evaluation has no metrics.
    """
    source = Path(source).resolve()
    made = read_json(source / SETTINGS) if (source / SETTINGS).exists() else {}
    base = _name(made["model"]) if isinstance(made.get("model"), str) else ""
    template = read_json(Path(folder) / "prompt_template.json")
    heads = ["library_name: transformers", "pipeline_tag: text-generation", "tags: [math, rft_jax]"]
    lines = _front([*heads, *([f"base_model: {json.dumps(base)}"] if base else [])])
    lines += [f"# {Path(folder).resolve().name}", ""]
    start = (
        f"fine-tuned from `{base}`" if base else "a copy of another model, or trained from scratch"
    )
    lines += [f"A language model, {start}, with rft_jax {rft_jax.__version__}.", ""]
    lines += _data_lines(source, made)
    lines += _table("Settings", ("setting", "value"), _set(made | _chosen(source, made)))
    lines += ["## Prompt", "", "```", template["prompt"].rstrip("\n"), "```", ""]
    rows = [row for one in evaluations for row in _result_rows(Path(one))]
    heading = ("problems", "metric", "value", "95 % interval over questions", "n")
    _write(Path(folder) / CARD, [*lines, *_table("Results", heading, rows)])


def write_data_card(file: str | Path, form: str, rows: int, source: str | Path) -> None:
    """Writes the card of exported data beside its file.

    Args:
      file: the exported file.
      form: its format.
      rows: their number.
      source: what was exported; of paths the card counts problems and origins.

    Raises:
      UserError: another card is there already.
    """
    file, source = Path(file), Path(source)
    card = file.resolve().parent / CARD
    if card.exists():
        raise UserError(f"{card}: exists already; export into another folder, or without --card")
    split = f"configs: [{{config_name: default, data_files: {json.dumps(file.name)}}}]"
    lines = _front([split, "task_categories: [text-generation]", "tags: [math, rft_jax]"])
    lines += [f"# {file.resolve().parent.name}", ""]
    text = f"{quantity(rows, 'row')} in the format `{form}`, from `{source.name}`"
    lines += [f"{text}, by rft_jax {rft_jax.__version__}.", ""]
    paths = source / PATHS_FILE if source.is_dir() else source
    if paths.is_file() and paths.name.startswith("paths"):
        lines += _table("Paths", ("origin or model", "paths"), _origins(paths))
    _write(card, lines)


def _origins(file: Path) -> list[tuple[str, ...]]:
    counts: Counter[str] = Counter()
    problems = set()
    for _, path in read_paths(file):
        problems.add(path.id)
        named = "reference solution" if path.origin == "human" else "sampled"
        counts.update([named, *(f"sampled by {model}" for model in path.models)])
    return [("problems", f"{len(problems):,}"), *((k, f"{n:,}") for k, n in sorted(counts.items()))]


def _front(rows: Iterable[str]) -> list[str]:
    return ["---", _LICENCE, *rows, "---", ""]


def _name(identity: str) -> str:
    """An input's name, without its digest."""
    return identity.rpartition(" ")[0] or identity


def _data_lines(source: Path, made: Mapping[str, Any]) -> list[str]:
    if not (source / TRAINING_DATA_FILE).exists():
        return []
    counts = read_json(source / TRAINING_DATA_FILE)
    rows: list[tuple[str, ...]] = [("files", ", ".join(map(_name, made.get("data", ()))))]
    for field in ("examples", "dropped", "tokens", "response_tokens"):
        rows.append((field.replace("_", " "), f"{counts.get(field, 0):,}"))
    return _table("Training data", ("", ""), rows)


def _chosen(source: Path, made: Mapping[str, Any]) -> dict[str, Any]:
    """What a training chose by its data and its model, where its settings left that open (0)."""
    chosen: dict[str, Any] = {}
    if made.get("batch_size") == 0:
        chosen["batch_size"] = read_json(source / TRAINING_DATA_FILE).get("batch_rows")
    if made.get("learning_rate") == 0:
        rates = (row["learning_rate"] for _, row in read_rows(source / STEPS_FILE))
        chosen["learning_rate"] = float(f"{max(rates):.2g}")
    return chosen


def _set(made: Mapping[str, Any]) -> list[tuple[str, ...]]:
    unused = {"num_epochs"} if made.get("num_steps") else set()
    unused |= set() if made.get("lora_rank") else {"lora_alpha"}
    names = [name for name in _SETTINGS if made.get(name) and name not in unused]
    return [(f"`{name}`", f"{made[name]}") for name in names]


def _result_rows(folder: Path) -> list[tuple[str, ...]]:
    metrics, made = read_json(folder / METRICS_FILE), read_json(folder / SETTINGS)
    rows: list[tuple[str, ...]] = []
    for name in METRICS:
        found = metrics.get(name)
        if found and not (metrics["k"] == 1 and "@k" in name):
            low, high = found["ci95"]
            label = name.replace("@k", f"@{metrics['k']}")
            interval = f"{low:.1%} to {high:.1%}"
            share = f"{found['value']:.1%}"
            rows.append((_name(made["problems"]), label, share, interval, f"{found['n']:,}"))
    return rows


def _table(title: str, heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A section with a table; nothing without rows."""
    cells = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    if not cells:
        return []
    marks = "|".join("---" for _ in heading)
    return [
        f"## {title}",
        "",
        f"| {' | '.join(heading)} |",
        f"|{marks}|",
        *(f"| {c} |" for c in cells),
        "",
    ]


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic_write(path) as file:
        file.write("\n".join(lines).rstrip("\n") + "\n")
