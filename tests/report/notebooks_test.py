"""The notebooks run from top to bottom, on the run in $RFT_RUN or on a synthetic one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def _code(notebook: Path) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_outputs_are_saved(notebook: Path) -> None:
    for cell in _code(notebook):
        (output,) = cell["outputs"]
        assert "rft-view" in "".join(output["data"]["text/html"])


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_has_no_logic_of_its_own(notebook: Path) -> None:
    first, *others = ("".join(cell["source"]) for cell in _code(notebook))
    assert 'read_run(os.environ.get("RFT_RUN"' in first
    for source in others:
        assert re.fullmatch(r"views\.\w+\(run[^()\n]*\)", source), source


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(
    notebook: Path, make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("RFT_RUN", os.environ.get("RFT_RUN") or str(make_run()))
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    done = nbclient.NotebookClient(content, timeout=300, kernel_name="python3").execute()
    for cell in done.cells:
        if cell.cell_type == "code":
            (output,) = cell.outputs
            assert "rft-view" in output.data["text/html"]
