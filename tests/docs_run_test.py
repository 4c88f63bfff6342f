"""The commands of README.md and docs/, typed in the order of the page, at a tiny size.

A page's commands run in a folder of its own, with models and data of the names that the pages use.
What a page takes from another one (`runs/sft`, say) is there already. What needs a cloud, several
hosts, a GPU or hours is marked in the page; of the last, what `--dry_run` does is run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rft_jax.wordproblems.files import write_split
from tests.docs_pages import HOURS, LINES, PAGES, ROOT, Line, blocks
from tests.tiny_model import write_tiny_model

# Programs that are not run, and why.
NOT_RUN = {
    "git": "the clone that this is",
    "pip": "installs",
    "python3": "makes an environment",
    "make": "installs, then does what other tests do",
    "tools/try_install": "installs",
    "launch/smollm2_from_gguf.py": "fetches a package of 93 MB",
    "tensorboard": "serves until it is stopped; tests of training read what it reads",
}
# Settings that make a command a matter of seconds; those of a page come behind them and win.
SMALL = {
    "train": ["train.num_steps=1", "train.batch_size=2", "train.dtype=float32"],
    "sample": ["sample.num_samples=2", "sample.max_new_tokens=8", "sample.slots=16"],
    "evaluate": ["evaluate.max_new_tokens=8", "evaluate.slots=16"],
    "plan": ["plan.compile=False"],
    "run": ["run.limit=4", "train.num_steps=1", "train.batch_size=2", "train.dtype=float32"],
}
SMALL["run"] += ["sample.max_new_tokens=8", "evaluate.max_new_tokens=8"]
MY_TASKS = """from rft_jax.data.tasks import register_paths
register_paths("runs/collected/paths.jsonl", "models/llama", name="from_my_module")
"""
MODELS = ("mine", "7b", "llama", "Llama-3.2-1B", "smollm2-135m", "SmolLM2-135M-Instruct")
RUNS = ("quickstart", "experiments/supervised_scaling", "experiments/rft_k")


def _argument_vector(line: Line) -> list[str]:
    """The program and its words, made small."""
    program, *words = ["models/mine" if word == "MODEL" else word for word in line.words]
    if program == "rft":
        command = words[0]
        small = [f"--gin.{binding}" for binding in SMALL.get(command, ())]
        if "--help" in words:
            small = []
        if line.block.mark == HOURS:
            words.append("--dry_run")
        return [sys.executable, "-m", "rft_jax.cli", command, *small, *words[1:]]
    return [sys.executable if program == "python" else program, *words]


def _run(words: Sequence[str], folder: Path, more: Mapping[str, str]) -> str:
    environment = dict(os.environ) | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
        "GSM8K_DIR": str(folder / "data"),
        "XLA_FLAGS": "",
    }
    done = subprocess.run(
        words, cwd=folder, env=environment | dict(more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-4000:])
    return done.stdout


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models and data, and in `runs/` what pages take from each other."""
    folder = tmp_path_factory.mktemp("stock")
    for name in MODELS:
        write_tiny_model(folder / "models" / name)
    for name in ("data/train", "data/test", "mine", "math"):
        write_split("dev", folder / f"{name}.jsonl", 20)
    for name in ("benchmarks", "launch", "tools"):
        (folder / name).symlink_to(ROOT / name)
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "cache")}

    def rft(*words: str) -> None:
        small = [f"--gin.{binding}" for binding in SMALL.get(words[0], ())]
        _run([sys.executable, "-m", "rft_jax.cli", *words, *small], folder, cache)

    rft("train", "--model", "models/mine", "--data", "gsm8k:train", "--output", "runs/sft")
    for name in ("samples", "s7b", "s13b", "my-samples"):
        output = ("--output", f"runs/{name}", "--name", name)
        rft("sample", "--model", "runs/sft", "--problems", "gsm8k:train", *output)
    rft(
        "collect",
        "--problems",
        "gsm8k:train",
        "--samples",
        "runs/samples",
        "--output",
        "runs/collected",
    )
    rft("run", "--output", "runs/quickstart", "--gin.run.arms=['sft', 'rft']")
    for name in RUNS[1:]:
        shutil.copytree(folder / "runs" / RUNS[0], folder / "runs" / name)
    shutil.copytree(folder / "runs" / "sft", folder / "runs" / "rft")
    return folder


def _prepare(words: Sequence[str], folder: Path, stock: Path) -> None:
    """Brings what the command reads and no command of the page has made; clears what it makes."""
    command = words[words.index("rft_jax.cli") + 1] if "rft_jax.cli" in words else ""
    made = {words[i + 1] for i, word in enumerate(words[:-1]) if word == "--output"}
    if command != "run":
        for name in made:
            shutil.rmtree(folder / name, ignore_errors=True)
    for word in words:
        part = Path(word)
        if word.startswith("runs/") and word not in made and not (folder / word).exists():
            top = Path(*part.parts[: 3 if part.parts[1] == "experiments" else 2])
            shutil.copytree(stock / top, folder / top)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_work_as_they_are_typed(
    page: Path, stock: Path, tmp_path: Path
) -> None:
    for name in ("models", "data", "benchmarks", "launch", "tools", "mine.jsonl", "math.jsonl"):
        (tmp_path / name).symlink_to(stock / name)
    for block in blocks(page):
        if block.language == "gin":  # its first line is its name
            (tmp_path / block.rows[0].removeprefix("# ")).write_text("\n".join(block.rows))
    (tmp_path / "my_tasks.py").write_text(MY_TASKS)
    for line in (line for line in LINES if line.block.page == page):
        if line.block.mark not in ("", HOURS) or {*NOT_RUN, "…"} & {*line.words}:
            continue
        words = _argument_vector(line)
        _prepare(words, tmp_path, stock)
        cache = {"JAX_COMPILATION_CACHE_DIR": str(stock / "cache")}
        _run(words, tmp_path, cache | dict(line.variables))
    _check_left(page, tmp_path)


def _check_left(page: Path, folder: Path) -> None:
    """That the stages a page types one after the other have read each other's files."""
    if page.name in ("README.md", "own-data.md"):
        last = folder / "runs" / "rft-eval"
        assert json.loads((last / "metrics.json").read_text())["n"] == 20
        assert (last / "comparison.json").exists() == (page.name == "own-data.md")
