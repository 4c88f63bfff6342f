"""A line between two hosts of a run: JSON objects, one a line; it ends when either end does."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

# A host whose network is gone is found out after so many seconds, four times over.
_SECONDS_BETWEEN_PROBES = 15

Message = dict[str, Any]


class Connection:
    """A line to another process; what it says is passed on by a thread."""

    def __init__(self, stream: socket.socket, hear: Callable[[Message | None], None]) -> None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SECONDS_BETWEEN_PROBES)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _SECONDS_BETWEEN_PROBES)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        self._stream, self._hear = stream, hear
        self._lock = threading.RLock()  # a signal may come while something is sent
        self._lines = stream.makefile("r", encoding="utf-8")

    def read(self) -> Message | None:
        """The next message; None once the other end is gone."""
        try:
            line = self._lines.readline()
            return json.loads(line) if line.endswith("\n") else None
        except (OSError, ValueError):
            return None

    def listen(self) -> None:
        """From now on every message goes to `hear`, and None at the end."""
        self._stream.settimeout(None)
        threading.Thread(target=self._pass_on, daemon=True).start()

    def _pass_on(self) -> None:
        while (message := self.read()) is not None:
            self._hear(message)
        self._hear(None)

    def send(self, **message: Any) -> None:
        """Sends; to one that is gone, nothing: whoever listens hears of it."""
        with self._lock, contextlib.suppress(OSError):
            self._stream.sendall(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        """Nothing more is sent; what was is still delivered."""
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_WR)
