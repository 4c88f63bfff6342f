"""The output of `rft plan`, its errors, and the packages that it needs."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rft_jax.cli import main
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_json
from tests.llama_twin import tiny_config

FORMULAS = "--gin.plan.compile=False"
SEVEN = ["plan", "--gin_file", "models/llama2_7b.gin", "--gin_file", "runs/gsm8k.gin"]


def test_a_plan_by_formula_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    remat = "--gin.train.remat=save_attention"
    assert main([*SEVEN, "--topology", "v5e-16", FORMULAS, remat]) == 0
    text = capsys.readouterr().out
    assert "v5e:4x4: 16 chips" in text and "6,738,415,616 parameters" in text
    assert "state 4.7 GiB" in text and "DOES NOT FIT" not in text
    *_, hours, run = text.split("\n\n")
    assert [line.split()[0] for line in hours.splitlines()[-3:]] == ["sft", "sample", "rft"]
    assert run.startswith("run: rho, sft, rft; votes of 100 samples on sft, rft; seeds 1; 1,319 ")


def test_a_step_that_does_not_fit_comes_with_what_to_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*SEVEN, "--topology", "v5e:4x4", FORMULAS, "--gin.train.remat=none"]) == 0
    text = capsys.readouterr().out
    assert "14.4 GiB of 16.0 GiB per chip: DOES NOT FIT" in text
    assert "change: train.remat = 'save_attention'" in text


def test_gpu_plans_need_no_compiler(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SEVEN, "--topology", "h100:8"]) == 0
    text = capsys.readouterr().out
    assert "h100:8: 8 chips, each with 80.0 GiB of memory (75% of it for JAX, by XLA_" in text
    assert "compiled" not in text


def test_a_training_of_adapters_is_planned_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SEVEN, "--topology", "h100:1", "--gin.train.lora_rank=16"]) == 0
    text = capsys.readouterr().out
    # 6,738,415,616 frozen parameters of 4 bytes; 39,976,960 trained ones of 12, moments included.
    assert "LoRA of rank 16" in text and "state 25.5 GiB" in text
    assert "weights 12.6 GiB" in text  # samples are those of the merged model


def test_the_decode_step_is_the_samplers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SEVEN, "--topology", "v5p-8", FORMULAS]) == 0
    text = capsys.readouterr().out
    assert (
        "4 copies of the model (mesh.tensor = 1), 256 slots each in groups of 8, bfloat16" in text
    )
    assert "weights 12.6 GiB + prompts 16.0 GiB + responses 32.0 GiB + logits 156 MiB" in text
    assert "60.7 GiB of 95.0 GiB per chip: fits" in text


def test_a_model_too_large_to_sample_from_is_planned_for_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seventy = [word.replace("7b", "70b") for word in SEVEN]
    assert main([*seventy, "--topology", "v5e:2x2", FORMULAS]) == 0
    decoding = capsys.readouterr().out.split("decode step: ")[1]
    assert "DOES NOT FIT\n    change: fewer sample.slots" in decoding


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topology", "v9:4x4"], "known chips"),
        (["--topology", "v5e:8x8"], "set it to 64, or give devices to mesh.tensor"),
        (["--topology", "v5e:4x4", "--gin.mesh.tensor=3"], "does not make up 16 devices"),
        (["--topology", "v5e:4x4", "--gin.plan.fill=2"], "plan.fill = 2"),
        (
            ["--topology", "v5e:4x4", "--gin.train.max_length=8192"],
            "a length of 8192 tokens is over",
        ),
        (["--topology", "v5e:4x4", "--gin.train.remat=ful"], "train.remat = 'ful': one of"),
        (["--topology", "v5e:4x4", "--gin.plan.sample_tensor=3"], "does not divide the 16 chips"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEVEN, *arguments, FORMULAS]) == UserError.exit_code
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and message in errors[0]


def test_without_libtpu_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "libtpu" else found(name, *a)
    )
    assert main([*SEVEN, "--topology", "v5e:4x4"]) == UserError.exit_code
    assert "pip install '.[tpu]'" in capsys.readouterr().err


def test_the_formulas_need_neither_jax_nor_numpy() -> None:
    code = (
        "import sys\nfrom rft_jax.cli import main\n"
        f"assert main({[*SEVEN, '--topology', 'v5e:4x4', FORMULAS]!r}) == 0\n"
        "assert not {'jax', 'numpy', 'flax', 'libtpu'} & set(sys.modules)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_with_a_config_alone_is_planned_with_its_whole_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "config.json", tiny_config(max_position_embeddings=1024))
    words = ["plan", "--model", str(tmp_path), "--gin_file", "runs/gsm8k.gin"]
    words += ["--topology", "h100:8", "--gin.run.arms=['rho', 'sft', 'rft', 'rft_no_dedup']"]
    assert main([*words, "--gin.run.seeds=(0, 1)", "--gin.run.vote_arms=('rft',)"]) == 0
    text = capsys.readouterr().out
    run = text[text.index("\nrun: ") :]
    assert "run: rho, sft, rft, rft_no_dedup; votes of 100 samples on rft; seeds 2; 1,319" in run
    names = ["2 × sft", "2 × rft", "2 × rft_no_dedup", "2 × sample", "greedy", "votes", "total"]
    lines = [line.strip() for line in run.splitlines()]
    hours = [
        float(line.removeprefix(name).split()[0])
        for name, line in zip(names, lines[2:], strict=False)
    ]
    assert hours[-1] == pytest.approx(sum(hours[:-1]), abs=0.05)
    assert lines[1].startswith("run: ")
    disk = r"disk: 6 models of (\S+) (\S+), each with checkpoints of (\S+) (\S+); "
    found = re.search(disk, run)
    assert found
    assert float(found[3]) == pytest.approx(2 * float(found[1]), rel=0.05)  # float32 of bfloat16


def test_a_run_without_votes_is_planned_without_them(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--gin_file", "models/llama2_7b.gin", "--gin_file", "runs/own_data.gin"]
    assert main([*words, "--topology", "h100:8"]) == 0
    text = capsys.readouterr().out
    run = text[text.index("\nrun: ") :]
    assert "run: rho, sft, sft_steps, rft; seeds 1; 1,319 test problems" in run
    assert "votes" not in run and "greedy" in run


def test_a_file_in_place_of_a_models_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    assert main(["plan", "--model", str(file), "--topology", "h100:8"]) == UserError.exit_code
    assert f"{file}: is a file; a model is a folder with config.json" in capsys.readouterr().err
