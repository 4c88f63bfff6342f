from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rft_jax.errors import UserError
from rft_jax.report.collected import read_collected
from rft_jax.report.conditions import BOTH, NOTES, QUESTIONS, TRAININGS
from rft_jax.report.paths import suspicious_problems
from rft_jax.report.report import ReportSettings, markdown, read_runs, report
from rft_jax.report.runs import read_run

MakeRun = Callable[..., Path]
VOID = {"meta", "link", "input", "br", "img"}


class _Page(HTMLParser):
    """Elements by name with their attributes, and the tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.wrong += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def _report(inputs: list[Path], output: Path, **settings: object) -> str:
    report([str(path) for path in inputs], str(output), ReportSettings(**settings))  # type: ignore[arg-type]
    return (output / "index.html").read_text(encoding="utf-8")


def _data(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="samples-data">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def test_the_page_holds_every_section_of_a_run(make_run: MakeRun, tmp_path: Path) -> None:
    page = _report([make_run()], tmp_path / "out")
    ids = {attrs.get("id") for tag, attrs in _Page(page).elements if tag == "section"}
    expected = {"experiment", "results", "models", "sampling", "examples", "samples", "costs"}
    assert ids == {*expected, "side-by-side", "settings"}
    titles = ("Accuracy by number of steps", "Training loss", "Verdicts", "Kept paths per problem")
    for title in (*titles, "Majority votes against k", "Suspicious references"):
        assert title in page
    assert page.count("<svg") == 11
    assert "rft-0 train (train, 12 s)" in page


def test_the_title_names_the_run_the_day_and_how_far_it_is(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run("mine")
    title = r"<title>Rejection-sampling fine-tuning · mine · \d{4}-\d\d-\d\d%s</title>"
    assert re.search(title % "", _report([run], tmp_path / "out"))
    (run / "stages/rft-0-evaluate/COMPLETE").unlink()
    assert re.search(title % " · 11 of 12 stages", _report([run], tmp_path / "out"))


def test_a_reference_that_samples_agree_against_is_shown(make_run: MakeRun, tmp_path: Path) -> None:
    page = _report([make_run()], tmp_path / "out")
    link = '<a href="#samples=train/3">train/3</a>'
    reference = '<td data-title="Reference">4321</td>'
    row = re.search(rf"<td>{link}</td>{reference}<td[^>]*>(\d+) <small>(\d) of 8</small>", page)
    assert row and row[1] != "4321" and int(row[2]) >= 4


def test_the_page_says_in_words_what_was_found(make_run: MakeRun, tmp_path: Path) -> None:
    page = _report([make_run(seeds=(0, 1))], tmp_path / "out")
    lead = re.search(r'<p class="lead">(.*?)</p>', page)
    assert lead
    assert re.search(
        r"Of the 200 problems of plums:test, RFT solves \d+\.\d % and SFT \d+\.\d % on average "
        r"over 2 trainings of each: \d+\.\d percentage points higher \(95 % interval over "
        r"trainings and questions [+\-]\d",
        lead[1],
    )
    assert "has seen none of these problems" in page


def test_the_page_is_well_formed_and_asks_for_nothing(make_run: MakeRun, tmp_path: Path) -> None:
    page = _report([make_run()], tmp_path / "out")
    parsed = _Page(page)
    assert parsed.wrong == []
    for tag, attrs in parsed.elements:
        assert tag not in ("img", "iframe", "object", "base"), tag
        assert not any(name.startswith("on") for name in attrs), attrs
        for name in ("src", "href"):
            assert (attrs.get(name) or "#").startswith(("#", "data:,")), attrs
    assert "url(" not in page and "@import" not in page
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_what_a_model_wrote_stays_text(make_run: MakeRun, tmp_path: Path) -> None:
    page = _report([make_run()], tmp_path / "out")
    assert "alert(" in page
    assert "<img" not in page
    scripts = [attrs for tag, attrs in _Page(page).elements if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "samples-data"}, {}]
    texts = ["".join(text for text, _ in row["pieces"]) for row in _data(page)["rows"]]
    assert any('<script>alert("x")</script>' in text for text in texts)


def test_the_browser_has_at_most_so_many_samples_of_a_verdict(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(seeds=(0, 1), k=16)
    data = _data(_report([run], tmp_path / "out", samples_per_verdict=7))
    suspicious = suspicious_problems(read_collected([read_run(str(run))]))
    counts: dict[str, int] = {}
    of_problem: dict[str, int] = {}
    for row in data["rows"]:
        if row["model"] not in ("sft-0", "sft-1"):
            assert row["problem"].startswith("test/")
        elif row["problem"] in suspicious:  # linked, so that they come in addition
            of_problem[row["problem"]] = of_problem.get(row["problem"], 0) + 1
        else:
            counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    assert max(counts.values()) <= 7
    assert set(of_problem) == suspicious and min(of_problem.values()) >= 8
    assert set(counts) | {"kept", "spare"} == set(data["verdicts"])
    for row in data["rows"]:
        question, reference = data["problems"][row["problem"]]
        assert question.endswith("How many are left?") and reference.isdigit()
        assert row["reason"]


def test_no_samples_are_shown_with_samples_per_verdict_0(make_run: MakeRun, tmp_path: Path) -> None:
    page = _report([make_run()], tmp_path / "out", samples_per_verdict=0)
    assert 'id="samples-data"' not in page
    assert "Kept and rejected" not in page


def test_a_run_without_its_samples_is_reported_all_the_same(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    for path in run.glob("stages/**/samples-00000-of-00001.jsonl"):
        path.unlink()
    page = _report([run], tmp_path / "out")
    assert "Verdicts" in page
    assert 'id="samples-data"' not in page


def test_a_run_that_has_just_started_is_reported_too(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    for path in filter(Path.is_file, run.glob("stages/*/**/*")):
        path.unlink()
    (run / "results.json").unlink()
    (run / "costs.json").unlink()
    parsed = _Page(_report([run], tmp_path / "out"))
    assert parsed.wrong == []
    assert (tmp_path / "out/table.md").read_text().startswith("The pretrained model has seen")
    assert not (tmp_path / "out/accuracy.svg").exists()


def test_single_stages_can_be_reported(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    stages = [run / "stages" / name for name in ("rft-0-evaluate", "rft-0-collect", "sft-0-train")]
    page = _report(stages, tmp_path / "out")
    ids = {attrs.get("id") for tag, attrs in _Page(page).elements if tag == "section"}
    assert {"results", "models", "sampling"} <= ids
    assert "rft-0-evaluate" in (tmp_path / "out/table.md").read_text()


def test_several_runs_stand_on_one_page(make_run: MakeRun, tmp_path: Path) -> None:
    page = _report([make_run("one"), make_run("two")], tmp_path / "out")
    assert '<td data-title="Run">one</td>' in page and '<td data-title="Run">two</td>' in page
    assert page.count('<p class="lead">') == 2


def test_folders_with_one_name_have_their_parents_names_too(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    copy = shutil.copytree(run, tmp_path / "elsewhere" / run.name)
    page = _report([run, copy], tmp_path / "out")
    assert f"from {run.parent.name}/{run.name}, elsewhere/{run.name}." in page
    once = len(_data(_report([run], tmp_path / "once"))["rows"])
    assert len(_data(page)["rows"]) == 2 * once
    with pytest.raises(UserError, match="named twice"):
        _report([run, run], tmp_path / "twice")


def test_the_tables_are_markdown_and_the_plot_an_svg_file(
    make_run: MakeRun, tmp_path: Path
) -> None:
    _report([make_run(seeds=(0, 1))], tmp_path / "out")
    text = (tmp_path / "out/table.md").read_text()
    assert f"| Model | Accuracy, mean | {BOTH} | {TRAININGS} | {QUESTIONS} | Seed 0 |" in text
    assert NOTES["conditions"] in text and "3 comparisons of this page" in text
    assert "| RFT – SFT |" in text
    plot = ElementTree.parse(tmp_path / "out/accuracy.svg").getroot()
    assert plot.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(list(plot.iter("{http://www.w3.org/2000/svg}circle"))) == 10  # 5 arms, 2 seeds
    assert "--c0: #2563c9" in str(plot.findtext("{http://www.w3.org/2000/svg}style"))


def test_a_report_is_written_again_as_its_run_progresses(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    (run / "results.json").rename(run / "moved")
    early = _report([run], tmp_path / "out")
    assert 'id="results"' in early and "Paired comparisons" not in early
    (run / "moved").rename(run / "results.json")
    assert "Paired comparisons" in _report([run], tmp_path / "out")


def test_an_output_of_other_runs_is_not_overwritten(make_run: MakeRun, tmp_path: Path) -> None:
    page = _report([make_run("one")], tmp_path / "out")
    with pytest.raises(UserError, match="inputs"):
        _report([make_run("two")], tmp_path / "out")
    assert (tmp_path / "out/index.html").read_text() == page


def test_negative_numbers_of_samples_are_refused() -> None:
    with pytest.raises(UserError, match="samples_per_verdict"):
        ReportSettings(samples_per_verdict=-1)


def test_holms_p_values_of_several_runs_are_for_the_comparisons_of_all(make_run: MakeRun) -> None:
    runs = read_runs([str(make_run("a")), str(make_run("b", tests=100))])
    compared = [row for run in runs for row in run.comparisons]
    assert [row["holm_comparisons"] for row in compared] == [6] * 6
    assert all(row["p_holm"] >= row["p_value"] for row in compared)
    assert markdown(runs).count("for 6 comparisons") == 2
