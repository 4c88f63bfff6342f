"""`rft report --serve`: the page on localhost, written again as its runs progress."""

from __future__ import annotations

import errno
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

from rft_jax.errors import Preempted, UserError
from rft_jax.files.names import COSTS_FILE, METRICS_FILE, RESULTS_FILE, STEPS_FILE
from rft_jax.files.outputs import COMPLETE, RUN
from rft_jax.report.html import live
from rft_jax.report.runs import read_run

HOST = "127.0.0.1"
_HOSTS = (HOST, "localhost")  # other names in a request: another site's page asks
_POLL_SECONDS = 2.0
_REST = 4  # times as long as making the page took, until it is written again

Signature = tuple[tuple[str, int], ...]


class Page:
    """The page as it is served: replaced as a whole, so that nobody sees half of one."""

    def __init__(self) -> None:
        self.content = b""
        self.version = ""

    def replace(self, text: str) -> None:
        """Serves another page from now on."""
        version = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        self.content, self.version = live(text, version).encode("utf-8", "replace"), version


class Handler(BaseHTTPRequestHandler):
    """Answers `/` with the page and `/version` with its digest."""

    page: Page

    def do_GET(self) -> None:
        """Sends what is asked for, or 404; 403 for the host of another site."""
        if self.headers.get("Host", "").rpartition(":")[0] not in _HOSTS:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path in ("/", "/index.html"):
            self.send(self.page.content, "text/html")
        elif self.path == "/version":
            self.send(self.page.version.encode(), "text/plain")
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def send(self, content: bytes, kind: str) -> None:
        """Answers with a content of a type such as `text/html`."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Says nothing: a page asks every two seconds."""


def serve(inputs: Sequence[str], make: Callable[[], Path], port: int) -> None:
    """Makes the page and serves it on localhost until Ctrl-C or SIGTERM.

    The page is written again when a stage has finished or written more metrics. While files that it
    reads are being replaced, the earlier page stays.

    Args:
      inputs: the folders that are reported.
      make: writes the report and returns its `index.html`.
      port: to listen on; 0 for any that is free.

    Raises:
      UserError: the port cannot be used, or the folders cannot be reported at the start.
    """
    page = Page()
    try:
        with _listening(page, port) as server:
            seen, seconds = signature(inputs), _make(make, page)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(f"serving http://{HOST}:{server.server_address[1]}/ until Ctrl-C", flush=True)
            _keep_live(inputs, make, page, seen, seconds)
    except (Preempted, KeyboardInterrupt):
        print("stopped", flush=True)


def _keep_live(
    inputs: Sequence[str],
    make: Callable[[], Path],
    page: Page,
    seen: Signature,
    seconds: float,
) -> NoReturn:
    failed = ""
    while True:
        time.sleep(max(_POLL_SECONDS, _REST * seconds))
        try:
            if (now := signature(inputs)) != seen:
                seconds = _make(make, page)
                seen, failed = now, ""
        except (UserError, OSError) as error:
            if str(error) != failed:
                failed = str(error)
                print(f"the earlier page stays: {failed}", flush=True)


def _make(make: Callable[[], Path], page: Page) -> float:
    """Puts a new page in place and returns the seconds that it took."""
    begin = time.monotonic()
    page.replace(make().read_text(encoding="utf-8"))
    return time.monotonic() - begin


def signature(inputs: Sequence[str]) -> Signature:
    """What changes when a page has to be written again: files' times of change.

    They are the results and plans of runs, and of stages the markers of the finished ones and the
    metrics of trainings.
    """
    watched = {path for one in inputs for path in _watched(one)}
    return tuple((str(path), path.stat().st_mtime_ns) for path in sorted(watched) if path.exists())


def _watched(path: str) -> Iterator[Path]:
    for name in (RUN, RESULTS_FILE, COSTS_FILE, COMPLETE):
        yield Path(path) / name
    for stage in read_run(path).stages:
        for name in (COMPLETE, METRICS_FILE, STEPS_FILE):
            yield stage.folder / name


@contextmanager
def _listening(page: Page, port: int) -> Iterator[ThreadingHTTPServer]:
    """A server of the page that has its port for the length of the block."""
    handler = type("Handler", (Handler,), {"page": page})
    try:
        server = ThreadingHTTPServer((HOST, port), handler)
    except OverflowError as error:
        raise UserError(f"--port {port}: a port is a number from 0 to 65535") from error
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UserError(
            f"--port {port}: {(error.strerror or '').lower()}; name another --port, or 0 for any"
        ) from error
    with server:
        yield server
