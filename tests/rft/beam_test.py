"""Slow to import: Apache Beam."""

from __future__ import annotations

import codecs
import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings
from tests.rft.fuzz import responses
from tests.rft.make import sample_row, write_lines, write_problems, write_samples

pytest.importorskip("apache_beam")

from apache_beam.options.pipeline_options import PipelineOptions

from rft_jax.rft import beam

FILES = ("paths.jsonl", "ledger.jsonl", "stats.json")
DIRECT = PipelineOptions(["--runner=DirectRunner"])


def _input(folder: Path) -> tuple[str, list[str]]:
    ids = [f"p/{index}" for index in range(25)]
    folders = [
        write_samples(
            folder / name,
            {id_: responses(5 * n + m, 6) for n, id_ in enumerate(ids) if (n + m) % 7},
            name,
        )
        for m, name in enumerate(("a", "b"))
    ]
    plain = Path(folders[0]) / "samples-00000-of-00001.jsonl"
    with gzip.open(f"{plain}.gz", "wb") as file:
        file.write(codecs.BOM_UTF8 + plain.read_bytes())
    plain.unlink()
    return write_problems(folder / "problems.jsonl", dict.fromkeys(ids, "#### 18")), folders


@pytest.mark.parametrize(
    "changed", [{}, {"dedup": "unordered", "count_human": True}, {"answers": "program"}]
)
def test_the_pipeline_writes_what_collect_writes(
    tmp_path: Path, changed: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beam, "PROBLEMS_PER_CHUNK", 10)  # three parts
    problems, samples = _input(tmp_path)
    settings = CollectSettings(workers=1, **changed)
    collect(problems, samples, str(tmp_path / "here"), settings)
    beam.collect_with_beam(problems, samples, str(tmp_path / "there"), settings, DIRECT)
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == sorted(FILES)
    with pytest.raises(UserError, match=r"holds stats\.json already"):
        beam.collect_with_beam(problems, samples, str(tmp_path / "there"), settings, DIRECT)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([sample_row("z", 0, "a")], r"samples-0\.jsonl:1: no problem has the id 'z'"),
        ([sample_row("p", 0, "a"), sample_row("p", 0, "b")], r"samples-0\.jsonl:2: sample 0 of"),
        ([{"id": "p", "sample": 0}], r"samples-0\.jsonl:1: no 'response'"),
        ([{"sample": 0}], r"samples-0\.jsonl:1: no 'id'"),
    ],
)
def test_mistakes_in_the_samples_fail_the_pipeline_with_their_place(
    tmp_path: Path, rows: list[dict], message: str
) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    (tmp_path / "s").mkdir()
    write_lines(tmp_path / "s" / "samples-0.jsonl", rows)
    with pytest.raises(Exception, match=message):
        beam.collect_with_beam(
            problems, [str(tmp_path / "s")], str(tmp_path / "out"), CollectSettings(), DIRECT
        )
    assert not (tmp_path / "out" / "stats.json").exists()


def test_two_folders_with_the_same_model_name_fail(tmp_path: Path) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    folders = [write_samples(tmp_path / name, {"p": ["a"]}, "m") for name in ("one", "two")]
    with pytest.raises(Exception, match="has samples of model 'm', as"):
        beam.collect_with_beam(problems, folders, str(tmp_path / "out"), CollectSettings(), DIRECT)


def test_gzip_cut_short_fails(tmp_path: Path) -> None:
    problems, samples = _input(tmp_path)
    path = Path(samples[0]) / "samples-00000-of-00001.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(Exception, match="the gzip stream is damaged"):
        beam.collect_with_beam(problems, samples, str(tmp_path / "out"), CollectSettings(), DIRECT)


@pytest.mark.parametrize(
    "options",
    [
        [],
        pytest.param(
            ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_it_runs_as_a_program_with_gin_settings(tmp_path: Path, options: list[str]) -> None:
    problems, samples = _input(tmp_path)
    collect(problems, samples, str(tmp_path / "here"), CollectSettings(workers=1, dedup="none"))
    flags = [f"--samples={folder}" for folder in samples]
    command = [
        sys.executable, "-m", "rft_jax.rft.beam", f"--problems={problems}", *flags,
        f"--output={tmp_path / 'there'}", "--gin.collect.dedup=none", "--runner=DirectRunner",
        *options,
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
