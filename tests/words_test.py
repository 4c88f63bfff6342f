"""Pages, names, docstrings and messages use the field's standard terms, not private ones."""

from __future__ import annotations

import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rft_jax"

# Pattern -> what to write instead. Matched in names (split into words), strings and comments.
BANNED = {
    r"doubles|a double": "duplicates, deduplicate",
    r"unit(?:e|es|ed|ing)": "merge, union",
    r"mend(?:s|ed|ing)?": "fix",
    r"anew|made again": "again, recreate",
    r"(?:goes|gone|went) on|(?:go|going) on (?:with|where|from|until|at)": "resume",
    r"rightly|wrongly": "correctly, incorrectly",
    r"(?:right|wrong) (?:answer|path|sample|solution|calculation)s?": "correct, incorrect",
    r"(?<!what )(?:is|are) (?:right|wrong)": "is correct, incorrect",
    r"drawn (?:tokens|samples|paths|responses|answers)": "sampled",
    r"(?:is|are) told": "is reported, described",
    r"rungs?|ladders?": "deduplication level",
    r"human paths?": "the reference solution",
    r"hungry|looks? in|(?:are|is|be) let be": "needs a refill; control returns; is ignored",
    r"(?:set|sets) aside": "quarantined, moved to …",
    r"(?<!there )(?<!where )(?:is|are) no(?! (?:such|other|more|less|longer|farther|better)\b)": (
        "is not a"
    ),
    r"by heart": "overfitted, memorised",
    r"(?:than|of|by) chance|chance (?:does|could|might)": "statistically significant (p = …)",
    r"(?<!percentage )points? (?:more|less|fewer|higher|lower|better|worse|above|below)": (
        "percentage points higher, lower"
    ),
    r"as many steps|same number of steps": "step-matched",
    r"caught (?:on|at)": "intermediate checkpoints",
    r"chips that one": "hardware you don't have",
    r"(?:one|each|every|its|the|this|\w+'s) room(?! for| left)|rooms": "package",
    r"and company|its company|in company|whatever company": "batch composition",
    r"dead groups?": "zero-variance group",
    r"bombs?": "resource-exhaustion program",
    r"who is who|no talk": "rank, communication",
    r"samples? (?:that (?:are|were) )?drawn|dr(?:aw|aws|ew|awing) samples": "sampled, sample",
    r"batch in parts|parts? of a batch|parts that a batch": "microbatches",
    r"figures?": "metric, plot",
}
# Only in pages: code may use the contract's names.
BANNED_IN_PAGES = {r"arms?": "condition"}
# Words of the contract, and the paper's own.
EXEMPT = re.compile(
    r"wrong_answer|\"wrong answer\"|wrong_equation|\"figures\"|`figures`|</?figure|"
    r"tables and figures|paper's figures?"
)

_TOP = ("docs", "configs", "launch", "notebooks", "benchmarks", "tools")


def _parts() -> dict[str, list[Path]]:
    """Each part of the project with its files: a package with its tests, a folder, a page."""
    parts = {name: [ROOT / name] for name in ("README.md", "CHANGELOG.md", "Makefile")}
    for folder in _TOP:
        parts[folder] = [p for p in sorted((ROOT / folder).rglob("*")) if p.suffix in _READERS]
    for top in (PACKAGE, ROOT / "tests"):
        for path in sorted(top.rglob("*.py")):
            name = path.relative_to(top).with_suffix("").parts[0].removesuffix("_test")
            parts.setdefault(name, []).append(path)
    del parts["words"]  # this file
    return parts


def _python(path: Path) -> Iterator[tuple[int, str]]:
    """Names as words, strings and comments, each with its line."""
    text_kinds = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], re.sub(r"(?<=[a-z])(?=[A-Z])", "_", token.string)
        elif token.type in text_kinds:
            yield token.start[0], token.string


def _page(path: Path) -> Iterator[tuple[int, str]]:
    """The paragraphs of a Markdown page, without its code."""
    text = re.sub(r"^```.*?^```", _blank, path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from _paragraphs(re.sub(r"`[^`]+`", _blank, text))


def _blank(match: re.Match[str]) -> str:
    return "`…`" + "\n" * match[0].count("\n")


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    number = 1
    for paragraph in re.split(r"(?<=\n)(?=\n|[-|#] )", text):
        yield number, paragraph
        number += paragraph.count("\n")


def _notebook(path: Path) -> Iterator[tuple[int, str]]:
    for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"], start=1):
        if cell["cell_type"] == "markdown":
            yield number, "".join(cell["source"])


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    yield from enumerate(path.read_text("utf-8").splitlines(), start=1)


_READERS = {".py": _python, ".md": _page, ".ipynb": _notebook, ".gin": _lines, ".sh": _lines}


def _found(texts: Iterator[tuple[int, str]], banned: dict[str, str]) -> Iterator[str]:
    """The banned words in some texts, each with its line and what to write instead."""
    for number, text in texts:
        words = re.sub(r"[_\s]+", " ", EXEMPT.sub("", re.sub(r"[#\s]+", " ", text)))
        for pattern, instead in banned.items():
            for match in re.finditer(rf"(?<![\w-])(?:{pattern})(?![\w-])", words, re.IGNORECASE):
                yield f"{number}: {match[0]!r}: write {instead}"


@pytest.mark.parametrize("part", sorted(_parts()))
def test_words_are_standard_terms(part: str) -> None:
    found = []
    for path in _parts()[part]:
        read = _READERS.get(path.suffix, _lines)
        banned = BANNED | (BANNED_IN_PAGES if read in (_page, _notebook) else {})
        found += [f"{path.relative_to(ROOT)}:{one}" for one in _found(read(path), banned)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    ["drop_doubles", "unite models", "the\nhuman path", "3 points more", "it is no number"],
)
def test_a_banned_word_is_found(text: str) -> None:
    assert list(_found(iter([(1, text)]), BANNED))


@pytest.mark.parametrize(
    "text",
    [
        "wrong_answer",
        "double precision",
        "percentage points higher",
        "there is no such file",
        "is no longer",
        "room for four",
        "the paper's\nfigures",
        "go on",
    ],
)
def test_a_standard_word_is_not_found(text: str) -> None:
    assert not list(_found(iter([(1, text)]), BANNED))
