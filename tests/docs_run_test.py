"""Commands and Python of README.md, docs/ and `--help` run in their order, at a tiny size.

Commands that need a cloud, several hosts, a GPU or hours are marked in the page; of those that take
hours, `--dry_run` is run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rft_jax import cli
from rft_jax.sampling import sampler
from tests.docs_pages import LINES, ROOT, blocks

pytestmark = pytest.mark.slow


def _failure(folder: Path, *words: str) -> str:
    """What tests.docs_typing printed if a line that it typed failed; else nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs_typing", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return failed if done.returncode else ""


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stock")
    assert _failure(folder, str(folder)) == ""
    return folder


@pytest.mark.parametrize("page", sorted({line.block.page for line in LINES}), ids=lambda p: p.name)
def test_the_commands_of_a_page_work_as_printed(page: Path, stock: Path, tmp_path: Path) -> None:
    assert _failure(tmp_path, page.name, str(stock)) == ""
    if page.name in ("README.md", "own-data.md"):  # its stages have read each other's files
        last = tmp_path / "runs" / "rft-eval"
        assert json.loads((last / "metrics.json").read_text())["n"] == 20
        assert (last / "comparison.json").exists() == (page.name == "own-data.md")


@pytest.mark.parametrize("command", [one.name for one in cli.COMMANDS.values() if one.examples])
def test_the_examples_of_a_commands_help_work_as_printed(
    command: str, stock: Path, tmp_path: Path
) -> None:
    assert _failure(tmp_path, command, str(stock)) == ""


def test_the_example_of_the_sampler_is_the_pages_which_runs() -> None:
    (block,) = [b for b in blocks(ROOT / "docs" / "sampling.md") if b.language == "python"]
    on_page = [row.partition("  #")[0] for row in block.rows]
    in_docstring = (sampler.__doc__ or "").strip().splitlines()[2:]
    assert in_docstring == on_page
