"""What is installed is read from the package's metadata, and everything imported is declared."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rft_jax import installation

ROOT = Path(__file__).resolve().parent.parent
METADATA = """Metadata-Version: 2.4
Name: rft-jax
Version: 9.9
Provides-Extra: data
Provides-Extra: gpu
Requires-Dist: pytest>=8
Requires-Dist: no-such-package<3,>=2
Requires-Dist: of-another-system; sys_platform == "none"
Requires-Dist: TensorFlow_Text>=2; extra == "data"
Requires-Dist: pytest[plugins]>=8; extra == "gpu"
"""
OTHER = "Metadata-Version: 2.4\nName: pytest\nVersion: 8.1\nProvides-Extra: plugins\n"
OTHER += 'Requires-Dist: pytest-plugin==8.1; extra == "plugins"\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that holds this package and pytest alone."""
    for name, text in (("rft_jax-9.9", METADATA), ("pytest-8.1", OTHER)):
        folder = tmp_path / f"{name}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])


@pytest.mark.usefixtures("site")
def test_requirements_of_the_package_and_of_its_extras() -> None:
    assert installation.extras() == ["data", "gpu"]
    names = {e: [one.name for one in installation.requirements(e)] for e in ("", "data", "gpu")}
    assert names == {
        "": ["pytest", "no-such-package"],
        "data": ["TensorFlow_Text"],
        "gpu": ["pytest"],
    }


@pytest.mark.usefixtures("site")
def test_missing_packages_are_named_those_of_an_extra_within_an_extra_too() -> None:
    assert installation.missing() == ["no-such-package"]
    assert installation.missing("data") == ["TensorFlow_Text"]
    assert installation.missing("gpu") == ["pytest-plugin"]


@pytest.mark.usefixtures("site")
def test_versions_are_those_of_the_installed_requirements() -> None:
    assert list(installation.versions()) == ["rft_jax", "python", "pytest"]
    assert installation.versions()["pytest"] == "8.1"


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("module", "extra"),
    [("tensorflow_text.ops", "data"), ("no_such_package", ""), ("os", None)],
)
def test_the_extra_of_a_module_is_found_by_its_name(module: str, extra: str | None) -> None:
    assert installation.extra_with(module) == extra


def test_a_package_that_was_never_installed_has_no_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert (installation.requirements(), installation.extras()) == ([], [])
    assert list(installation.versions()) == ["rft_jax", "python"]


def _declared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py passes to setuptools."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **named: given.update(named))
    runpy.run_path(str(ROOT / "setup.py"))
    return given


def _imported() -> set[str]:
    """Top-level modules of other projects that the package imports."""
    names = set()
    for path in (ROOT / "rft_jax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"rft_jax"}


def test_every_imported_package_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    given = _declared(monkeypatch)
    lines = chain(given["install_requires"], *given["extras_require"].values())
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    providers = metadata.packages_distributions()
    undeclared = {
        module
        for module in _imported()
        if declared.isdisjoint(map(canonicalize_name, providers.get(module, [module])))
    }
    assert undeclared == {"wandb"}  # imported for train.wandb alone, which says how to install it


def test_doctor_says_what_each_declared_extra_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "rft_jax" / "commands" / "doctor.py").read_text("utf-8")
    described = re.findall(r'^    "(\w+)": "', text, re.MULTILINE)
    assert set(described) == _declared(monkeypatch)["extras_require"].keys()


def test_no_hint_installs_the_package_from_an_index_that_does_not_have_it() -> None:
    hint = re.compile(r"pip install\s+(-\S+\s+)*['\"]?rft[-_]jax\b")
    assert hint.search("pip install 'rft-jax[gcs]'") and hint.search("pip install -q rft-jax")
    root = Path(__file__).parents[1]
    folders = ("rft_jax", "docs", "launch", "notebooks")
    files = [path for folder in folders for path in (root / folder).rglob("*") if path.is_file()]
    shown = [p for p in files if p.suffix in (".py", ".md", ".sh", ".ipynb", ".gin")]
    texts = [*shown, root / "README.md", root / "Makefile", root / "launch" / "Dockerfile"]
    assert [path for path in texts if hint.search(path.read_text("utf-8"))] == []
