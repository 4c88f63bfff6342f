"""TensorBoard of a whole run: each model by its name, its accuracies, samples and settings."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rft_jax.errors import UserError
from rft_jax.evaluation.metrics import METRICS
from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.files.names import METRICS_FILE, SAMPLES_FOLDER, STEPS_FILE
from rft_jax.files.outputs import CONFIG
from rft_jax.pipeline.measures import Measured
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf, Stage
from rft_jax.records import read_samples

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

FOLDER = "tensorboard"
_SAMPLES = 5


def write_tensorboard(root: Path, home: Path, plan: Plan) -> None:
    """Writes `tensorboard/CONDITION-SEED/` for each measured model, in the place of earlier ones.

    Args:
      root: the run's folder.
      home: the folder of its results.
    """
    from tensorboardX import SummaryWriter

    shutil.rmtree(home / FOLDER, ignore_errors=True)
    questions = {problem.id: problem.question for problem in plan.test_list}
    for one in plan.measured:
        with SummaryWriter(str(home / FOLDER / f"{one.arm}-{one.seed}")) as writer:
            last = _training(writer, root, one)
            _evaluations(writer, root, one, last)
            _samples(writer, root / one.greedy.folder, questions, last)


def _training(writer: SummaryWriter, root: Path, one: Measured) -> int:
    """The metrics of a model's training, and its settings; returns its number of steps."""
    model, last = one.model, 0
    if not isinstance(model, OutputOf) or model.file:
        return last
    folder = root / model.stage.folder
    for _, row in read_rows(folder / STEPS_FILE):
        last = row["step"]
        for name, value in row.items():
            if name != "step":
                writer.add_scalar(f"{model.stage.command}/{name}", value, last)
    if (folder / CONFIG).exists():
        writer.add_text("settings", _verbatim((folder / CONFIG).read_text(encoding="utf-8")), last)
    return last


def _evaluations(writer: SummaryWriter, root: Path, one: Measured, last: int) -> None:
    for stage in (one.greedy, one.vote):
        if stage is not None:
            for name, value in _metrics(root, stage).items():
                writer.add_scalar(f"evaluation/{name}", value, last)


def _metrics(root: Path, stage: Stage) -> dict[str, float]:
    """The metrics of an evaluation under their names with k; of one response those of it alone."""
    metrics: dict[str, Any] = read_json(root / stage.folder / METRICS_FILE)
    k = metrics.get("k", 1)
    names = [name for name in METRICS if name in metrics and (k > 1 or not name.endswith("k"))]
    return {_tag(name, k): metrics[name]["value"] for name in names}


def _tag(name: str, k: int) -> str:
    """`maj_at_8` of `maj@k`; a tag has no @."""
    return name.replace("@k", f"@{k}").replace("@", "_at_")


def _samples(writer: SummaryWriter, folder: Path, questions: Mapping[str, str], last: int) -> None:
    """The first questions with their responses."""
    try:
        first = [sample for _, sample in islice(read_samples(folder / SAMPLES_FOLDER), _SAMPLES)]
    except UserError:  # removed to save space
        return
    for number, sample in enumerate(first):
        text = f"{questions.get(sample.id, sample.id)}\n\n{sample.response}"
        writer.add_text(f"samples/{number}", _verbatim(text), last)


def _verbatim(text: str) -> str:
    """Text as Markdown that shows it as it is."""
    return "\n".join(f"    {line}" for line in text.splitlines())
