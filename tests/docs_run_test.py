"""The commands of README.md and docs/ run in the order of the page, at a tiny size.

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

from tests.docs_pages import LINES, ROOT

pytestmark = pytest.mark.slow


def _typed(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs_typing", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stock")
    _typed(folder, str(folder))
    return folder


@pytest.mark.parametrize("page", sorted({line.block.page for line in LINES}), ids=lambda p: p.name)
def test_the_commands_of_a_page_work_as_printed(page: Path, stock: Path, tmp_path: Path) -> None:
    _typed(tmp_path, page.name, str(stock))
    if page.name in ("README.md", "own-data.md"):  # its stages have read each other's files
        last = tmp_path / "runs" / "rft-eval"
        assert json.loads((last / "metrics.json").read_text())["n"] == 20
        assert (last / "comparison.json").exists() == (page.name == "own-data.md")
