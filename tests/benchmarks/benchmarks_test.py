"""The benchmarks run, at sizes too small for meaningful results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _run(script: str, flags: str, output: Path) -> dict[str, Any]:
    words = [sys.executable, str(ROOT / "benchmarks" / script), *flags.split()]
    done = subprocess.run(
        [*words, "--output", str(output)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text())


def test_lines_of_arithmetic_by_split_and_format(tmp_path: Path) -> None:
    speeds = _run("arithmetic.py", "--lines 50", tmp_path / "o.json")["lines_a_cpu_second"]
    assert {"train", "test", "test-operations", "test-brackets"} <= set(speeds)
    assert all(speed > 0 for by_format in speeds.values() for speed in by_format.values())


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sampling_in_its_steady_state(dtype: str, tmp_path: Path) -> None:
    flags = f"--parts speed,prefix,top_p,refill --shape tiny --dtype {dtype} --slots 16 --k 8"
    found = _run("sampling.py", f"{flags} --seconds 0.5 --warm 1 --repeats 1", tmp_path / "o.json")
    speed = found["speed"]
    assert speed["slot_utilisation"] > 0.9
    share = speed["tokens_per_second"] / speed["roofline_tokens_per_second"]
    assert speed["share_of_roofline"] == pytest.approx(share)
    weights = 4 if dtype == "float32" else 2  # bytes
    assert speed["bytes_a_step"] > weights * speed["flops_a_token"] / 2
    shared, copies = found["prefix"]["prefills_a_token"].values()
    assert copies / shared == pytest.approx(8, rel=0.3)
    assert all(value > 0 for value in found["top_p"]["seconds_a_step"].values())
    assert found["refill"]["slot_utilisation"]["static batches"] < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        "--moments bfloat16 --remat full --loss_chunk 16 --dtype bfloat16",
        "--lora 2 --remat save_attention",
    ],
)
def test_a_train_step_of_ours_alone(flags: str, tmp_path: Path) -> None:
    sizes = "--model tiny --batch 2 --length 32 --repeats 2 --against nothing"
    found = _run("training.py", f"{sizes} {flags}", tmp_path / "o.json")
    assert [*found["rows"]] == ["ours"]
    assert found["rows"]["ours"]["tokens_per_second"] > 0


@pytest.mark.slow
def test_a_step_of_policy_training(tmp_path: Path) -> None:
    flags = "--problems_per_step 2 --samples 2 --max_new_tokens 8 --batch 2 --repeats 1"
    found = _run("policy.py", flags, tmp_path / "o.json")
    seconds, ratios = found["seconds"], found["steps_over_bounds"]
    bound = seconds["sampling"] + 1.15 * seconds["sft"]
    assert ratios["plain"] == pytest.approx((seconds["sampling"] + seconds["plain"]) / bound)
    for name in ("kl", "two_updates"):
        whole = seconds["sampling"] + seconds[name]
        assert ratios[name] == pytest.approx(whole / (bound + seconds["forward"]))


@pytest.mark.slow
@pytest.mark.parametrize("against", ["eager", "trainer"])
def test_a_train_step_beside_pytorchs(against: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    if against == "trainer":
        pytest.importorskip("accelerate")
    sizes = f"--model tiny --batch 2 --length 32 --repeats 2 --against {against}"
    rows = _run("training.py", sizes, tmp_path / "o.json")["rows"]
    assert len(rows) == 2
    flops = [row["tflops"] * row["seconds"] for row in rows.values()]
    assert flops[0] == pytest.approx(flops[1])


@pytest.mark.slow
def test_programs_through_the_pool_and_a_process_each(tmp_path: Path) -> None:
    found = _run(
        "programs.py", "--problems 4 --samples 5 --processes 2 --repeats 1", tmp_path / "o"
    )
    assert found["programs"] == 20
    assert set(found["speed"]) == {"one worker", "all cores", "process each"}
    assert {row["error"] for row in found["exhausting"]} == {"limit"}
    assert found["largest_mib"] < 64
