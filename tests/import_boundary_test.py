"""Imports go down only, and what can run without JAX or TensorFlow never loads them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rft_jax"
HEAVY = ("jax", "jaxlib", "flax", "optax", "orbax", "tensorflow", "seqio", "torch", "transformers")
TENSORFLOW = ("tensorflow", "tensorflow_datasets", "tensorflow_text", "seqio")

# Of every package.
_GROUND = {"errors", "typed_values", "checked_settings", "progress", "signals", "installation"}


def _table() -> dict[str, set[str]]:
    """The import order of docs/architecture.md: for each package, what it may import."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table: dict[str, set[str]] = {}
    for name, allowed in re.findall(r"^\| `(\w+)` \|.*\|([^|]*)\|$", text, re.MULTILINE):
        above = allowed.strip() == "everything above"
        listed = set(table) if above else set(re.findall(r"\w+", allowed))
        assert listed <= set(table), (
            f"{name} may import {listed - set(table)}, which stand below it"
        )
        table[name] = listed | _GROUND
    return table


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield parts[0], path


def _imports(path: Path, top_only: bool = False) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "rft_jax":
                names = [f"rft_jax.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name) for name in names)


def test_the_table_of_docs_architecture_lists_every_package():
    packages = {package for package, _ in _modules()}
    assert packages == set(_table())


def test_every_package_imports_only_what_the_table_allows():
    table = _table()
    wrong = []
    for package, path in _modules():
        for line, name in _imports(path):
            parts = name.split(".")
            if parts[0] != "rft_jax" or len(parts) == 1 or parts[1] == package:
                continue
            if parts[1] not in table[package]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_tensorflow_is_imported_by_one_package():
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for package, path in _modules()
        if package != "data"
        for line, name in _imports(path)
        if name.split(".")[0] in TENSORFLOW
    ]
    assert wrong == []


def test_beam_is_imported_by_its_modules_alone():
    users = {
        str(path.relative_to(PACKAGE))
        for _, path in _modules()
        for _, name in _imports(path)
        if name.split(".")[0] == "apache_beam"
    }
    assert users <= {"rft/beam.py", "rft/beam_inputs.py"}


def test_no_two_packages_import_each_other_when_loaded():
    edges: dict[str, set[str]] = {}
    for package, path in _modules():
        names = [name.split(".") for _, name in _imports(path, top_only=True)]
        edges.setdefault(package, set()).update(
            parts[1] for parts in names if parts[0] == "rft_jax" and len(parts) > 1
        )
    pairs = [(a, b) for a in edges for b in edges[a] if a < b and a in edges.get(b, set())]
    assert pairs == []


def _loaded(code: str) -> list[str]:
    """The heavy packages that a fresh process has loaded after running some code."""
    tail = f"import sys, json; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tail}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    [
        "import rft_jax",
        "import rft_jax.cli",
        "import rft_jax.pipeline.run",
        "import rft_jax.rft.collect",
        "import rft_jax.evaluation.evaluate",
        "import rft_jax.report.report",
        "import rft_jax.wordproblems.files",
        "import rft_jax.training.settings, rft_jax.sampling.settings, rft_jax.models.config",
    ],
)
def test_importing_what_runs_without_jax_loads_neither_jax_nor_tensorflow(code):
    assert _loaded(code) == []


@pytest.mark.parametrize("module", ["sampling.run", "sampling", "evaluation.held_out"])
def test_sampling_loads_nothing_that_training_alone_needs(module):
    loaded = _loaded(f"import rft_jax.{module}")
    assert set(loaded) <= {"jax", "jaxlib", "flax"}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["train", "--help"]])
def test_help_loads_neither_jax_nor_tensorflow(arguments):
    code = (
        "from rft_jax.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert end.code == 0"
    )
    assert _loaded(code) == []


def test_collect_runs_without_jax_and_tensorflow(tmp_path):
    (tmp_path / "problems.jsonl").write_text(
        '{"id": "a", "question": "1+1?", "answer": "<<1+1=2>>\\n#### 2"}\n'
    )
    (tmp_path / "samples.jsonl").write_text(
        '{"id": "a", "sample": 0, "model": "m", "seed": 0, "response": "<<3-1=2>>\\n#### 2"}\n'
    )
    arguments = ["collect", "--problems", "problems.jsonl", "--samples", "samples.jsonl"]
    arguments = [str(tmp_path / a) if a.endswith("jsonl") else a for a in arguments]
    arguments += ["--output", str(tmp_path / "out")]
    assert _loaded(f"from rft_jax.cli import main\nassert main({arguments!r}) == 0") == []
    paths = (tmp_path / "out" / "paths.jsonl").read_text().splitlines()
    assert [json.loads(row)["origin"] for row in paths] == ["human", "sampled"]
