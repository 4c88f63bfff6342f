"""What a run cost: FLOPs by our count and by the paper's, and seconds, of every stage.

FLOPs follow `models.shapes` (all necessary matrix products, padding included in training) and, as
`paper_flops`, `planning.paper` (the paper's formulas, without padding).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.checkpoints.names import MODELS
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.files.names import SAMPLES_FOLDER, STEPS_FILE, TEXTS_FOLDER, TRAINING_DATA_FILE
from rft_jax.files.outputs import SETTINGS
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import train_flops_per_token
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf, Stage
from rft_jax.pipeline.supervise.execute import stage_seconds
from rft_jax.planning.closed_form import sampling_flops
from rft_jax.planning.paper import paper_sampling_flops, paper_train_flops
from rft_jax.records import read_samples, sample_files


@dataclass(frozen=True)
class StageUsage:
    """What one stage computed.

    Attributes:
      tokens: trained on or sampled, without padding.
      flops: FLOPs of the matrix products.
      paper_flops: FLOPs by the paper's formulas.
    """

    tokens: float = 0.0
    flops: float = 0.0
    paper_flops: float = 0.0

    def plus(self, other: StageUsage) -> StageUsage:
        """Both together."""
        return StageUsage(
            self.tokens + other.tokens,
            self.flops + other.flops,
            self.paper_flops + other.paper_flops,
        )


def make_costs(root: Path, plan: Plan) -> dict[str, Any]:
    """The content of `costs.json`: a row per stage."""
    seconds = stage_seconds(root)
    rows = []
    for stage in plan.stages:
        usage = asdict(stage_usage(root, stage))
        names = {"stage": stage.title, "command": stage.command, "arm": stage.arm}
        rows.append({**names, **usage, "seconds": seconds.get(stage.folder.name)})
    return {"stages": rows}


def stage_usage(root: Path, stage: Stage) -> StageUsage:
    """What a finished stage computed, from its output; a stage without a model has no FLOPs."""
    if stage.command == "train":
        return _training(root / stage.folder)
    if stage.command == "sample":
        return _sampling(root, stage, root / stage.folder)
    if stage.command == "evaluate" and "--model" in stage.arguments:
        return _evaluation(root, stage)
    if stage.command == "policy":
        return _policy(root, stage)
    return StageUsage()


def _training(folder: Path) -> StageUsage:
    """Counts whole rows for FLOPs; tokens in proportion to the trained response tokens."""
    if not (folder / "config.json").exists():
        return StageUsage()
    config, settings = _config(folder), read_json(folder / SETTINGS)
    rows = [row for _, row in read_rows(folder / STEPS_FILE)]
    data = read_json(folder / TRAINING_DATA_FILE)
    trained = sum(row["tokens"] for row in rows)
    tokens = trained * data["tokens"] / max(data["response_tokens"], 1)
    batch_rows = data.get("batch_rows", settings["batch_size"])  # older folders lack it
    computed = len(rows) * batch_rows * settings["max_length"]
    flops = computed * train_flops_per_token(config, settings["max_length"])
    return StageUsage(tokens, flops, paper_train_flops(config, tokens))


def _evaluation(root: Path, stage: Stage) -> StageUsage:
    """Sampling; with hybrid decoding also the texts where programs gave no answer."""
    folder = root / stage.folder
    sampled = _sampling(root, stage, folder / SAMPLES_FOLDER)
    if not (folder / TEXTS_FOLDER).is_dir():
        return sampled
    return sampled.plus(_sampling(root, stage, folder / TEXTS_FOLDER))


def _sampling(root: Path, stage: Stage, folder: Path) -> StageUsage:
    """Counts prompts once per problem, and once per sample by the paper's formulas."""
    model = _model_folder(root, stage.arguments["--model"])
    try:
        files = sample_files(folder)
    except UserError:  # removed to save space
        return StageUsage()
    if not (model / "config.json").exists():
        return StageUsage()
    config = _config(model)
    prompt = _prompt_tokens(model, root / str(stage.arguments["--problems"].resolve(root)))
    problems, samples, tokens = 0, 0, 0
    for file in files:
        ids = set()
        for _, sample in read_samples(file):
            ids.add(sample.id)
            samples += 1
            tokens += len(sample.tokens or ())
        problems += len(ids)
    response = tokens / max(samples, 1)
    flops = problems * sampling_flops(config, prompt, response, round(samples / max(problems, 1)))
    return StageUsage(tokens, flops, samples * paper_sampling_flops(config, prompt, response))


def _model_folder(root: Path, given: Argument) -> Path:
    """Where a model's shape and tokenizer are: those of a checkpoint in its training's folder."""
    if isinstance(given, OutputOf):
        return root / given.stage.folder
    name = str(given.resolve(root))
    return root / MODELS.get(name, name)


def _policy(root: Path, stage: Stage) -> StageUsage:
    """Sampling, and one training step on every sample with its prompt, padding left out.

    A forward pass is a third of a training step: a teacher's, the reference model's in the steps in
    which its divergence is measured or has a part in the objective, the policy's own before several
    updates on rewards.
    """
    folder = root / stage.folder
    sampled = _sampling(root, stage, folder / SAMPLES_FOLDER)
    if not sampled.tokens:
        return sampled
    config, settings = _config(folder), read_json(folder / SETTINGS)
    rows = [row for _, row in read_rows(folder / STEPS_FILE)]
    samples = sum(row["samples"] for row in rows)
    problems = root / str(stage.arguments["--problems"].resolve(root))
    tokens = sampled.tokens + samples * _prompt_tokens(folder, problems)
    compared = sum(row["samples"] for row in rows if "kl" in row)  # with the reference model
    teacher = stage.arguments.get("--teacher")
    forward = compared / samples + (settings["policy.updates_per_step"] > 1 and not teacher)
    passes = [(1 + forward / 3, config)]
    if teacher:
        passes.append((1 / 3, _config(_model_folder(root, teacher))))
    length = settings["train.max_length"]
    flops = sum(n * tokens * train_flops_per_token(shape, length) for n, shape in passes)
    paper = sum(n * paper_train_flops(shape, tokens) for n, shape in passes)
    return StageUsage(sampled.tokens, sampled.flops + flops, sampled.paper_flops + paper)


@cache
def _config(folder: Path) -> LlamaConfig:
    return read_config(folder)


@cache
def _prompt_tokens(model: Path, problems: Path) -> float:
    """The mean number of tokens of a prompt."""
    from rft_jax.chat_templates import own_template
    from rft_jax.records import read_problems
    from rft_jax.tokenizers import load_tokenizer

    template = own_template(model)
    texts = [template.render(problem.question) for problem in read_problems(problems)]
    return sum(map(len, load_tokenizer(model).encode_batch(texts))) / len(texts)
