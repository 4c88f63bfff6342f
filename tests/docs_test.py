"""What README.md and docs/ say exists: commands, flags, settings, scripts, tests, pages."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rft_jax import cli
from rft_jax.errors import UserError
from rft_jax.gin_settings import load_config
from rft_jax.wordproblems.files import write_split
from tests.tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CLOUD = "<!-- needs a cloud -->"
CLOUD_PROGRAMS = ("gcloud", "kubectl", "xpk", "docker", "sbatch", "launch/slurm.sh")
CLOUD_PROGRAMS += ("launch/tpu_slice.sh", "launch/gke.sh")
SETTINGS = {
    f"{name}.{field.name}"
    for command in cli.COMMANDS.values()
    for name, kind in command.settings_classes().items()
    for field in dataclasses.fields(kind)
}


@dataclass(frozen=True)
class Line:
    """A command line in a fenced block of a page."""

    page: Path
    number: int
    words: tuple[str, ...]
    in_cloud: bool

    def __str__(self) -> str:
        return f"{self.page.name}:{self.number}"


def _blocks(page: Path) -> Iterator[tuple[int, str, list[str], bool]]:
    """First line number, language, lines and whether a cloud is needed, of each fenced block."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start, language, in_cloud = 0, None, False
    for number, line in enumerate(lines, start=1):
        if not line.startswith("```"):
            continue
        if language is None:
            before = next((text for text in reversed(lines[: number - 1]) if text.strip()), "")
            start, language, in_cloud = number + 1, line[3:].strip(), before.strip() == CLOUD
        else:
            yield start, language, lines[start - 1 : number - 1], in_cloud
            language = None
    assert language is None, f"{page.name}:{start - 1}: the block does not end"


def _lines(page: Path) -> Iterator[Line]:
    """The command lines of a page's shell blocks, continued ones joined, variables left out."""
    for start, language, block, in_cloud in _blocks(page):
        if language not in ("", "sh", "bash", "shell"):
            continue
        joined, first = "", start
        for number, text in enumerate(block, start=start):
            first = first if joined else number
            joined += text.removesuffix("\\") + " "
            if text.endswith("\\"):
                continue
            words, joined = joined, ""
            if words.lstrip().startswith(("{", "|")):  # a row of a file, a table
                continue
            parts = shlex.split(words, comments=True)
            while parts and re.fullmatch(r"[A-Z_0-9]+=.*", parts[0]):
                parts = parts[1:]
            if parts:
                parts[0] = parts[0].removeprefix(".venv/bin/")
                yield Line(page, first, tuple(parts), in_cloud)


LINES = [line for page in PAGES for line in _lines(page)]
RFT = [line for line in LINES if line.words[0] == "rft"]
LAUNCH = [line for line in LINES if any(word.startswith("launch/") for word in line.words[:2])]


def _check(words: tuple[str, ...]) -> None:
    """Parses an rft command line as rft does, up to the settings.

    Raises:
      UserError: no such command, flag, setting or gin file.
    """
    if "--help" in words or words == ("--version",):
        assert words[0] in {*cli.COMMANDS, "--help", "--version", "COMMAND"}
        return
    if "…" in words:  # the rest is left to the reader
        _check_flags(words)
        return
    flags, rest = cli.build_parser().parse_known_args(words)
    load_config(
        flags.command.settings_classes(flags),
        flags.command.gin_files(flags),
        [*flags.command.bindings(flags), *cli._gin_flags(rest, flags.command)],
        flags.command.scoped,
    )


def _check_flags(words: tuple[str, ...]) -> None:
    """Asserts that there is such a command, with flags of these names."""
    assert words[0] in cli.COMMANDS, words
    parser = cli.build_parser()._subparsers._group_actions[0].choices[words[0]]
    flags = [word for word in words if word.startswith("--") and not word.startswith("--gin.")]
    for flag in flags:
        assert flag.split("=")[0] in parser._option_string_actions, (words, flag)


@pytest.mark.parametrize("line", RFT, ids=str)
def test_a_command_exists_with_its_flags_and_settings(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _, language, block, _ in _blocks(line.page):
        if language == "gin":  # its first line is its name
            Path(block[0].removeprefix("# ")).write_text("\n".join(block))
    _check(line.words[1:])


@pytest.mark.parametrize(
    "words",
    [
        "trian --output o",
        "collect --problems p --sample s --output o",
        "sample --model m --problems p --output o --gin.sample.heat=1",
        "run --output o --gin_file runs/none.gin",
    ],
)
def test_a_command_that_does_not_exist_would_be_found(words: str) -> None:
    with pytest.raises(UserError):
        _check(tuple(words.split()))


@pytest.mark.parametrize("line", LAUNCH, ids=str)
def test_a_launch_script_takes_the_words_it_is_given(line: Line) -> None:
    words = [sys.executable if word == "python" else word for word in line.words]
    if "launch/smollm2_from_gguf.py" in words:  # has no dry run
        words = [*words[:2], "--help"]
    at = words.index("--") if "--" in words else len(words)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*words[:at], "--dry_run", *words[at:]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "--" in words:
        rest = tuple(words[at + 1 :])
        _check(("sample", *rest) if "launch/sample_shard.py" in words else rest)


@pytest.mark.parametrize("line", LINES, ids=str)
def test_what_needs_a_cloud_is_marked(line: Line) -> None:
    assert line.in_cloud == (line.words[0] in CLOUD_PROGRAMS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_settings_within_sentences_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`]+)`", text)
    for span in spans:
        if re.match(r"rft [a-z]", span):
            _check_flags(tuple(span.split()[1:]))
        groups = "train|sample|collect|evaluate|report|run|plan|mesh|llama"
        for name in re.findall(rf"(?<![\w/.-])(?:{groups})\.\w+\b(?![-/])", span):
            suffix = name.rsplit(".", 1)[1]
            if suffix not in ("gin", "json", "jsonl", "py", "md", "log"):
                assert name in SETTINGS, span


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_tests_that_are_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for path in re.findall(
        r"`((?:tests|launch|configs|benchmarks|tools|notebooks)/[a-z0-9_./-]+)`", text
    ):
        assert (ROOT / path).exists(), path
    code = "\n".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py"))
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in code, name


def test_the_table_of_slices_is_what_its_command_prints() -> None:
    words = [sys.executable, "tools/plan_table.py"]
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed in (ROOT / "docs" / "pods.md").read_text("utf-8")
    assert len(printed.splitlines()) > 100


# What makes the commands of a page a matter of seconds; put behind them.
SMALL = {
    "train": ["train.num_steps=1", "train.batch_size=2", "train.dtype='float32'"],
    "sample": ["sample.num_samples=2", "sample.max_new_tokens=8", "sample.slots=4"],
    "evaluate": ["evaluate.max_new_tokens=8", "evaluate.slots=4"],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("README.md", ["train", "sample", "collect", "train", "evaluate"]),
        ("own-data.md", ["train", "sample", "collect", "train", "evaluate", "evaluate"]),
    ],
)
def test_the_stages_that_a_page_types_run_one_after_the_other(
    name: str, commands: list[str], tmp_path: Path
) -> None:
    """On twenty problems and a tiny model, where the page has them."""
    page = next(page for page in PAGES if page.name == name)
    block = next(
        block
        for _, _, block, _ in _blocks(page)
        if [line.split()[1:2] for line in block] == [[command] for command in commands]
    )
    write_tiny_model(tmp_path / "models" / "mine")
    for split in ("train", "test"):
        write_split("dev", tmp_path / "data" / f"{split}.jsonl", 20)
    environment = os.environ | {"GSM8K_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    for line in block:
        words = shlex.split(line.replace(" MODEL ", " models/mine "))[1:]
        small = [f"--gin.{binding}" for binding in SMALL.get(words[0], [])]
        done = subprocess.run(
            [sys.executable, "-m", "rft_jax.cli", *words, *small],
            cwd=tmp_path,
            env=environment | {"XLA_FLAGS": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
    last = tmp_path / "runs" / "rft-eval"
    assert json.loads((last / "metrics.json").read_text())["n"] == 20
    assert (last / "comparison.json").exists() == ("--against" in block[-1])


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text("utf-8")):
        if not target.startswith(("https://", "http://")):
            assert (ROOT / target).exists(), target


def test_every_page_is_in_the_navigation() -> None:
    yaml = pytest.importorskip("yaml")
    sections = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    named = re.findall(r"[\w/-]+\.md", str(sections))
    docs = ROOT / "docs"
    pages = [*docs.glob("*.md"), *docs.glob("results/*/README.md")]
    assert sorted(named) == sorted(str(page.relative_to(docs)) for page in pages)


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    words = ["-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").exists()
