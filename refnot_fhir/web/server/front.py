"""What stands before the application: it takes whole bodies, and lets in as many as can be served.

An ASGI application for the event loop of the server, around the WSGI application. A body is read
here, within a time and a size, before a thread is taken; an answer is sent here, after it was given
back. So a client that sends or reads slowly costs a connection and no thread. What waits for a
thread is bounded: beyond that the answer is 503 at once. `/health/live` needs no thread.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

from refnot_fhir import __version__
from refnot_fhir.errors import Problem
from refnot_fhir.fhir import issues, wire
from refnot_fhir.settings import Settings
from refnot_fhir.web.errors import code_of
from refnot_fhir.web.server.pool import Pool

log = logging.getLogger(__name__)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LONGEST_WAIT = 30.0
"""Seconds for a thread; whoever waited longer is told to come again, before giving up by itself."""
_PATIENCE = 1.0
_TROUBLE = 10.0
"""Seconds: while requests were answered 503 so lately, none waits longer than the one before: what
stalls them would stall it as well, each for its own time."""
_RETRY_AFTER = 2
_PIECE = 1 << 18
"""Bytes of an answer that are given to the connection at a time."""
LIVE = "/health/live"
_HEADERS = (
    (b"content-type", b"application/fhir+json; charset=utf-8; fhirVersion=4.0"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


class Refused(Exception):
    """A request that does not get an answer of the application."""

    def __init__(self, status: int, said: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = wire.encode(said)
        """An OperationOutcome."""


def refused(status: int, text: str, code: str = "") -> Refused:
    """A refusal with its reason; `code` says better than the status what kind it is."""
    return Refused(status, issues.refused([Problem(code or code_of(status), text)]))


@dataclass(slots=True)
class _Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    whole: bytes | None
    """None when it comes in parts."""
    parts: Iterator[bytes]
    close: Callable[[], None]


class Front:
    """The ASGI application of a process."""

    def __init__(self, app: WSGIApplication, settings: Settings, new_id: Callable[[], str]) -> None:
        self._app = app
        self.settings = settings
        self._new_id = new_id
        self._pool = Pool(settings.threads, settings.queue)
        self._trouble = -_TROUBLE
        """When a request was last answered 503."""
        self.held = 0
        """Bytes of the bodies of all requests that are not answered yet."""

    @property
    def full(self) -> bool:
        """Whether a further request would be refused."""
        return self._pool.full

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] == LIVE and scope["method"] in ("GET", "HEAD"):
            await _live(send)
            return
        parts: list[bytes] = []
        try:
            answer = await self._answered(scope, receive, parts)
        except Refused as error:
            await _refuse(error, send)
            return
        finally:
            self.held -= sum(map(len, parts))
            del parts
        if answer is not None:
            await self._send(answer, scope["method"], receive, send)

    async def _answered(
        self, scope: Message, receive: Receive, parts: list[bytes]
    ) -> _Answer | None:
        # Before the body as well: what is refused need not be received first.
        if self._pool.full:
            raise _OVERLOADED
        if not await self._read(scope, receive, parts):
            return None
        if self._pool.full:
            raise _OVERLOADED
        environ = _environ(scope, b"".join(parts))
        begun = monotonic()
        try:
            return await self._pool.run(lambda: self._run(environ, begun))
        except Refused:
            raise
        except Exception:
            incident = self._new_id()
            log.exception("request.failed incident=%s method=%s", incident, scope["method"])
            raise Refused(500, issues.internal_error(incident)) from None

    # The body

    async def _read(self, scope: Message, receive: Receive, parts: list[bytes]) -> bool:
        """Add the body's parts; False when the client went away. Raises Refused."""
        length = _content_length(scope)
        if length == 0 or length > self.settings.max_body_bytes:
            return True  # nothing to read; or too much, which the application answers
        loop = asyncio.get_running_loop()
        begun, size = loop.time(), 0
        while size <= self.settings.max_body_bytes:
            allowed = self.settings.body_seconds + size / self.settings.body_rate
            try:
                async with asyncio.timeout_at(begun + allowed):
                    message = await receive()
            except TimeoutError:
                raise _too_slow(self.settings) from None
            if message["type"] != "http.request":
                return False
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            self.held += len(part)
            if self.held > self.settings.bodies_bytes:
                raise _NO_ROOM
            if not message.get("more_body", False):
                break
        return True

    # The application, in a thread

    def _run(self, environ: dict[str, Any], begun: float) -> _Answer:
        now = monotonic()
        troubled = now - self._trouble < _TROUBLE
        if now - begun > (_PATIENCE if troubled else _LONGEST_WAIT):
            raise _OVERLOADED
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
            started[:] = [status, headers]
            return started.append

        result = self._app(environ, start_response)
        close = getattr(result, "close", _nothing)
        parts = iter(result)
        status, headers = started[0], started[1]
        if status.startswith("503"):
            self._trouble = monotonic()
        encoded = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]
        # The application states the length of what it has as a whole.
        whole = None
        stated = any(name == b"content-length" for name, _ in encoded)
        if stated or environ["REQUEST_METHOD"] == "HEAD":
            whole = _joined(parts)
            close()
        return _Answer(int(status[:3]), encoded, whole, parts, close)

    # The answer

    async def _send(self, answer: _Answer, method: str, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        if answer.whole is not None:
            await self._send_part(answer.whole, send, last=True)
            return
        # Sending to a client that is gone fails silently.
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while (part := await self._pool.run(lambda: next(answer.parts, None))) is not None:
                await self._send_part(part, send, last=False)
                if gone.done():
                    return
            await self._send_part(b"", send, last=True)
        except Exception:
            # The connection is cut, so that what was sent is not taken for the whole.
            log.exception("answer.cut incident=%s method=%s", self._new_id(), method)
            raise
        finally:
            gone.cancel()
            await self._pool.run(answer.close)

    async def _send_part(self, part: bytes, send: Send, *, last: bool) -> None:
        """Hand over in pieces: each waits until the client took most of those before."""
        for start in range(0, max(len(part), 1), _PIECE):
            piece = part[start : start + _PIECE]
            more = not last or start + _PIECE < len(part)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _joined(parts: Iterable[bytes]) -> bytes:
    found = list(parts)
    return found[0] if len(found) == 1 else b"".join(found)


def _nothing() -> None:
    """For an answer that has nothing to close."""


async def _live(send: Send) -> None:
    body = json.dumps({"status": "live", "version": __version__}).encode() + b"\n"
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(error: Refused, send: Send) -> None:
    body = error.body
    headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
    if error.status == 503:
        headers.append((b"retry-after", str(_RETRY_AFTER).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_OVERLOADED = refused(503, "more requests wait than can be served soon: send it again later")
_NO_ROOM = refused(503, "too much is being received at once: send it again later, or in parts")


def _too_slow(settings: Settings) -> Refused:
    return refused(
        400,
        f"the body did not arrive in time: it has {settings.body_seconds} seconds, and one more "
        f"for each {settings.body_rate} bytes. Nothing was kept: send it again",
        "timeout",
    )


def _content_length(scope: Message) -> int:
    """Bytes that are announced; -1 when the end is marked in the body; 0 when there is none."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
        if name == b"transfer-encoding":
            return -1
    return 0


def _environ(scope: Message, body: bytes) -> dict[str, Any]:
    """The same request in the words of WSGI (PEP 3333)."""
    host, port = scope.get("server") or ("localhost", 80)
    raw_path = scope["raw_path"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    if scope.get("client"):
        environ["REMOTE_ADDR"], port = scope["client"]
        environ["REMOTE_PORT"] = str(port)
    for name, value in scope["headers"]:
        if b"_" in name or name == b"transfer-encoding":
            # One could pass for a name with a hyphen, which a proxy has checked; the other is done.
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        text = value.decode("latin-1")
        if key == "CONTENT_LENGTH":
            environ[key] = text
        else:
            environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
