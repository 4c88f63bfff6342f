"""The command lines in README.md and docs/, and the requirements that their pages mark."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Requirements that no test has; a comment before a block marks its commands with one of them.
CLOUD, HOSTS, GPU, HOURS = "needs a cloud", "needs several hosts", "needs a GPU", "takes hours"
MARKS = (CLOUD, HOSTS, GPU, HOURS)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
      number: line number of its first line in the page.
      mark: the marked requirement of its commands; '' for none.
    """

    page: Path
    number: int
    language: str
    rows: tuple[str, ...]
    mark: str


@dataclass(frozen=True)
class Line:
    """A command line in a block.

    Attributes:
      words: the program, without its folder in `.venv`, and its arguments.
      variables: environment variables set in the same line.
    """

    block: Block
    number: int
    words: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.block.page.name}:{self.number}"


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    rows = page.read_text(encoding="utf-8").splitlines()
    start, language, mark = 0, None, ""
    for number, row in enumerate(rows, start=1):
        if not row.startswith("```"):
            continue
        if language is None:
            before = next((text for text in reversed(rows[: number - 1]) if text.strip()), "")
            comment = re.fullmatch(r"<!-- (.+) -->", before.strip())
            mark = comment[1] if comment and comment[1] in MARKS else ""
            start, language = number + 1, row[3:].strip()
        else:
            yield Block(page, start, language, tuple(rows[start - 1 : number - 1]), mark)
            language = None
    assert language is None, f"{page.name}:{start - 1}: the block does not end"


def lines(page: Path) -> Iterator[Line]:
    """The command lines of a page's shell blocks; continued lines are joined."""
    for block in blocks(page):
        if block.language not in ("", "sh", "bash", "shell"):
            continue
        joined, first = "", block.number
        for number, text in enumerate(block.rows, start=block.number):
            first = first if joined else number
            joined += text.removesuffix("\\") + " "
            if text.endswith("\\"):
                continue
            text, joined = joined, ""
            if text.lstrip().startswith(("{", "|")) or "──" in text:  # a row, a drawing
                continue
            words = shlex.split(text, comments=True)
            variables = []
            while words and re.fullmatch(r"[A-Z_0-9]+=.*", words[0]):
                name, _, value = words.pop(0).partition("=")
                variables.append((name, value))
            if words:
                words[0] = words[0].removeprefix(".venv/bin/")
                yield Line(block, first, tuple(words), tuple(variables))


LINES = [line for page in PAGES for line in lines(page)]
