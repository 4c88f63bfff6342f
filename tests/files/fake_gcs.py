"""A fake Google Cloud Storage on this machine: buckets in memory, behind the JSON API.

It implements what gcsfs, google-cloud-storage (by STORAGE_EMULATOR_HOST) and TensorStore (by
TENSORSTORE_GCS_HTTP_URL) use.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Bucket:
    """One bucket.

    Attributes:
      objects: content by name.
      written: names in the order of their writes, each with the writer's user agent.
    """

    name: str
    objects: dict[str, bytes] = field(default_factory=dict)
    written: list[tuple[str, str]] = field(default_factory=list)
    generations: dict[str, int] = field(default_factory=dict)
    uploads: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, name: str, content: bytes, writer: str) -> None:
        with self.lock:
            self.objects[name] = content
            self.generations[name] = next(self.numbers)
            self.written.append((name, writer))

    def describe(self, name: str) -> dict[str, Any]:
        content, generation = self.objects[name], str(self.generations[name])
        return {
            "kind": "storage#object",
            "bucket": self.name,
            "name": name,
            "size": str(len(content)),
            "generation": generation,
            "metageneration": "1",
            "etag": generation,
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
            "timeCreated": "2026-01-01T00:00:00.000Z",
            "updated": f"2026-01-01T00:00:00.{int(generation) % 1000:03d}Z",
        }

    def listing(self, prefix: str, delimiter: str) -> dict[str, Any]:
        with self.lock:
            items, prefixes = [], set()
            for name in sorted(self.objects):
                rest = name.removeprefix(prefix)
                if not name.startswith(prefix):
                    continue
                if delimiter and delimiter in rest:
                    prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
                else:
                    items.append(self.describe(name))
            return {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        path, query = self._requested()
        if path == "":
            return self._json({"kind": "storage#bucket", "name": self.bucket.name})
        if path == "storageLayout":
            return self._json({"hierarchicalNamespace": {"enabled": False}})
        if path == "o":
            found = self.bucket.listing(query.get("prefix", ""), query.get("delimiter", ""))
            return self._json(found)
        name = unquote(path.removeprefix("o/"))
        with self.bucket.lock:
            if name not in self.bucket.objects:
                return self._json({"error": {"code": 404, "message": "none"}}, 404)
            if query.get("alt") != "media":
                return self._json(self.bucket.describe(name))
            content, generation = self.bucket.objects[name], self.bucket.generations[name]
        return self._content(content, generation)

    def do_POST(self) -> None:
        _, query = self._requested()
        if "upload_id" in query:
            return self.do_PUT()
        body = self._body()
        kind = query["uploadType"]
        if kind == "resumable":
            name = query.get("name") or json.loads(body)["name"]
            number = str(next(self.bucket.numbers))
            self.bucket.uploads[number] = (name, b"")
            where = f"http://{self.headers['Host']}{self.path}&upload_id={number}"
            return self._send(200, b"", {"Location": where})
        if kind == "multipart":
            described, content = _parts(self.headers["Content-Type"], body)
            return self._write(json.loads(described)["name"], content, query)
        return self._write(query["name"], body, query)

    def do_PUT(self) -> None:
        _, query = self._requested()
        name, before = self.bucket.uploads[query["upload_id"]]
        content = before + self._body()
        if self.headers.get("Content-Range", "").endswith("/*"):
            self.bucket.uploads[query["upload_id"]] = (name, content)
            return self._send(308, b"", {"Range": f"bytes=0-{len(content) - 1}"})
        return self._write(name, content, query)

    def do_DELETE(self) -> None:
        path, _ = self._requested()
        self._body()
        with self.bucket.lock:
            found = self.bucket.objects.pop(unquote(path.removeprefix("o/")), None)
        self._send(404 if found is None else 204, b"")

    def _requested(self) -> tuple[str, dict[str, str]]:
        """The quoted path in the bucket, and the query."""
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return parts.path.partition(f"/b/{self.bucket.name}")[2].strip("/"), query

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _write(self, name: str, content: bytes, query: dict[str, str]) -> None:
        with self.bucket.lock:
            now = str(self.bucket.generations[name] if name in self.bucket.objects else 0)
            if query.get("ifGenerationMatch", now) != now:
                return self._json({"error": {"code": 412, "message": "changed"}}, 412)
            self.bucket.put(name, content, self.headers.get("User-Agent", ""))
            return self._json(self.bucket.describe(name))

    def _content(self, content: bytes, generation: int) -> None:
        headers = {"x-goog-generation": str(generation), "ETag": str(generation)}
        requested = self.headers.get("Range")
        if not requested:
            return self._send(200, content, headers)
        first, _, last = requested.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(len(content) - int(last), 0)
        end = min(int(last) + 1, len(content)) if first and last else len(content)
        if begin >= len(content):
            return self._send(416, b"", headers)
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
        return self._send(206, content[begin:end], headers)

    def _json(self, value: Any, code: int = 200) -> None:
        self._send(code, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, code: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """Ignores clients that close the connection."""


def _parts(content_type: str, body: bytes) -> list[bytes]:
    """The contents of a multipart message's parts; lines may end in either way."""
    boundary = b"--" + content_type.partition("boundary=")[2].strip("'\" ").encode()
    end = b"\r\n" if body.startswith(boundary + b"\r\n") else b"\n"
    pieces = (end + body).split(end + boundary)[1:-1]
    return [piece.split(end + end, maxsplit=1)[1] for piece in pieces]


@contextmanager
def serve(name: str) -> Iterator[tuple[Bucket, dict[str, str]]]:
    """A bucket, and the environment variables that direct a process to it."""
    bucket = Bucket(name)
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield (
            bucket,
            {
                "STORAGE_EMULATOR_HOST": address,
                "TENSORSTORE_GCS_HTTP_URL": address,
                "GOOGLE_CLOUD_PROJECT": "none",
                "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # else it asks Google of buckets
            },
        )
    finally:
        server.shutdown()
        server.server_close()
