"""Imports go down only, and what can run without JAX or TensorFlow never loads them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rft_jax"
HEAVY = ("jax", "jaxlib", "flax", "optax", "orbax", "tensorflow", "seqio", "torch", "transformers")
TENSORFLOW = ("tensorflow", "tensorflow_datasets", "tensorflow_text", "seqio")

# A room may import those of its row and whatever stands on nothing of ours.
BASE = {"errors", "jsonl", "mesh_settings", "model_names", "progress", "signals", "typed_values"}
BASE |= {"chips", "gin_settings", "identity", "outputs", "prompts", "records", "sharding_rules"}
BASE |= {"cluster", "mirror", "remote", "tokenizers"}
ROOMS = {
    "wordproblems": set(),
    "verify": set(),
    "rft": {"verify", "data"},
    "data": {"wordproblems", "verify", "rft", "training"},
    "partitioning": set(),
    "models": {"partitioning"},
    "distributed": set(),
    "checkpoints": {"models", "partitioning", "distributed"},
    "training": {"models", "partitioning", "checkpoints", "data", "distributed"},
    "sampling": {"models", "partitioning", "checkpoints", "data", "distributed", "rft", "verify"},
    "evaluation": {"data", "distributed", "sampling", "verify"},
    "report": {"evaluation", "verify"},
    "planning": {"models", "partitioning", "training", "sampling"},
}
SEES_EVERYTHING = {"cli", "commands", "doctor", "pipeline"}
BASE_ROWS = {
    "cluster": {"errors"},
    "gin_settings": {"errors", "typed_values"},
    "identity": {"jsonl"},
    "jsonl": {"errors"},
    "mesh_settings": {"errors"},
    "mirror": {"errors", "jsonl", "outputs"},
    "model_names": {"remote"},
    "outputs": {"errors", "jsonl"},
    "prompts": {"errors", "jsonl"},
    "sharding_rules": {"errors"},
    "records": {"errors", "jsonl"},
    "remote": {"errors", "mirror"},
    "tokenizers": {"errors", "jsonl"},
}


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


def test_every_room_imports_only_what_lies_below_it():
    wrong = []
    for room, path in _modules():
        if room in SEES_EVERYTHING:
            continue
        allowed = {room, *ROOMS[room], *BASE} if room in ROOMS else BASE_ROWS.get(room, set())
        for line, name in _imports(path):
            parts = name.split(".")
            if parts[0] == "rft_jax" and len(parts) > 1 and parts[1] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_tensorflow_is_imported_by_one_room():
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for room, path in _modules()
        if room != "data"
        for line, name in _imports(path)
        if name.split(".")[0] in TENSORFLOW
    ]
    assert wrong == []


def test_beam_is_imported_by_the_module_that_runs_on_it_alone():
    users = {
        str(path.relative_to(PACKAGE))
        for _, path in _modules()
        for _, name in _imports(path)
        if name.split(".")[0] == "apache_beam"
    }
    assert users <= {"rft/beam.py"}


def test_no_two_rooms_import_each_other_when_loaded():
    edges: dict[str, set[str]] = {}
    for room, path in _modules():
        names = [name.split(".") for _, name in _imports(path, top_only=True)]
        edges.setdefault(room, set()).update(
            parts[1] for parts in names if parts[0] == "rft_jax" and len(parts) > 1
        )
    pairs = [(a, b) for a in edges for b in edges[a] if a < b and a in edges.get(b, set())]
    assert pairs == []


def _loaded(code: str) -> list[str]:
    """Which heavy packages a fresh process has loaded after running some code."""
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
