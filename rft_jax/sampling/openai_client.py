"""A client of OpenAI-compatible servers (vLLM, SGLang, llama.cpp): one response per request."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rft_jax.errors import UserError

API_KEY = "OPENAI_API_KEY"
_ATTEMPTS = 6
_FIRST_PAUSE = 1.0  # seconds; doubled from one attempt to the next
_CONNECT_SECONDS = 30.0
_ANSWER_SECONDS = 600.0  # without a byte of the answer
_MOST_BYTES = 32 << 20
# A server that is starting, restarting or overloaded; other errors are the request's.
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_ADDRESS = "http://HOST:PORT or https://HOST is needed, without user, query or fragment"


class Refused(UserError):
    """The server refuses a request, whatever the state that it is in."""


@dataclass(frozen=True)
class Completion:
    """One response.

    Attributes:
      text: the response.
      stopped: whether it ended by itself or at a stop string, not at the length limit.
      tokens: how many were generated, as the server says; 0 if it does not.
    """

    text: str
    stopped: bool
    tokens: int


class Client:
    """Connections to a server, one per thread.

    Args:
      url: the server's, with or without `/v1`.
      pause: seconds before the second attempt of a request that failed.

    Raises:
      UserError: the URL is not one of HTTP, or the key in $OPENAI_API_KEY is not one.
    """

    def __init__(self, url: str, pause: float = _FIRST_PAUSE) -> None:
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError as error:
            raise UserError(f"--server {url}: {error}; {_ADDRESS}") from error
        is_more = parts.username is not None or parts.query or parts.fragment
        if parts.scheme not in ("http", "https") or not parts.hostname or is_more:
            raise UserError(f"--server {url}: {_ADDRESS}")
        self._url, self._host = url, parts.hostname
        self._is_secure = parts.scheme == "https"
        self._path = f"{parts.path.rstrip('/').removesuffix('/v1')}/v1"
        self._pause = pause
        self._headers = _headers()
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._closed = threading.Event()

    def complete(self, prompt: str, is_chat: bool, options: dict[str, Any]) -> Completion:
        """The response to a prompt.

        Args:
          prompt: a question for the server's chat template, or a whole prompt.
          is_chat: whether it is a question.
          options: further fields of the request, such as `model` and `temperature`.

        Raises:
          Refused: the server refuses the request, such as one of a prompt that is too long.
          UserError: it says something else than a response, or does not answer in several attempts.
          CancelledError: the client was closed.
        """
        if is_chat:
            body = {"messages": [{"role": "user", "content": prompt}], **options}
            return self._parsed(self._post("/chat/completions", body), is_chat)
        return self._parsed(self._post("/completions", {"prompt": prompt, **options}), is_chat)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt and self._closed.wait(self._pause * 2 ** (attempt - 1)):
                raise CancelledError
            try:
                status, content = self._attempt(path, json.dumps(body).encode())
            except (OSError, http.client.HTTPException) as error:
                self._disconnect()
                reason = f"{type(error).__name__}: {error}"
                continue
            if status == http.HTTPStatus.OK:
                return self._decoded(content)
            reason = f"status {status}: {_excerpt(content)}"
            if status not in _TRANSIENT:
                raise Refused(f"{self._url}{path}: {reason}")
        raise UserError(
            f"{self._url}: no answer in {_ATTEMPTS} attempts ({reason}); start the server, or "
            "correct --server; samples so far are saved"
        )

    def _attempt(self, path: str, body: bytes) -> tuple[int, bytes]:
        connection = self._connection()
        connection.request("POST", self._path + path, body, self._headers)
        response = connection.getresponse()
        content = response.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            self._disconnect()
            raise UserError(f"{self._url}: a response of more than {_MOST_BYTES >> 20} MiB")
        return response.status, content

    def _connection(self) -> http.client.HTTPConnection:
        """This thread's connection."""
        if not hasattr(self._local, "connection"):
            kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
            self._local.connection = kind(self._host, self._port, timeout=_CONNECT_SECONDS)
            self._connections.append(self._local.connection)
        connection = self._local.connection
        if connection.sock is None:
            _connect(connection)
        if self._closed.is_set():  # after connecting: `close` ends what is connected by then
            raise CancelledError
        return connection

    def _disconnect(self) -> None:
        if hasattr(self._local, "connection"):
            self._local.connection.close()

    def close(self) -> None:
        """Ends the requests of all threads, those too that wait for an answer."""
        self._closed.set()
        for connection in list(self._connections):
            if (connected := connection.sock) is not None:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def _decoded(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self._url}: not JSON: {_excerpt(content)}") from error

    def _parsed(self, answer: Any, is_chat: bool) -> Completion:
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] if is_chat else choice["text"]
            finish = choice["finish_reason"]
            tokens = (answer.get("usage") or {}).get("completion_tokens") or 0
        except (LookupError, TypeError, AttributeError) as error:
            excerpt = _excerpt(json.dumps(answer).encode())
            raise UserError(f"{self._url}: not a completion: {excerpt}") from error
        # A model that says nothing has null as its content.
        if not isinstance(text, str | None) or not isinstance(tokens, int):
            raise UserError(f"{self._url}: its response is {text!r:.100}, a text is needed")
        return Completion(text or "", finish == "stop", tokens)


def _connect(connection: http.client.HTTPConnection) -> None:
    connection.connect()
    connection.sock.settimeout(_ANSWER_SECONDS)


def _headers() -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    key = os.environ.get(API_KEY, "")
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"${API_KEY}: has a line break or another character that no key has")
    return headers | ({"Authorization": f"Bearer {key}"} if key else {})


def _excerpt(content: bytes) -> str:
    return " ".join(content[:300].decode("utf-8", "replace").split())
