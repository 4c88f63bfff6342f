"""The notebooks run from top to bottom; on the run in $RFT_RUN, or on a made-up one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.slow
def test_the_samples_notebook_runs(
    make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("RFT_RUN", os.environ.get("RFT_RUN") or str(make_run()))
    notebook = nbformat.read(NOTEBOOKS / "samples.ipynb", as_version=4)
    nbformat.validate(notebook)
    done = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert len(code) == 7
    for cell in code:
        (output,) = cell.outputs
        assert "rft-view" in output.data["text/html"]
