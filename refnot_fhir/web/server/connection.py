"""One connection to a client: what HTTP itself can be late with, too long in, or wrong about.

uvicorn's protocol has no time limit for the head of a request and none for a client that stops
reading, and answers what is not HTTP in plain text.
"""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from refnot_fhir.settings import Settings
from refnot_fhir.web.server.front import Refused, refused

LONGEST_ADDRESS = 1 << 14
LONGEST_HEAD = 1 << 16
"""Bytes of the address and of all headers; those of a search with many ids fit."""
_DRAIN_SECONDS = 10
"""For the rest of a body that nobody reads any more."""


class Connection(HttpToolsProtocol):
    """A connection with the limits of the front that it leads to."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.settings: Settings = self.app.settings
        self._timer: TimerHandle | None = None
        """Until the head is there, or the rest of a body that is not wanted."""
        self._stalled: TimerHandle | None = None
        self._inside = False
        """Whether a message has begun and not ended."""
        self._head_size: int | None = 0
        """Bytes received of the head that is being received; None within a body."""
        self._refused = False

    def connection_made(self, transport: Any) -> None:
        """Give the first head its time."""
        super().connection_made(transport)
        self._limit(self.settings.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._limit(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the head is complete."""
        if self._refused:
            return
        if self._head_size is not None:
            if self._head_size == 0 and self._timer is None:
                self._limit(self.settings.header_seconds)
            self._head_size += len(data)
        super().data_received(data)
        if self._head_size is not None and self._head_size > LONGEST_HEAD and not self._refused:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """The head begins."""
        self._inside = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there: from now on the front has its own limits."""
        self._limit(None)
        self._head_size = None
        size = sum(len(name) + len(value) for name, value in self.headers)
        if len(self.url) > LONGEST_ADDRESS or size > LONGEST_HEAD:
            self._refuse_head()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is there."""
        self._inside = False
        self._head_size = 0
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Where the client is still sending what nobody reads, give it a little time."""
        super().on_response_complete()
        if self._inside:
            self._limit(_DRAIN_SECONDS)

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.settings.send_seconds, self._abort)

    def resume_writing(self) -> None:
        """The client takes it again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle, also where the last answer was not taken."""
        if self.transport.get_write_buffer_size():
            self._abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it has one text
        """Say that this is not HTTP."""
        self._refuse(refused(400, "this is not a request of HTTP/1.1"))

    def _refuse_head(self) -> None:
        if len(self.url) > LONGEST_ADDRESS:
            said = f"the address has more than {LONGEST_ADDRESS} bytes: POST the search instead"
            self._refuse(refused(414, said))
        else:
            said = f"the headers have more than {LONGEST_HEAD} bytes: send fewer, or shorter ones"
            self._refuse(refused(431, said))

    def _refuse(self, error: Refused) -> None:
        self._refused = True
        body = error.body
        self.transport.write(
            STATUS_LINE[error.status]
            + b"content-type: application/fhir+json; charset=utf-8; fhirVersion=4.0\r\n"
            + b"cache-control: no-store\r\nconnection: close\r\n"
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        self.transport.close()

    def _limit(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._abort)

    def _abort(self) -> None:
        self.transport.abort()
