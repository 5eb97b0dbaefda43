"""A front with its connections in a thread of the test, and clients that misbehave."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from wsgiref.types import WSGIApplication

from uvicorn import Config, Server

from refnot_fhir.settings import Settings
from refnot_fhir.web.server.connection import Connection
from refnot_fhir.web.server.front import Front

PATIENCE = 20.0


@dataclass
class Served:
    """A front that listens on loopback."""

    port: int
    front: Front

    def connect(self) -> socket.socket:
        """A connection, closed by the test or with it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def ask(self, path: str = "/", method: str = "GET", body: bytes = b"", more: str = "") -> Reply:
        """The answer to one whole request."""
        with self.connect() as connection:
            connection.sendall(head(path, method, len(body), more) + body)
            return reply(connection)

    def begin(self, length: int = 100, sent: bytes = b"x") -> socket.socket:
        """A connection with a request whose body has begun and does not end."""
        connection = self.connect()
        connection.sendall(head("/", "POST", length) + sent)
        return connection


@dataclass
class Reply:
    """What came back until the connection was closed or the answer was whole."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool


def head(path: str = "/", method: str = "GET", length: int = 0, more: str = "") -> bytes:
    """The head of a request."""
    stated = f"Content-Length: {length}\r\n" if length else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{stated}{more}\r\n".encode()


def reply(connection: socket.socket) -> Reply:
    """Read one answer."""
    text = b""
    while b"\r\n\r\n" not in text and (part := connection.recv(1 << 16)):
        text += part
    top, _, body = text.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    headers = {name.lower(): value for name, _, value in pairs}
    status = int(first.split(" ")[1]) if first else 0
    while not (done := _whole(headers, body)) and (part := connection.recv(1 << 16)):
        body += part
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Reply(status, headers, body, done)


def _whole(headers: dict[str, str], body: bytes) -> bool:
    if headers.get("transfer-encoding") == "chunked":
        return body.endswith(b"0\r\n\r\n")
    return len(body) == int(headers.get("content-length", -1))


def _unchunked(text: bytes) -> bytes:
    found = b""
    while text:
        size, _, text = text.partition(b"\r\n")
        length = int(size, 16)
        found, text = found + text[:length], text[length + 2 :]
        if not length:
            break
    return found


def waited(holds: Callable[[], bool]) -> bool:
    """Whether something becomes true before patience ends."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


@contextmanager
def serving(app: WSGIApplication, **settings: int) -> Iterator[Served]:
    """The application behind a front with these settings."""
    numbers = count(1)
    front = Front(app, Settings(**settings), lambda: f"incident-{next(numbers)}")  # type: ignore[arg-type]
    config = Config(
        front, http=Connection, ws="none", lifespan="off", interface="asgi3", log_config=None,
        proxy_headers=False, server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    assert waited(lambda: server.started)
    try:
        yield Served(listening.getsockname()[1], front)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()
