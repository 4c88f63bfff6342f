"""`benchmarks/offline/bundle.py`: packages and model for a machine without network, in parts."""

from __future__ import annotations

import importlib
import random
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name

OFFLINE = Path(__file__).parents[3] / "benchmarks" / "offline"
MB = 2**20


@pytest.fixture(scope="module")
def bundle() -> Iterator[ModuleType]:
    sys.path.insert(0, str(OFFLINE))
    yield importlib.import_module("bundle")
    sys.path.remove(str(OFFLINE))


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with what goes into a bundle, and a GGUF file of 3.3 MB."""
    (tmp_path / "made" / "wheels").mkdir(parents=True)
    (tmp_path / "made" / "wheels" / "a-1-py3-none-any.whl").write_bytes(b"a" * (MB // 2))
    for split in ("train", "test"):
        (tmp_path / "made" / f"{split}.jsonl.gz").write_bytes(b"rows")
    gguf = tmp_path / "some.gguf"
    gguf.write_bytes(random.Random(0).randbytes(33 * MB // 10))
    return tmp_path / "made", gguf


def test_wheels_are_of_the_packages_that_the_machine_lacks(
    bundle: ModuleType, tmp_path: Path
) -> None:
    missing = bundle.missing_packages(bundle.THERE, "3.12")
    names = [one.partition("==")[0] for one in missing]
    assert {"gin-config", "math-verify", "latex2sympy2-extended", "rapidfuzz", "gguf"} <= {*names}
    assert not {"jax", "jaxlib", "numpy", "torch", "transformers", "optax"} & {*names}
    found = reversed([*metadata.distributions()])  # the first on the path is the one imported
    here = {canonicalize_name(one.name): one.version for one in found}
    assert missing == [f"{name}=={here[name]}" if name in here else name for name in names]
    gin = missing.pop(names.index("gin-config"))
    freeze = ["# what is there", *missing, "jax @ file:///jax.whl", *bundle.THERE.split(",")]
    (tmp_path / "machine.txt").write_text("\n".join(freeze))
    assert bundle.missing_packages(str(tmp_path / "machine.txt"), "3.12") == [gin]


def test_every_requirement_of_setup_is_there_or_in_a_wheel(bundle: ModuleType) -> None:
    setup = (OFFLINE.parents[1] / "setup.py").read_text()
    text = setup.split("install_requires=[")[1].split("\n    ],")[0]
    required = {canonicalize_name(bundle.package_name(one)) for one in re.findall(r'"(.+?)"', text)}
    missing = {one.partition("==")[0] for one in bundle.missing_packages(bundle.THERE, "3.12")}
    there = bundle.closure(bundle.THERE.split(","), "3.12").keys()
    assert len(required) > 15
    assert required <= missing | there


@pytest.mark.parametrize("limit", [2 * MB, 3 * MB, 9 * MB])
def test_parts_keep_the_limit_and_join_to_the_same_file(
    bundle: ModuleType, made: tuple[Path, Path], tmp_path: Path, limit: int
) -> None:
    folder, gguf = made
    bundle.pack(folder, gguf, tmp_path / "out", limit)
    parts = sorted((tmp_path / "out").iterdir())
    sizes = [sum(p.stat().st_size for p in part.rglob("*") if p.is_file()) for part in parts]
    assert max(sizes) <= limit
    assert len(parts) == {2 * MB: 3, 3 * MB: 2, 9 * MB: 1}[limit]
    bundle.join_gguf(tmp_path / "out", tmp_path / "joined.gguf")
    assert (tmp_path / "joined.gguf").read_bytes() == gguf.read_bytes()
    assert (tmp_path / "out" / "part-1" / "wheels" / "a-1-py3-none-any.whl").exists()


def test_a_part_that_is_missing_or_damaged_is_named(
    bundle: ModuleType, made: tuple[Path, Path], tmp_path: Path
) -> None:
    bundle.pack(*made, tmp_path / "out", 2 * MB)
    piece = tmp_path / "out" / "part-2" / "model.gguf.2"
    content = piece.read_bytes()
    piece.write_bytes(b"x" + content[1:])
    with pytest.raises(SystemExit, match="differ from those that were packed"):
        bundle.join_gguf(tmp_path / "out", tmp_path / "joined.gguf")
    piece.unlink()
    with pytest.raises(SystemExit, match="part-2 is missing"):
        bundle.join_gguf(tmp_path / "out", tmp_path / "joined.gguf")
    assert not (tmp_path / "joined.gguf").exists()


def test_a_part_too_small_for_the_wheels_is_refused(
    bundle: ModuleType, made: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="larger than --part_mb 1"):
        bundle.pack(*made, tmp_path / "out", MB)
