"""README.md and docs/ name only existing commands, flags, settings, scripts, tests and pages."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rft_jax import cli
from rft_jax.errors import UserError
from rft_jax.gin_settings import load_config
from tests.docs_pages import CLOUD, GPU, HOSTS, HOURS, LINES, PAGES, ROOT, Line, blocks

CLOUD_PROGRAMS = ("gcloud", "kubectl", "xpk", "docker", "sbatch", "launch/slurm.sh")
CLOUD_PROGRAMS += ("launch/tpu_slice.sh", "launch/gke.sh")
SETTINGS = {
    f"{name}.{field.name}"
    for command in cli.COMMANDS.values()
    for name, kind in command.settings_classes().items()
    for field in dataclasses.fields(kind)
}


RESULTS = sorted((ROOT / "docs" / "results").glob("*/README.md"))
RFT = [line for line in LINES if line.words[0] == "rft"]
LAUNCH = [line for line in LINES if any(word.startswith("launch/") for word in line.words[:2])]


def _check(words: tuple[str, ...]) -> None:
    """Parses an rft command line as rft does, including its settings.

    Raises:
      UserError: no such command, flag, setting or gin file.
    """
    if {"--help", "--help-all"} & {*words} or words == ("--version",):
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
    """Asserts that the command and its flags exist."""
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
    for block in blocks(line.block.page):
        if block.language == "gin":  # its first line is its name
            Path(block.rows[0].removeprefix("# ")).write_text("\n".join(block.rows))
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
def test_a_command_that_does_not_exist_is_found(words: str) -> None:
    with pytest.raises(UserError):
        _check(tuple(words.split()))


@pytest.mark.parametrize("line", LAUNCH, ids=str)
def test_a_launch_script_accepts_its_arguments(line: Line) -> None:
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
        _check(tuple(words[at + 1 :]))


def _need(line: Line) -> str:
    """The requirement of a command line that no test has; '' if its words show none."""
    if line.words[0] in CLOUD_PROGRAMS or any(_is_in_cloud(word) for word in line.words):
        return CLOUD
    if "JAX_COORDINATOR_ADDRESS" in dict(line.variables):
        return HOSTS
    return GPU if line.words[0] == "launch/gpus.sh" else ""


def _is_in_cloud(word: str) -> bool:
    return word.startswith(("gs://", "s3://", "--runner=Dataflow", "--runner=Flink"))


@pytest.mark.parametrize("line", LINES, ids=str)
def test_commands_that_no_test_can_run_are_marked(line: Line) -> None:
    need = _need(line)
    assert line.block.mark == need or (not need and line.block.mark in (GPU, HOURS))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_settings_in_sentences_exist(page: Path) -> None:
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
def test_named_files_and_tests_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for path in re.findall(
        r"`((?:tests|launch|configs|benchmarks|tools|notebooks)/[a-z0-9_./-]+)`", text
    ):
        assert (ROOT / path).exists(), path
    code = "\n".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py"))
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in code, name


@pytest.mark.parametrize(
    "page", [*PAGES, *RESULTS], ids=lambda page: f"{page.parent.name}/{page.name}"
)
def test_lines_are_shorter_than_120_characters(page: Path) -> None:
    rows = dict(enumerate(page.read_text("utf-8").splitlines(), start=1))
    for block in blocks(page):  # rows of files and printed text cannot be broken
        if block.language in ("json", "text"):
            for number in range(block.number, block.number + len(block.rows)):
                del rows[number]
    long = [number for number, row in rows.items() if len(row) >= 120 and not row.startswith("|")]
    assert long == []


def test_the_table_of_slices_is_what_its_command_prints() -> None:
    words = [sys.executable, "tools/plan_table.py"]
    environment = os.environ | {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.75"}
    printed = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert printed in (ROOT / "docs" / "results" / "slices.md").read_text("utf-8")
    assert len(printed.splitlines()) > 100


def test_links_of_the_readme_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text("utf-8")):
        if not target.startswith(("https://", "http://")):
            assert (ROOT / target).exists(), target


def test_functions_in_the_data_flows_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w/]+\.py)`: ([^|]+) \|", text, re.MULTILINE)
    assert len(rows) > 20
    for path, names in rows:
        code = (ROOT / "rft_jax" / path).read_text("utf-8")
        for name in re.findall(r"(\w+)`", names):
            assert re.search(rf"^ *(?:def|class) {name}\b", code, re.MULTILINE), f"{path}: {name}"


def test_the_first_page_lists_every_command() -> None:
    text = (ROOT / "docs" / "index.md").read_text("utf-8")
    cells = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `rft")]
    listed = [name for cell in cells for name in re.findall(r"`rft ([a-z-]+)`", cell)]
    assert sorted(listed) == sorted(cli.COMMANDS)


def test_every_page_is_in_the_navigation() -> None:
    yaml = pytest.importorskip("yaml")
    sections = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    named = re.findall(r"[\w/-]+\.md", str(sections))
    docs = ROOT / "docs"
    pages = [*docs.glob("*.md"), *docs.glob("results/*.md"), *docs.glob("results/*/README.md")]
    assert sorted(named) == sorted(str(page.relative_to(docs)) for page in pages)


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocstrings")
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
