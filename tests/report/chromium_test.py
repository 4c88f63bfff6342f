"""The page in a real browser: nothing on the console, narrow screens, working filters."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from html import unescape
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from rft_jax.report.report import ReportSettings, read_runs, render, report
from rft_jax.report.serve import Handler, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

# Opens the page in a frame as wide as a phone, uses it, and writes what it saw into the title.
HARNESS = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" src="%s" style="width:%dpx;height:900px;border:0"></iframe>
<script>
const frame = document.getElementById("page");
frame.addEventListener("load", () => {
  const page = frame.contentDocument;
  const samples = () => [...page.querySelectorAll("#samples-list .sample")];
  const set = (id, value) => {
    const field = page.getElementById("samples-" + id);
    field.value = value;
    field.dispatchEvent(new Event("input"));
  };
  const seen = { width: page.documentElement.scrollWidth, first: samples().length };
  for (const one of page.querySelectorAll("details")) one.open = true;
  const hides = (box) => box.scrollWidth > box.clientWidth + 1;
  seen.hidden = [...page.querySelectorAll(".scroll")].filter(hides).map((box) => box.innerText);
  page.getElementById("samples-more").click();
  seen.more = samples().length;
  set("verdict", "wrong_answer");
  seen.badges = [...new Set(samples().map((s) => s.querySelector(".badge").textContent))];
  set("verdict", "no_answer");
  seen.hostile = samples()[0].querySelector(".text:not(.question)").textContent;
  seen.images = page.querySelectorAll("#samples-list img, #samples-list script").length;
  set("verdict", "");
  set("model", "sft-1");
  set("problem", "train/7");
  const heads = samples().map((s) => s.querySelector(".soft").textContent.split(" · "));
  seen.models = [...new Set(heads.map((parts) => parts[1]))];
  seen.problems = [...new Set(heads.map((parts) => parts[2]))];
  set("verdict", "correct");
  page.querySelector("#side-by-side a").click();
  frame.contentWindow.dispatchEvent(new HashChangeEvent("hashchange"));
  seen.linked = [...new Set(samples().map((s) => s.querySelector("a").textContent))];
  seen.link = page.querySelector("#side-by-side a").textContent;
  seen.answers = samples().length;
  seen.charts = [...page.querySelectorAll("svg")].map((s) => s.getBoundingClientRect().height);
  document.title = JSON.stringify(seen);
});
</script>"""

WIDTH = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" src="%s" style="width:%dpx;height:900px;border:0"></iframe>
<script>
const frame = document.getElementById("page");
frame.addEventListener("load", () => {
  document.title = frame.contentDocument.documentElement.scrollWidth;
});
</script>"""


# Uses the served page in a frame, says that a newer one may come, and looks at the reloaded page.
LIVE = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" src="/" style="width:800px;height:600px;border:0"></iframe>
<script>
const frame = document.getElementById("page");
let loads = 0;
const look = () => {
  const page = frame.contentDocument;
  const field = page.getElementById("samples-model");
  return {
    top: Math.round(page.getElementById("sampling").getBoundingClientRect().top),
    open: page.querySelectorAll("details[open]").length,
    model: field.value,
    samples: page.querySelectorAll("#samples-list .sample").length,
    title: page.title,
  };
};
frame.addEventListener("load", () => {
  loads += 1;
  const page = frame.contentDocument;
  if (loads > 1) {
    document.title = JSON.stringify([window.before, look()]);
    return;
  }
  page.querySelector("details").open = true;
  const field = page.getElementById("samples-model");
  field.value = "sft-1";
  field.dispatchEvent(new Event("input"));
  page.getElementById("samples-more").click();
  const section = page.getElementById("sampling");
  frame.contentWindow.scrollBy(0, section.getBoundingClientRect().top + 40);
  window.before = look();
  fetch("/newer");
});
</script>"""


def _browse(page: Path | str, profile: Path, *flags: str) -> tuple[str, str]:
    """The page's elements after its scripts ran, and what the browser logged."""
    ended = subprocess.run(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--allow-file-access-from-files", "--enable-logging=stderr", "--dump-dom"),
            f"--user-data-dir={profile}",
            *flags,
            page if isinstance(page, str) else page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ended.stdout, ended.stderr


def test_the_page_works_in_a_browser_as_narrow_as_a_phone(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    report([str(make_run(seeds=(0, 1)))], str(tmp_path / "out"), ReportSettings())
    harness = tmp_path / "harness.html"
    harness.write_text(HARNESS % ((tmp_path / "out/index.html").as_uri(), 360))
    elements, log = _browse(harness, tmp_path / "profile")
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []
    title = re.search(r"<title>(.*?)</title>", elements)
    assert title
    seen = json.loads(unescape(title[1]))
    assert seen["width"] <= 360
    assert seen["hidden"] == []  # no table has columns outside of its box
    assert (seen["first"], seen["more"]) == (20, 40)
    assert seen["badges"] == ["wrong answer"]
    assert '<script>alert("x")</script>' in seen["hostile"]
    assert seen["images"] == 0
    assert seen["models"] == ["sft-1"]
    assert seen["problems"] == ["train/7"]
    # Of all models, whatever was picked before: five of two seeds each.
    assert seen["linked"] == [seen["link"]] and seen["answers"] == 10
    assert len(seen["charts"]) == 11 and min(seen["charts"]) > 40


@pytest.mark.parametrize("width", [1200, 390])
def test_long_answers_ids_and_model_names_do_not_widen_the_page(
    width: int, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run()
    sevens, name = "7" * 300, "m" * 300
    for path in [*run.glob("stages/*/*.jsonl"), *run.glob("*.json*"), *run.glob("stages/*/*.json")]:
        text = path.read_text(encoding="utf-8", errors="surrogatepass")
        text = text.replace("9999", sevens).replace("train/7", f"train/{sevens}")
        path.write_text(text.replace('sft-0"', f'{name}"'), "utf-8", "surrogatepass")
    report([str(run)], str(tmp_path / "out"), ReportSettings(title=name))
    harness = tmp_path / "harness.html"
    harness.write_text(WIDTH % ((tmp_path / "out/index.html").as_uri(), width))
    elements, _ = _browse(harness, tmp_path / "profile")
    assert sevens in (tmp_path / "out/index.html").read_text()
    shown = re.search(r"<title>(\d+)</title>", elements)
    assert shown and width - 20 <= int(shown[1]) <= width  # less a scroll bar


def test_a_served_page_reloads_itself_and_keeps_its_place(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = str(make_run(seeds=(0, 1)))
    file = report([run], str(tmp_path / "out"), ReportSettings())
    page = Page()
    page.replace(file.read_text())

    class WithHarness(Handler):
        def do_GET(self) -> None:
            if self.path == "/newer":
                settings = ReportSettings(title="A longer title " * 40)
                page.replace(render(read_runs([run]), settings))
            if self.path in ("/newer", "/harness"):
                self.send(LIVE.encode(), "text/html")
            else:
                super().do_GET()

    handler = type("Handler", (WithHarness,), {"page": page})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/harness"
        elements, log = _browse(address, tmp_path / "profile", "--virtual-time-budget=20000")
        server.shutdown()
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []
    title = re.search(r"<title>(.*?)</title>", elements)
    assert title
    before, after = json.loads(unescape(title[1]))
    assert before.pop("title") != after.pop("title")
    assert before == {"top": -40, "open": 1, "model": "sft-1", "samples": 40}
    assert after == before


def test_a_console_error_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text("<script>undefined_name()</script>")
    assert "CONSOLE" in _browse(page, tmp_path / "profile")[1]
