"""Models by their name on the Hub, from a small server on this machine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rft_jax.checkpoints.hub import is_hub_name
from rft_jax.checkpoints.names import EMBEDDED, MODELS

COMMIT = "a" * 40


class _Hub(BaseHTTPRequestHandler):
    """As much of the Hub's protocol as a download of a public model needs."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Silent."""

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        name = path.rpartition("/")[2]
        self.asked.append(path)
        if not path.startswith(("/api/models/own/er", "/own/er/resolve/")):
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif "/tree/" in path:
            rows = [
                {"type": "file", "path": name, "size": len(data), "oid": _digest(data)[:40]}
                for name, data in self.files.items()
            ]
            self._send(200, json.dumps(rows).encode(), {"Content-Type": "application/json"})
        elif path.startswith("/api/"):
            siblings = [{"rfilename": name} for name in self.files]
            about = {"id": "own/er", "sha": COMMIT, "siblings": siblings}
            self._send(200, json.dumps(about).encode(), {"Content-Type": "application/json"})
        else:
            data = self.files[name]
            self._send(200, data, {"ETag": f'"{_digest(data)}"', "X-Repo-Commit": COMMIT})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Hub]]:
    """The server, with the embedded model and files that must not be downloaded."""
    files = {path.name: path.read_bytes() for path in MODELS[EMBEDDED].iterdir()}
    _Hub.files = files | {"modeling.py": b"raise SystemExit", "pytorch_model.bin": b"pickle"}
    _Hub.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    yield _Hub
    server.shutdown()


def _folder(name: str) -> subprocess.CompletedProcess[str]:
    """What `model_folder` gives in a process of its own: the library reads its settings once."""
    code = f"from rft_jax.checkpoints.names import model_folder; print(model_folder({name!r}))"
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_model_is_downloaded_once_without_code_and_pickles(hub: type[_Hub]) -> None:
    first = _folder("own/er")
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    expected = {path.name: path.read_bytes() for path in MODELS[EMBEDDED].iterdir()}
    wanted = {name for name in expected if name.endswith((".json", ".safetensors", ".model"))}
    assert {path.name for path in folder.iterdir()} == wanted
    assert all((folder / name).read_bytes() == expected[name] for name in wanted)
    hub.asked.clear()
    assert _folder("own/er").stdout == first.stdout
    assert not [path for path in hub.asked if "/resolve/" in path]


@pytest.mark.usefixtures("hub")
def test_an_unknown_model_is_refused_with_what_to_do() -> None:
    error = _folder("other/model").stderr.splitlines()[-1]
    assert "other/model: no such folder" in error
    assert "hf download other/model --local-dir FOLDER" in error


def test_paths_are_not_hub_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert is_hub_name("Qwen/Qwen2.5-Math-1.5B")
    assert is_hub_name("Qwen/Qwen2.5-Math-1.5B@refs/pr/3")
    paths = ("runs/sft", "./Qwen/x", "/models/7b", "model", "a/b/c", "../a/b", "gs://a/b", "~/m")
    assert not [path for path in paths if is_hub_name(path)]
