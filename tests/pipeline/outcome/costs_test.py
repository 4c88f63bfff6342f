"""What each stage computed, counted from its output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rft_jax.checkpoints.huggingface_config import config_to_json
from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import num_params, train_flops_per_token
from rft_jax.pipeline.outcome.costs import stage_usage
from rft_jax.pipeline.stages import Given, Stage
from rft_jax.planning import paper


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
    usage = stage_usage(tmp_path, stage)
    assert usage.tokens == pytest.approx(1500)  # 900 response tokens, two fifths more with prompts
    assert usage.flops == 3 * 8 * 144 * train_flops_per_token(config, 144)
    assert usage.paper_flops == pytest.approx(6 * paper.kaplan_params(config) * 1500)


def test_sampling_counts_every_sampled_token(tmp_path, config):
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
    usage = stage_usage(tmp_path, stage)
    assert usage.tokens == 80
    one = 2 * num_params(config)  # a sampled token takes about two FLOPs a parameter
    assert 0.8 * 80 * one < usage.flops < 1.6 * 80 * one
    assert usage.paper_flops > 80 * 2 * paper.kaplan_params(config) * 0.8


def test_texts_of_hybrid_decoding_are_counted_beside_the_programs(tmp_path):
    package = Path(paper.__file__).parents[1] / "wordproblems" / "model"
    write_rows(tmp_path / "p.jsonl", [{"id": "a", "question": "How many?", "answer": "#### 2"}])
    arguments = {"--model": Given(str(package)), "--problems": Given(str(tmp_path / "p.jsonl"))}
    stage = Stage("evaluate", "hybrid", 0, arguments)
    row = {"id": "a", "sample": 0, "model": "m", "response": "x", "tokens": [5] * 10}
    write_rows(tmp_path / stage.folder / "samples" / "samples-00000-of-00001.jsonl", [row])
    programs = stage_usage(tmp_path, stage)
    texts = tmp_path / stage.folder / "samples-text"
    write_rows(texts / "samples-00000-of-00001.jsonl", [row])
    both = stage_usage(tmp_path, stage)
    assert (both.tokens, both.flops) == (20, 2 * programs.flops)
    assert both.paper_flops == 2 * programs.paper_flops


@pytest.fixture
def policy(tmp_path):
    """`policy(rows=…, teacher=…, **settings)`: usage of a policy training, and of its samples."""
    package = Path(paper.__file__).parents[1] / "wordproblems" / "model"
    write_rows(tmp_path / "p.jsonl", [{"id": "a", "question": "How many?", "answer": "#### 2"}])
    arguments = {"--model": Given(str(package)), "--problems": Given(str(tmp_path / "p.jsonl"))}

    def usage(rows, teacher=False, **changed):
        taught = {"--teacher": Given(str(package))} if teacher else {}
        stage = Stage("policy", "grpo", 0, arguments | taught)
        folder = tmp_path / stage.folder
        shutil.copytree(package, folder, dirs_exist_ok=True)
        settings = {"kl": "none", "updates_per_step": 1} | changed
        named = {f"policy.{name}": value for name, value in settings.items()}
        write_json(folder / "settings.json", named | {"train.max_length": 192})
        write_rows(folder / "metrics.jsonl", rows)
        samples = [{"id": "a", "sample": i, "response": "x", "tokens": [5] * 10} for i in range(4)]
        write_rows(folder / "samples" / "samples-00000-of-00001.jsonl", samples)
        sampling = Stage("sample", "grpo", 0, arguments)
        write_rows(tmp_path / sampling.folder / "samples-00000-of-00001.jsonl", samples)
        return stage_usage(tmp_path, stage), stage_usage(tmp_path, sampling)

    return usage


STEPS = [{"step": 1, "samples": 2.0}, {"step": 2, "samples": 2.0}]


def test_a_policy_costs_its_samples_and_a_training_step_on_each(policy, config):
    usage, sampled = policy(STEPS)
    assert usage.tokens == sampled.tokens == 40
    trained = (usage.flops - sampled.flops) / train_flops_per_token(config, 192)
    assert 40 + 4 * 3 <= trained <= 40 + 4 * 12  # the prompts too
    assert usage.paper_flops - sampled.paper_flops == pytest.approx(
        6 * paper.kaplan_params(config) * trained
    )


def test_forward_passes_of_a_policy_are_counted_in_the_steps_that_have_them(policy):
    usage, sampled = policy(STEPS)
    forward = (usage.flops - sampled.flops) / 3  # a third of a training step
    every = [{**row, "kl": 0.1} for row in STEPS]

    def more(rows, **changed):
        return policy(rows, **changed)[0].flops - usage.flops

    assert more(every, kl="loss") == pytest.approx(forward)
    assert more([every[0], STEPS[1]]) == pytest.approx(forward / 2)  # measured in one of two steps
    assert more(STEPS, updates_per_step=2) == pytest.approx(forward)
    assert more(STEPS, teacher=True) == pytest.approx(forward)
    # A teacher's later updates need no probabilities from before the first one.
    assert more(STEPS, teacher=True, updates_per_step=2) == pytest.approx(forward)


def test_collecting_costs_no_flops(tmp_path):
    assert stage_usage(tmp_path, Stage("collect", "rft", 0, {})).flops == 0
