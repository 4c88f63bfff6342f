"""The ledger of costs, and the paper's table by its formulas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rft_jax.checkpoints.huggingface_config import config_to_json
from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import num_params, train_flops_per_token
from rft_jax.pipeline.outcome.costs import paper_costs, stage_cost
from rft_jax.pipeline.stages import Given, Stage
from rft_jax.planning import paper
from rft_jax.report.published import paper_results


def test_sft_of_the_papers_7b_and_13b_costs_what_the_paper_says():
    published = paper_results()["flops"]
    rows = {row["model"]: row for row in paper_costs()}
    assert list(rows) == published["columns"]
    for model in ("7B", "13B", "70B-2"):
        place = published["columns"].index(model)
        assert rows[model]["sft"] == pytest.approx(published["sft"][place], rel=0.03)
    assert rows["7B"]["rft_u33b"] / rows["7B"]["sft"] == pytest.approx(13.65)


@pytest.fixture
def config() -> LlamaConfig:
    return load_config({"llama": LlamaConfig}, ["models/wordproblems.gin"]).get(LlamaConfig)


def test_a_training_counts_whole_rows_and_by_the_paper_the_tokens_in_them(tmp_path, config):
    stage = Stage("train", "sft", 0, {"--model": Given("m")})
    folder = tmp_path / stage.folder
    write_json(folder / "config.json", config_to_json(config, "float32"))
    write_json(folder / "settings.json", {"batch_size": 8, "max_length": 144})
    write_json(folder / "data.json", {"tokens": 1000, "response_tokens": 600})
    write_rows(folder / "metrics.jsonl", [{"step": i, "tokens": 300.0} for i in (1, 2, 3)])
    cost = stage_cost(tmp_path, stage)
    assert cost.tokens == pytest.approx(1500)  # 900 response tokens, two fifths more with prompts
    assert cost.flops == 3 * 8 * 144 * train_flops_per_token(config, 144)
    assert cost.paper_flops == pytest.approx(6 * paper.num_params(config) * 1500)


def test_sampling_counts_every_drawn_token(tmp_path, config):
    package = Path(paper.__file__).parents[1] / "wordproblems" / "model"
    problems = tmp_path / "p.jsonl"
    rows = [{"id": q, "question": "How many?", "answer": "#### 2"} for q in "ab"]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = {"--model": Given(str(package)), "--problems": Given(str(problems))}
    stage = Stage("sample", "sft", 0, arguments)
    drawn = [
        {"id": q, "sample": i, "model": "m", "response": "x", "tokens": [5] * 10}
        for q in "ab"
        for i in range(4)
    ]
    write_rows(tmp_path / stage.folder / "samples-00000-of-00001.jsonl", drawn)
    cost = stage_cost(tmp_path, stage)
    assert cost.tokens == 80
    one = 2 * num_params(config)  # a drawn token takes about two FLOPs a parameter
    assert 0.8 * 80 * one < cost.flops < 1.6 * 80 * one
    assert cost.paper_flops > 80 * 2 * paper.num_params(config) * 0.8


def test_collecting_costs_no_flops(tmp_path):
    assert stage_cost(tmp_path, Stage("collect", "rft", 0, {})).flops == 0
