"""What a run cost: FLOPs by our count and by the paper's, device seconds; the paper's own table.

FLOPs follow `models.shapes` (every matrix product that is needed, padding included in training)
and, as `paper_flops`, `planning.paper` (its formulas, on the tokens that are no padding).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import train_flops_per_token
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf, Stage
from rft_jax.pipeline.supervise.execute import stage_seconds
from rft_jax.planning import paper
from rft_jax.planning.closed_form import sampling_flops
from rft_jax.planning.settings import PlanSettings
from rft_jax.records import read_samples

# The models of the paper's table of costs, and the paths a question that its U33B has.
_PAPER_MODELS = {
    "7B": "llama_7b",
    "13B": "llama_13b",
    "33B": "llama_33b",
    "65B": "llama_65b",
    "70B-2": "llama2_70b",
}
_U33B_PATHS, _PAPER_EPOCHS, _PAPER_SAMPLES = 13.65, 3, 100


@dataclass(frozen=True)
class Cost:
    """Of one stage.

    Attributes:
      tokens: trained on or drawn, padding apart.
      flops: of the matrix products.
      paper_flops: as the paper counts.
    """

    tokens: float = 0.0
    flops: float = 0.0
    paper_flops: float = 0.0


def make_costs(root: Path, plan: Plan) -> dict[str, Any]:
    """What `costs.json` holds: a row a stage, and the paper's table by its formulas."""
    seconds = stage_seconds(root)
    rows = []
    for stage in plan.stages:
        cost = stage_cost(root, stage)
        named = {"stage": stage.title, "command": stage.command, "arm": stage.arm}
        rows.append({**named, **asdict(cost), "seconds": seconds.get(stage.folder.name)})
    return {"stages": rows, "paper": paper_costs()}


def stage_cost(root: Path, stage: Stage) -> Cost:
    """Of a finished stage, from what it left; stages without a model cost no FLOPs."""
    if stage.command == "train":
        return _training(root / stage.folder)
    if stage.command == "sample":
        return _sampling(root, stage, root / stage.folder)
    if stage.command == "evaluate":
        return _sampling(root, stage, root / stage.folder / "samples")
    return Cost()


def _training(folder: Path) -> Cost:
    """Whole rows are computed; of the tokens in them as many count as responses were learned."""
    if not (folder / "config.json").exists():
        return Cost()
    config, made = _config(folder), read_json(folder / "settings.json")
    rows = [row for _, row in read_rows(folder / "metrics.jsonl")]
    data = read_json(folder / "data.json")
    learned = sum(row["tokens"] for row in rows)
    tokens = learned * data["tokens"] / max(data["response_tokens"], 1)
    computed = len(rows) * made["batch_size"] * made["max_length"]
    flops = computed * train_flops_per_token(config, made["max_length"])
    return Cost(tokens, flops, paper.train_flops(config, tokens))


def _sampling(root: Path, stage: Stage, folder: Path) -> Cost:
    """Prompts once a problem by our count, once a sample by the paper's."""
    asked = stage.arguments["--model"]
    # A checkpoint's shape and tokenizer lie where its training left them.
    model = root / (asked.stage.folder if isinstance(asked, OutputOf) else str(asked.resolve(root)))
    files = sorted(folder.glob("samples-*.jsonl*"))
    if not files or not (model / "config.json").exists():
        return Cost()
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
    return Cost(tokens, flops, samples * paper.sampling_flops(config, prompt, response))


@cache
def _config(folder: Path) -> LlamaConfig:
    return read_config(folder)


@cache
def _prompt_tokens(model: Path, problems: Path) -> float:
    """Tokens of a prompt, on average."""
    from rft_jax.prompts import get_template, load_template
    from rft_jax.records import read_problems
    from rft_jax.tokenizers import load_tokenizer

    template = load_template(model) or get_template("plain")
    texts = [template.render(problem.question) for problem in read_problems(problems)]
    return sum(map(len, load_tokenizer(model).encode_batch(texts))) / len(texts)


def paper_costs() -> list[dict[str, Any]]:
    """The paper's table of FLOPs by its formulas: SFT, 100 samples a question, RFT on U33B."""
    return [dict(row) for row in _paper_rows(PlanSettings())]


def _paper_rows(data: PlanSettings) -> Iterator[Mapping[str, Any]]:
    example = data.prompt_tokens + data.response_tokens
    for name, file in _PAPER_MODELS.items():
        gin = load_config({"llama": LlamaConfig}, [f"models/{file}.gin"])
        config = gin.get(LlamaConfig)
        sft = paper.train_flops(config, _PAPER_EPOCHS * data.num_problems * example)
        one = paper.sampling_flops(config, data.prompt_tokens, data.response_tokens)
        yield {
            "model": name,
            "sft": sft,
            "rft_inference": _PAPER_SAMPLES * data.num_problems * one,
            "rft_u33b": _U33B_PATHS * sft,
        }
