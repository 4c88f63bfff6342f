"""Slow to import: Apache Beam."""

from __future__ import annotations

import codecs
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.files.parquet import write_parquet
from rft_jax.records.renamed import Renaming
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
    "changed",
    [{}, {"dedup": "unordered", "count_human": True}, {"dedup": ""}, {"answers": "program"}],
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


def test_where_the_samples_choose_the_level_workers_read_them_and_not_the_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18", "q": "#### 18"})
    texts = {name: ["So 18.\n#### 18", "It is 18.\n#### 18"] for name in ("p", "q")}
    samples = [write_samples(tmp_path / "s", texts)]
    settings = CollectSettings(workers=1, dedup="")

    class Started(Exception):
        pass

    def start(**_: object) -> None:
        raise Started

    with monkeypatch.context() as before_the_pipeline, pytest.raises(Started):
        before_the_pipeline.setattr(beam, "open_plain", None)
        before_the_pipeline.setattr("apache_beam.Pipeline", start)
        beam.collect_with_beam(problems, samples, str(tmp_path / "there"), settings, DIRECT)

    beam.collect_with_beam(problems, samples, str(tmp_path / "there"), settings, DIRECT)
    note = "no solution has <<…>>: distinct by text (collect.dedup = 'exact_text')\n"
    assert capsys.readouterr().out == note
    collect(problems, samples, str(tmp_path / "here"), settings)
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    assert len((tmp_path / "there" / "paths.jsonl").read_text().splitlines()) == 2 * (1 + 2)


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


def test_a_folder_that_lacks_a_shard_is_refused_before_the_pipeline_starts(tmp_path: Path) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    (tmp_path / "s").mkdir()
    write_lines(tmp_path / "s" / "samples-00001-of-00003.jsonl", [sample_row("p", 0, "#### 18")])
    message = r"s: 2 of 3 shards are missing, the first is samples-00000-of-00003; copy them too"
    with pytest.raises(UserError, match=message):
        beam.collect_with_beam(
            problems, [str(tmp_path / "s")], str(tmp_path / "out"), CollectSettings(), DIRECT
        )


def test_two_folders_with_the_same_model_name_fail_and_the_corrected_command_does_not(
    tmp_path: Path,
) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    folders = [write_samples(tmp_path / name, {"p": ["a"]}, "m") for name in ("one", "two")]
    out = tmp_path / "out"
    with pytest.raises(Exception, match="has samples of model 'm', as"):
        beam.collect_with_beam(problems, folders, str(out), CollectSettings(), DIRECT)
    assert not {path.name for path in out.iterdir()} & set(FILES)
    beam.collect_with_beam(problems, folders[1:], str(out), CollectSettings(), DIRECT)
    assert {path.name for path in out.iterdir()} == set(FILES)
    collect(problems, folders[1:], str(tmp_path / "here"), CollectSettings(workers=1))
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (out / name).read_bytes()


def test_samples_that_are_named_twice_are_refused(tmp_path: Path) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    folder = write_samples(tmp_path / "s", {"p": ["a"]})
    with pytest.raises(UserError, match=rf"{folder}/: named twice \(as {folder}\); name it once"):
        beam.collect_with_beam(
            problems, [folder, f"{folder}/"], str(tmp_path / "out"), CollectSettings(), DIRECT
        )


def test_samples_of_other_programs_are_read_as_collect_reads_them(tmp_path: Path) -> None:
    rows = [
        {"text": f"What is {i} + 1?", "target": f"<<{i}+1={i + 1}>>\n#### {i + 1}"} for i in (1, 2)
    ]
    problems = write_lines(tmp_path / "problems.jsonl", rows)
    folder = tmp_path / "vllm"
    folder.mkdir()
    for name, texts in (("output-0", ["#### 2", "<<1*2=2>>\n#### 2"]), ("output-1", ["#### 3"])):
        again = [{"text": rows[0]["text"], "outputs": texts}]
        write_lines(folder / f"{name}.jsonl", [*again, {"text": rows[1]["text"], "outputs": texts}])
    ours = write_samples(tmp_path / "ours", {"x": ["#### 2"]})
    (Path(ours) / "samples-00000-of-00001.jsonl").unlink()
    write_lines(Path(ours) / "samples-0.jsonl", [{"text": rows[0]["text"], "response": "#### 2"}])
    columns = {"question": "text", "answer": "target"}
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    renaming = Renaming(columns, renamed)
    settings = CollectSettings(workers=1)
    here = [str(renaming.copy(Path(one))) for one in (problems, str(folder), ours)]
    collect(here[0], here[1:], str(tmp_path / "here"), settings)
    mapped = ",".join(f"{ours}={theirs}" for ours, theirs in columns.items())
    beam.collect_with_beam(
        problems, [str(folder), ours], str(tmp_path / "there"), settings, DIRECT, columns=mapped
    )
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    kept = [json.loads(line) for line in (tmp_path / "there" / "ledger.jsonl").open()]
    assert [(row["model"], row["sample"]) for row in kept[:4]] == [
        *(("vllm", index) for index in range(3)), ("ours", 0),
    ]  # fmt: skip


def test_mistakes_in_samples_of_other_programs_are_all_named(tmp_path: Path) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    rows = [{"question": "What is p?", "outputs": ["#### 18"]}, {"question": "Who?", "outputs": []}]
    samples = write_lines(tmp_path / "vllm.jsonl", [*rows, {"question": "Which?", "response": "a"}])
    out = str(tmp_path / "out")
    with pytest.raises(UserError, match=r"vllm\.jsonl:3: no problem has the question 'Which\?'"):
        beam.collect_with_beam(problems, [samples], out, CollectSettings(), DIRECT)
    assert not Path(out).exists()


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


@pytest.mark.parametrize("kind", ["ours", "columns"])
def test_samples_of_no_problem_are_left_out_as_collect_does(tmp_path: Path, kind: str) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    rows = [sample_row(name, 0, "#### 18") for name in ("p", "other")]
    if kind == "columns":
        rows = [{"question": f"What is {name}?", "response": "#### 18"} for name in ("p", "other")]
    samples = write_lines(tmp_path / "s.jsonl", rows)
    settings = CollectSettings(unmatched="skip")
    collect(problems, [samples], str(tmp_path / "here"), settings)
    beam.collect_with_beam(problems, [samples], str(tmp_path / "there"), settings, DIRECT)
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


@pytest.mark.parametrize("dedup", ["", "equations"])
def test_samples_that_are_left_out_do_not_choose_the_level(tmp_path: Path, dedup: str) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    rows = [sample_row("p", n, f"{word}: 18.\n#### 18") for n, word in enumerate(("So", "Then"))]
    other = sample_row("other", 0, "<<9+9=18>>\n#### 18")
    samples = write_lines(tmp_path / "s.jsonl", [*rows, other])
    settings = CollectSettings(workers=1, dedup=dedup, unmatched="skip")
    collect(problems, [samples], str(tmp_path / "here"), settings)
    beam.collect_with_beam(problems, [samples], str(tmp_path / "there"), settings, DIRECT)
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    level = json.loads((tmp_path / "here" / "settings.json").read_text())["dedup"]
    assert level == (dedup or "exact_text")


@pytest.mark.parametrize("named", ["", "rft"])
@pytest.mark.parametrize("beside", [True, False])
def test_our_rows_in_parquet_are_read_as_collect_reads_them(
    tmp_path: Path, named: str, beside: bool
) -> None:
    pytest.importorskip("pyarrow")
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    samples = tmp_path / "s"
    samples.mkdir()
    write_parquet(samples / "samples-1.parquet", [sample_row("p", 1, "#### 18")])
    if beside:
        write_lines(samples / "samples-0.jsonl", [sample_row("p", 0, "So 18.\n#### 18")])
    settings = CollectSettings(workers=1)
    given = [str(samples if beside else samples / "samples-1.parquet")]
    collect(problems, given, str(tmp_path / "here"), settings, samples_format=named)
    beam.collect_with_beam(
        problems, given, str(tmp_path / "there"), settings, DIRECT, samples_format=named
    )
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    assert len((tmp_path / "here" / "ledger.jsonl").read_text().splitlines()) == 1 + beside


def test_a_mistake_ends_the_program_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 18"})
    words = [f"--problems={problems}", f"--output={tmp_path / 'out'}", "--runner=DirectRunner"]
    missing = str(tmp_path / "missing.jsonl")
    command = [sys.executable, "-m", "rft_jax.rft.beam", *words, f"--samples={missing}"]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert f"\nrft: {missing}: no such file; name what" in f"\n{ended.stderr}"
    samples = write_lines(tmp_path / "s.jsonl", [sample_row("z", 0, "a")])
    where = f"{samples}:1: no problem has the id 'z'; name the problems that were sampled"
    assert beam.run_program([*words, f"--samples={samples}"]) == 2
    assert capsys.readouterr().err.endswith(f"rft: {where}, or remove the line\n")


def test_a_mistake_that_a_runner_passes_on_as_a_text_ends_the_program_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError(f"Traceback:\n  File\n{text}\n\n")

    monkeypatch.setattr(beam, "main", fail)
    text = "rft_jax.errors.UserError: s.jsonl:1: no 'id' [while running 'read-ptransform-45']"
    assert beam.run_program([]) == 2
    assert capsys.readouterr().err == "rft: s.jsonl:1: no 'id'\n"
    text = "ValueError: 5"
    with pytest.raises(RuntimeError, match="ValueError: 5"):
        beam.run_program([])
