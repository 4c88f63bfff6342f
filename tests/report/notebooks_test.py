"""The notebooks run from top to bottom, on the run in $RFT_RUN or on a synthetic one."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
LOOP = FOLDER / "run.ipynb"  # does a run; the others show one
NOTEBOOKS = sorted(set(FOLDER.glob("*.ipynb")) - {LOOP})
TINY = (
    "--gin.run.limit=6 --gin.sample.num_samples=2 --gin.sample.max_new_tokens=8 "
    "--gin.evaluate.max_new_tokens=8 --gin.train.num_steps=2"
)


def _code(notebook: Path) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_outputs_are_saved(notebook: Path) -> None:
    for cell in _code(notebook):
        (output,) = cell["outputs"]
        html = "".join(output["data"]["text/html"])
        assert "rft-view" in html and '[data-jp-theme-light="false"]' in html  # dark, too


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


def test_the_loop_names_an_extra_for_every_accelerator() -> None:
    sources = "\n".join("".join(cell["source"]) for cell in _code(LOOP))
    declared = (FOLDER.parent / "setup.py").read_text("utf-8")
    for extra in ("cuda", "tpu", "parquet"):
        assert f'"{extra}"' in sources and f'    "{extra}": [' in declared
    assert "!git clone REPOSITORY" in sources


@pytest.mark.slow
def test_the_loop_runs_at_a_tiny_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    content = nbformat.read(LOOP, as_version=4)
    nbformat.validate(content)
    content.cells = [c for c in content.cells if "install" not in c.metadata.get("tags", ())]
    (settings,) = (c for c in content.cells if "parameters" in c.metadata.get("tags", ()))
    settings.source = f"RUN, SETTINGS = {str(tmp_path / 'run')!r}, {TINY!r}"
    done = nbclient.NotebookClient(content, timeout=1200, kernel_name="python3").execute()
    *_, results, samples = (cell for cell in done.cells if cell.cell_type == "code")
    shown = results.outputs[-1].data["text/html"]
    assert "rft-view" in shown and "SFT" in shown and "RFT" in shown
    assert 'class="sample"' in samples.outputs[-1].data["text/html"]
    rows = json.loads((tmp_path / "run" / "results.json").read_text("utf-8"))["rows"]
    assert {row["model"] for row in rows} == {"sft", "rft"}
    assert (tmp_path / "run" / "report" / "index.html").exists()
