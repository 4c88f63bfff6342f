"""`rft report --serve`: what is served, when it is written again, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rft_jax.cli import main
from rft_jax.errors import Preempted, UserError
from rft_jax.report import serve as serving
from rft_jax.report.html import page
from rft_jax.report.serve import serve, signature

MakeRun = Callable[..., Path]
Steps = Iterator[Callable[[], None]]


class _Site:
    """A report whose text is set by hand, and what its server answers."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self.text, self.made = folder / "index.html", "first", 0
        self.said = ""
        self._capsys = capsys

    def make(self) -> Path:
        """Writes the page; refuses to where it is to fail."""
        self.made += 1
        if self.text == "broken":
            raise UserError("results.json: not JSON")
        self.file.write_text(page(self.text, "", [], ""), encoding="utf-8")
        return self.file

    def get(self, path: str = "/", host: str = "") -> str:
        """What the server sends."""
        self.said += self._capsys.readouterr().out
        address = re.findall(r"serving (\S+) until", self.said)[0]
        headers = {"Host": host} if host else {}
        request = urllib.request.Request(address.rstrip("/") + path, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> _Site:
    return _Site(tmp_path, capsys)


def _during(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], None]) -> None:
    """Each wait of the server is one of the steps; then SIGTERM arrives."""
    left = iter(steps)

    def sleep(_seconds: float) -> None:
        step = next(left, None)
        if step is None:
            raise Preempted("stopped by SIGTERM")
        step()

    monkeypatch.setattr(serving.time, "sleep", sleep)


def test_the_page_is_written_again_when_a_stage_finishes_and_at_no_other_time(
    make_run: MakeRun, site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    marker = run / "stages/rft-0-train/COMPLETE"
    marker.unlink()
    versions = []

    def look() -> None:
        versions.append((site.get("/version"), site.made))

    def finish() -> None:
        site.text = "second"
        assert "<title>first</title>" in site.get()
        marker.touch()

    def check() -> None:
        assert "<title>second</title>" in site.get()
        look()

    _during(monkeypatch, look, look, finish, check, look)
    serve([str(run)], site.make, 0)
    (first, made), same, (second, again), last = versions
    assert same == (first, made) == (first, 1)
    assert last == (second, again) and again == 2 and second != first
    assert f'data-version="{second}"' not in site.file.read_text()  # the file asks for nothing


def test_the_earlier_page_stays_while_a_new_one_cannot_be_made(
    make_run: MakeRun, site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()

    def half_written() -> None:
        site.text = "broken"
        (run / "results.json").write_text("{")

    def first_still() -> None:
        assert "<title>first</title>" in site.get()

    def whole() -> None:
        site.text = "second"
        (run / "results.json").write_text('{"rows": []}')

    def second() -> None:
        assert "<title>second</title>" in site.get()

    _during(monkeypatch, first_still, half_written, first_still, first_still, whole, second)
    serve([str(run)], site.make, 0)
    assert site.said.count("the earlier page stays") == 1


def test_only_the_page_is_served_and_only_to_this_machine(
    make_run: MakeRun, site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        assert "first" in site.get("/index.html") and "first" in site.get(host="localhost:9")
        for path, host, code in (
            ("/settings.json", "", 404),
            ("/../../etc/passwd", "", 404),
            ("/", "evil.example:80", 403),
            ("/version", "evil.example", 403),
        ):
            with pytest.raises(urllib.error.HTTPError) as error:
                site.get(path, host)
            assert error.value.code == code

    _during(monkeypatch, refused)
    serve([str(make_run())], site.make, 0)


def test_the_served_page_may_ask_its_own_server_and_no_other(
    make_run: MakeRun, site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> None:
        sent = site.get()
        assert "connect-src 'self'\"" in sent and "default-src 'none'" in sent
        assert f'data-version="{site.get("/version")}"' in sent
        assert sent.endswith("</script></body></html>\n")

    _during(monkeypatch, check)
    serve([str(make_run())], site.make, 0)


def test_what_changes_a_page_changes_the_signature(make_run: MakeRun) -> None:
    run = make_run()
    before = signature([str(run)])
    assert signature([str(run)]) == before
    for name in (
        "stages/sft-0-train/metrics.jsonl",
        "results.json",
        "stages/rho-0-evaluate/COMPLETE",
    ):
        os.utime(run / name, ns=(1, 1))
        assert signature([str(run)]) != before
        before = signature([str(run)])
    (run / "stages/sft-0-train/checkpoint").touch()
    assert signature([str(run)]) == before


def test_a_port_in_use_and_one_that_cannot_be_are_one_clear_error(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", str(make_run()), "--output", str(tmp_path / "out")]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main([*words, "--serve", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert (
        said == f"rft: --port {port}: address already in use; name another --port, or 0 for any\n"
    )
    assert main([*words, "--serve", "--port", "70000"]) == 2
    assert main([*words, "--port", "8000"]) == 2
    assert "--port is for --serve" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_control_c_ends_it_with_exit_code_0(make_run: MakeRun, tmp_path: Path) -> None:
    words = ["report", str(make_run()), "--output", str(tmp_path / "out"), "--serve", "--port", "0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "rft_jax.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    for line in server.stdout:
        if line.startswith("serving"):
            break
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, err) == (0, "")
    assert out.startswith("stopped\n")
    assert (tmp_path / "out/COMPLETE").exists()
