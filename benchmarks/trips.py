"""Round trips to PostgreSQL, counted on the wire: how often a client waits for an answer.

A proxy on loopback stands between the client and the server and holds every answer for a moment.
Whatever a client sends without waiting for an answer has come by then, however many statements it
is: a round trip is counted when a client sends something after an answer was handed to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Thread

HELD_SECONDS = 0.01
_SIZE = 1 << 16
_PROTOCOL = (3 << 16).to_bytes(4, "big")


@dataclass(slots=True)
class Trips:
    """What went by so far, over all connections."""

    statements: list[list[str]] = field(default_factory=list)
    """For each round trip, the statements that were sent in it."""

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self.statements)


@contextmanager
def counted(port: int, held: float = HELD_SECONDS) -> Iterator[tuple[int, Trips]]:
    """A port that leads to a server's, and the round trips that go through it."""
    trips = Trips()
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="benchmark-proxy", daemon=True)
    thread.start()
    proxy = _Proxy(port, held, trips)
    starting = asyncio.run_coroutine_threadsafe(proxy.start(), loop)
    try:
        yield starting.result(), trips
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Proxy:
    def __init__(self, port: int, held: float, trips: Trips) -> None:
        self._port, self._held, self._trips = port, held, trips
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close every connection."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # in which they are closed

    async def _connected(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        one = _Conversation(self._trips, self._held)
        for way in (one.asked(client, to_server), one.answered(server, to_client)):
            task = asyncio.create_task(way)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class _Conversation:
    """One connection."""

    def __init__(self, trips: Trips, held: float) -> None:
        self._trips, self._held = trips, held
        self._messages = Messages()
        self._trip: list[str] = []
        self._answered = True

    async def asked(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        """From the client to the server."""
        with closing(to_server):
            while data := await client.read(_SIZE):
                if self._answered:
                    self._trip = []
                    self._trips.statements.append(self._trip)
                    self._answered = False
                self._trip += self._messages.statements(data)
                to_server.write(data)

    async def answered(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """From the server to the client, after a moment."""
        with closing(to_client):
            while data := await server.read(_SIZE):
                await asyncio.sleep(self._held)
                to_client.write(data)
                self._answered = True


class Messages:
    """The messages of a client of PostgreSQL, in whatever pieces they come."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False
        self._named: dict[bytes, str] = {}
        """Prepared statements."""

    def statements(self, data: bytes) -> Iterator[str]:
        """The statements that end in this piece."""
        self._rest += data
        while True:
            head = 1 if self._started else 0
            if len(self._rest) < head + 4:
                return
            end = head + int.from_bytes(self._rest[head : head + 4], "big")
            if len(self._rest) < end:
                return
            kind, body = self._rest[:head], self._rest[head + 4 : end]
            self._rest = self._rest[end:]
            if not head:
                # Before the start come questions about encryption.
                self._started = body.startswith(_PROTOCOL)
                continue
            text = self._statement(kind, body)
            if text is not None:
                yield text

    def _statement(self, kind: bytes, body: bytes) -> str | None:
        match kind:
            case b"Q":
                return body.rstrip(b"\0").decode()
            case b"P":
                name, text, *_ = body.split(b"\0")
                self._named[name] = text.decode()
                return f"(prepare) {text.decode()}" if name else None
            case b"B":
                _portal, name, *_ = body.split(b"\0")
                return self._named.get(name, "?")
            case b"c":
                return "(end of COPY)"
        return None
