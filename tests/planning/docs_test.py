"""Every command of the pages on TPUs and GPUs with a 7B model fits the hardware that it names."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from rft_jax.cli import main
from tests.docs_pages import LINES, Line

PAGES = ("pods.md", "gpus.md")
DEFAULTS = {"tpu_slice.sh": "v6e-8", "gke.sh": "v6e:2x4", "gpus.sh": "h100:8", "slurm.sh": "h100:8"}


def _of_7b(line: Line) -> bool:
    is_launched = line.words[0].startswith(("launch/", "xpk"))
    return line.block.page.name in PAGES and is_launched and "models/7b" in " ".join(line.words)


def _topology(words: list[str]) -> str:
    """What the launch command names, else what the page made before, or the script's default."""
    flags = dict(pairwise(words))
    if "--topology" in flags:
        return f"v6e:{flags['--topology']}"
    if "--gpus" in flags or "--nodes" in flags:
        return f"h100:{int(flags.get('--nodes', 1)) * int(flags.get('--gpus', 8))}"
    found = re.search(r"--(?:tpu-)?type[ =](\S+)", " ".join(words))
    return found[1] if found else DEFAULTS[words[0].removeprefix("launch/")]


@pytest.mark.parametrize("line", filter(_of_7b, LINES), ids=str)
def test_a_command_of_a_page_fits(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    words = " ".join(line.words).split()
    settings = [word for word in words if word.startswith("--gin.")]
    gin = [w for at, word in enumerate(words) if word == "--gin_file" for w in words[at : at + 2]]
    plan = ["plan", "--gin_file", "models/llama2_7b.gin", *gin, "--topology", _topology(words)]
    assert main([*plan, "--gin.plan.compile=False", *settings]) == 0
    text = capsys.readouterr().out
    assert "DOES NOT FIT" not in (text if "run" in words else text.split("decode step")[0])


def test_there_are_such_commands_on_both_pages() -> None:
    assert {line.block.page.name for line in filter(_of_7b, LINES)} == {*PAGES}


def test_the_page_says_where_it_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    plan = ["plan", "--gin_file", "models/llama2_7b.gin", "--gin_file", "runs/sft.gin"]
    assert main([*plan, "--topology", "v5litepod-8", "--gin.plan.compile=False"]) == 0
    assert "DOES NOT FIT" in capsys.readouterr().out


def test_a_run_of_llama_3_1_8b_fits_v5e_16_by_four_chips_a_copy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = ["plan", "--gin_file", "models/llama3_1_8b.gin", "--gin_file", "runs/gsm8k.gin"]
    plan += ["--topology", "v5litepod-16", "--gin.plan.compile=False"]
    assert main([*plan, "--gin.train.remat=save_attention"]) == 0
    assert "4 copies of the model (mesh.tensor = 4)" in capsys.readouterr().out  # as pods.md says
    assert main([*plan, "--gin.train.remat=save_attention", "--gin.mesh.tensor=4"]) == 0
    text = capsys.readouterr().out
    assert text.count(": fits") == 2 and "fsdp 4 × tensor 4" in text and "chip hours" in text
