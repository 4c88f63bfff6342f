"""What is installed: this package's requirements and extras, read from its metadata."""

from __future__ import annotations

import platform
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import rft_jax

PACKAGE = "rft-jax"


def extras() -> list[str]:
    """Names of the optional parts, e.g. `data`; none where the package was never installed."""
    try:
        return metadata.metadata(PACKAGE).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []


def requirements(extra: str = "", package: str = PACKAGE) -> list[Requirement]:
    """What a package always requires, or what one of its extras adds."""
    try:
        found = [Requirement(line) for line in metadata.requires(package) or []]
    except metadata.PackageNotFoundError:
        return []
    return [one for one in found if _is_for(extra, one) and not (extra and _is_for("", one))]


def _is_for(extra: str, requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def missing(extra: str = "", package: str = PACKAGE) -> list[str]:
    """Names of the required packages, or of those that an extra adds, that are not installed."""
    names = []
    for one in requirements(extra, package):
        if version(one.name) is None:
            names.append(one.name)
        for inner in sorted(one.extras):
            names += missing(inner, one.name)
    return names


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of every required package."""
    found = {one.name: version(one.name) for one in requirements()}
    own = {"rft_jax": rft_jax.__version__, "python": platform.python_version()}
    return own | {name: text for name, text in found.items() if text}


def version(package: str) -> str | None:
    """An installed package's version; None for one that is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def extra_with(module: str) -> str | None:
    """The extra that provides a module, '' for a required one; None for an unknown module."""
    wanted = canonicalize_name(module.partition(".")[0])
    for extra in ("", *extras()):
        if wanted in {canonicalize_name(one.name) for one in requirements(extra)}:
            return extra
    return None


def how_to_install(extra: str = "") -> str:
    """The command that installs this package with an extra; it is on no package index."""
    return f"pip install '.[{extra}]' in the clone" if extra else "pip install . in the clone"
