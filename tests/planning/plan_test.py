"""`rft plan`: what is printed, what it says when a step does not fit, and what it needs to run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rft_jax.cli import main
from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.advice import USABLE, advise, train_bytes
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import parse_topology
from rft_jax.training.settings import TrainSettings

FORMULAS = "--gin.plan.compile=False"
SEVEN = ["plan", "--gin_file", "models/llama2_7b.gin", "--gin_file", "runs/gsm8k.gin"]


def test_the_plan_of_a_run_is_printed_by_formula(capsys: pytest.CaptureFixture[str]) -> None:
    remat = "--gin.train.remat=save_attention"
    assert main([*SEVEN, "--topology", "v5e-16", FORMULAS, remat]) == 0
    text = capsys.readouterr().out
    assert "v5e:4x4: 16 chips" in text and "6,738,415,616 parameters" in text
    assert "5.06 GB of state" in text and "DOES NOT FIT" not in text
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["sft", "sample", "rft"]


def test_a_step_that_does_not_fit_comes_with_what_to_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    thirteen = [word.replace("7b", "13b") for word in SEVEN]
    assert main([*thirteen, "--topology", "v5e:4x4", FORMULAS, "--gin.train.remat=none"]) == 0
    text = capsys.readouterr().out
    assert "DOES NOT FIT" in text and "change: train.remat = 'full'" in text


def test_gpus_are_planned_for_without_a_compiler(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SEVEN, "--topology", "h100:8"]) == 0
    text = capsys.readouterr().out
    assert "h100:8: 8 chips" in text and "compiled" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topology", "v9:4x4"], "chips known"),
        (["--topology", "v5e:8x8"], "set it to 64, or give chips to mesh.tensor"),
        (["--topology", "v5e:4x4", "--gin.mesh.tensor=3"], "does not make up 16 devices"),
        (["--topology", "v5e:4x4", "--gin.plan.fill=2"], "plan.fill is 2"),
        (["--topology", "v5e:4x4", "--gin.plan.sample_tensor=3"], "does not divide the 16 chips"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEVEN, *arguments, FORMULAS]) == UserError.exit_code
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and message in errors[0]


def test_without_libtpu_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "libtpu" else found(name, *a)
    )
    assert main([*SEVEN, "--topology", "v5e:4x4"]) == UserError.exit_code
    assert "pip install 'rft-jax[tpu]'" in capsys.readouterr().err


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


def advised(config: LlamaConfig, settings: TrainSettings, topology: str) -> list[str]:
    return advise(config, settings, MeshSettings(), parse_topology(topology))


def test_advice_leads_to_a_step_that_fits() -> None:
    settings = TrainSettings(batch_size=64, dtype="bfloat16", loss_chunk=128)
    topology = parse_topology("v5e:4x4")
    changes = advise(LlamaConfig(), settings, MeshSettings(), topology)
    assert changes
    for change in changes:
        name, value = change.split(":")[0].removeprefix("train.").split(" = ")
        plain = value.strip("'")
        settings = replace(settings, **{name: int(plain) if plain.isdigit() else plain})
    sizes = mesh_sizes(MeshSettings(), 16)
    assert train_bytes(LlamaConfig(), settings, sizes) <= USABLE * topology.chip.hbm


def test_a_step_that_fits_needs_no_advice() -> None:
    settings = TrainSettings(batch_size=16, dtype="bfloat16", loss_chunk=128, remat="full")
    assert advised(LlamaConfig(), settings, "v5p:4x4x4") == []


def test_a_state_too_large_for_the_slice_asks_for_a_larger_one() -> None:
    big = LlamaConfig(
        hidden_size=8192, intermediate_size=28672, num_layers=80, num_heads=64, num_kv_heads=8
    )
    (only,) = advised(big, TrainSettings(batch_size=64, dtype="bfloat16"), "v5e:4x4")
    chips = int(only.split("about ")[1].split()[0])
    assert only.startswith("take a larger slice") and chips >= 64


def test_a_share_outside_its_range_is_refused() -> None:
    with pytest.raises(UserError, match=r"plan.train_efficiency is 0"):
        PlanSettings(train_efficiency=0.0)
