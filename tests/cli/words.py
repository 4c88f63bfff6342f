"""Command lines that several tests run."""

from __future__ import annotations

from pathlib import Path


def collect_words(problems: Path, samples: Path, out: Path | str) -> list[object]:
    """`rft collect` of these inputs."""
    return ["collect", "--problems", problems, "--samples", samples, "--output", out]
