"""Samples of a server: the same files, resuming and budgets; a server that fails or lies."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from rft_jax import cli
from rft_jax.errors import Preempted, UserError
from rft_jax.files.jsonl import read_json, read_rows, write_rows
from rft_jax.prompts import QUESTION, Template
from rft_jax.records import Problem
from rft_jax.rft.budgets import Uniform
from rft_jax.sampling import served
from rft_jax.sampling.openai_client import Client
from rft_jax.sampling.requests import Request
from rft_jax.sampling.served import ServerSampler, sample_from_server
from rft_jax.sampling.settings import SampleSettings

SETTINGS = SampleSettings(num_samples=3, temperature=0.5, max_new_tokens=9, slots=4)


class _Handler(BaseHTTPRequestHandler):
    """Answers by the prompt and the seed; `failures` are statuses that come first."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, dict[str, Any], str | None]]]
    failures: ClassVar[list[int]]
    body: ClassVar[bytes | None]
    stalled: ClassVar[threading.Event | None]

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, content, self.headers["Authorization"]))
        if self.stalled is not None:
            self.stalled.wait(30)
        if self.failures:
            self._send(self.failures.pop(0), b'{"error": "not now"}')
            return
        text = f"{content['seed']}\n#### 2"
        is_chat = self.path.endswith("/chat/completions")
        choice: dict[str, Any] = {"finish_reason": "stop" if content["seed"] % 2 else "length"}
        choice |= {"message": {"content": text}} if is_chat else {"text": text}
        answer = {"choices": [choice], "usage": {"completion_tokens": 5}}
        self._send(200, json.dumps(answer).encode() if self.body is None else self.body)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@pytest.fixture
def handler() -> type[_Handler]:
    class Own(_Handler):
        asked, failures, body, stalled = [], [], None, None

    return Own


@pytest.fixture
def url(handler: type[_Handler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def problems(tmp_path: Path) -> str:
    rows = [{"id": f"p{i}", "question": f"{i} + 1?", "answer": "#### 2"} for i in range(5)]
    write_rows(tmp_path / "problems.jsonl", rows)
    return str(tmp_path / "problems.jsonl")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "Client", lambda url: Client(url, pause=0.001))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def _sample(url: str, problems: str, output: Path, **more: Any) -> list[dict[str, Any]]:
    settings = more.pop("settings", SETTINGS)
    sample_from_server(url, "org/m", problems, str(output), None, settings, **more)
    return [row for _, row in read_rows(output / "samples-00000-of-00001.jsonl")]


def test_samples_are_sorted_and_each_is_asked_for_with_a_seed_of_its_own(
    url: str, problems: str, handler: type[_Handler], tmp_path: Path
) -> None:
    rows = _sample(url, problems, tmp_path / "out")
    assert [(r["id"], r["sample"]) for r in rows] == [
        (f"p{i}", j) for i in range(5) for j in (0, 1, 2)
    ]
    assert {(r["model"], r["seed"]) for r in rows} == {("m", 0)}
    assert len({r["response"] for r in rows}) == len(handler.asked) == 15
    for row in rows:
        is_odd = int(row["response"].split()[0]) % 2
        assert row["finish_reason"] == ("stop" if is_odd else "length")
    path, asked, _ = handler.asked[0]
    assert path == "/v1/chat/completions"
    assert asked["messages"][0]["content"].endswith("+ 1?")
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("org/m", 0.5, 9)
    record = read_json(tmp_path / "out" / "run.json")["server"]
    assert record["url"] == url and "no log-probabilities" in record["not_guaranteed"]


def test_a_template_makes_the_prompts_here(
    url: str, problems: str, handler: type[_Handler], tmp_path: Path
) -> None:
    settings = SampleSettings(num_samples=1, template="plain+program", stop=("\n\n",), top_k=7)
    rows = _sample(f"{url}/v1/", problems, tmp_path / "out", settings=settings)
    path, asked, _ = handler.asked[0]
    assert path == "/v1/completions"
    assert asked["prompt"].endswith("+ 1? Let's write a program.\n")
    assert (asked["stop"], asked["top_k"]) == (["\n\n"], 7)
    assert {row["form"] for row in rows} == {"program"}


def test_an_interrupted_run_asks_only_for_what_it_lacks(
    url: str,
    problems: str,
    handler: type[_Handler],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = _sample(url, problems, tmp_path / "whole")
    before = len(handler.asked)

    @contextmanager
    def stopped_in_the_third_problem() -> Iterator[Callable[[], bool]]:
        yield lambda: len(handler.asked) - before > 7

    with monkeypatch.context() as patch:
        patch.setattr(served, "sigterm_flag", stopped_in_the_third_problem)
        with pytest.raises(Preempted):
            _sample(url, problems, tmp_path / "out", settings=replace(SETTINGS, slots=1))
    segments = (tmp_path / "out" / "segments").rglob("*.jsonl")
    saved = [int(r["response"].split()[0]) for f in segments for _, r in read_rows(f)]
    assert len(saved) >= 6
    assert _sample(url, problems, tmp_path / "out") == whole
    seeds = [asked["seed"] for _, asked, _ in handler.asked[before:]]
    assert {seeds.count(seed) for seed in saved} == {1}


def test_a_budget_decides_how_many_samples_a_problem_gets(
    url: str, problems: str, handler: type[_Handler], tmp_path: Path
) -> None:
    settings = SampleSettings(num_samples=6, slots=3)
    rows = _sample(
        *(url, problems, tmp_path / "out"),
        settings=settings,
        make_budget=lambda found, *_: Uniform(found, 1, 2, 6),
    )
    # Every answer is correct: after a round of two the first sample is enough.
    assert [(row["id"], row["sample"]) for row in rows] == [(f"p{i}", 0) for i in range(5)]
    assert len(handler.asked) == 10


def test_a_busy_server_is_asked_again(
    url: str, problems: str, handler: type[_Handler], tmp_path: Path
) -> None:
    handler.failures[:] = [503, 429, 500]
    assert len(_sample(url, problems, tmp_path / "out")) == 15
    assert len(handler.asked) == 18


@pytest.mark.parametrize(
    ("failures", "body", "message"),
    [
        ([400], None, r"problem 'p\d', sample \d: .*/chat/completions: status 400: .*not now"),
        ([], b"<html>", r"not JSON: <html>"),
        ([], b'{"choices": []}', r"not a completion"),
        ([], b'{"choices": [{"message": {"content": 7}, "finish_reason": "stop"}]}', "a text is"),
        ([], b"[" * 100_000, "not JSON"),
    ],
)
def test_a_response_that_is_none_is_one_error(
    url: str,
    problems: str,
    handler: type[_Handler],
    tmp_path: Path,
    failures: list[int],
    body: bytes | None,
    message: str,
) -> None:
    handler.failures[:], handler.body = failures, body
    with pytest.raises(UserError, match=message):
        _sample(url, problems, tmp_path / "out", settings=SampleSettings(num_samples=1, slots=1))


def test_no_server_is_one_error_after_some_attempts(problems: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no answer in 6 attempts .*ConnectionRefusedError"):
        _sample("http://127.0.0.1:9", problems, tmp_path / "out")


@pytest.mark.parametrize(
    "bad",
    [
        *("localhost:8000", "ftp://host", "http://", "http://host:99999", "http://host:x"),
        *("http://[::1", "http://user:secret@host", "http://host/v1?version=2"),
    ],
)
def test_an_address_that_is_none_is_refused(bad: str, problems: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="http://HOST:PORT"):
        _sample(bad, problems, tmp_path / "out")


def test_a_key_that_no_header_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("a\nX: y", "\u00e9"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(UserError, match=r"\$OPENAI_API_KEY: has a line break or another"):
            Client("http://host")


def test_a_stop_waits_for_no_answer(url: str, handler: type[_Handler]) -> None:
    """Otherwise the process would live on for minutes, until its requests time out."""
    handler.stalled = threading.Event()
    before = set(threading.enumerate())
    problem, settings = Problem("p", "1 + 1?", "#### 2"), replace(SETTINGS, num_samples=2)
    template = Template("plain", QUESTION)
    server = ServerSampler(Client(url), "m", settings, template, [problem])
    running = server.run([Request(0, (), np.zeros(2), 2)], lambda _wait: [])
    assert next(running) == []
    requests = [t for t in threading.enumerate() if t not in before and "Pool" in t.name]
    running.close()
    for thread in requests:
        thread.join(10)
    assert len(requests) == 2 and not any(thread.is_alive() for thread in requests)
    handler.stalled.set()


def test_settings_of_our_own_sampler_are_refused(url: str, problems: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sample.dtype has no effect with --server"):
        _sample(url, problems, tmp_path / "out", settings=SampleSettings(dtype="bfloat16"))


def test_the_command_sends_a_key_and_its_samples_are_collected(
    url: str,
    problems: str,
    handler: type[_Handler],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    out, collected = str(tmp_path / "out"), str(tmp_path / "collected")
    words = ["sample", "--server", url, "--model", "org/m", "--problems", problems]
    assert cli.main([*words, "--output", out, "--gin.sample.num_samples=2"]) == 0
    assert {key for _, _, key in handler.asked} == {"Bearer not-a-real-key"}
    words = ["collect", "--problems", problems, "--samples", out, "--output", collected]
    assert cli.main([*words, "--gin.collect.workers=1", "--gin.collect.dedup=exact_text"]) == 0
    assert read_json(Path(collected) / "stats.json")["samples"] == 10
