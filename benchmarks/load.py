"""Clients: a process each, one connection kept open, plain sockets, so that they cost little."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from statistics import median, quantiles
from time import monotonic, perf_counter
from typing import Protocol


class Server(Protocol):
    """What is asked."""

    @property
    def port(self) -> int:
        """On loopback."""

    def cpu_seconds(self) -> float:
        """What it has used of the processors so far."""


Requests = Iterator[bytes]
Source = Callable[[int], Requests]
"""The requests of the client with that number; they never end by themselves."""

_PATIENCE = 120.0
_MOST_REQUESTS = 20_000
"""Of one client, whatever the time."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What some clients got in one stretch of time."""

    clients: int
    seconds: float
    latencies: tuple[float, ...]
    """Of each request, in milliseconds."""
    cpu_seconds: float
    """What the server used of the processors meanwhile."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    @property
    def median(self) -> float:
        """Milliseconds."""
        return median(self.latencies)

    @property
    def cpu(self) -> float:
        """Milliseconds of processor time that the server took for each request."""
        return self.cpu_seconds / len(self.latencies) * 1000

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return quantiles(self.latencies, n=100, method="inclusive")[-1]


def request(method: str, path: str, port: int, body: bytes = b"") -> bytes:
    """The bytes of one request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/fhir+json\r\n"
    )
    if body:
        head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def run(server: Server, clients: int, seconds: float, source: Source) -> Sample:
    """Let clients send one request after another for some seconds. RuntimeError if one fails."""
    context = multiprocessing.get_context("fork")
    used = server.cpu_seconds()
    barrier = context.Barrier(clients)
    ends: list[Connection] = []
    processes = []
    for number in range(clients):
        receiving, sending = context.Pipe(duplex=False)
        arguments = (server.port, seconds, source(number), barrier, sending)
        process = context.Process(target=_client, args=arguments, daemon=True)
        process.start()
        sending.close()
        ends.append(receiving)
        processes.append(process)
    answers = [_answer(end) for end in ends]
    for process in processes:
        process.join()
    begun, ended = min(a[0] for a in answers), max(a[1] for a in answers)
    latencies = tuple(latency for a in answers for latency in a[2])
    return Sample(clients, ended - begun, latencies, server.cpu_seconds() - used)


def once(port: int, asked: bytes) -> bytes:
    """The body of the answer to one request."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)) as connection:
        return _exchange(connection, asked)


def _answer(end: Connection) -> tuple[float, float, list[float]]:
    try:
        answer = end.recv()
    except EOFError:
        raise RuntimeError("a client ended without an answer") from None
    if isinstance(answer, str):
        raise RuntimeError(answer)
    begun, ended, latencies = answer
    return begun, ended, latencies


def _client(
    port: int, seconds: float, requests: Requests, barrier: Barrier, answer: Connection
) -> None:
    try:
        answer.send(_send(port, seconds, requests, barrier))
    except Exception as error:
        barrier.abort()
        answer.send(f"{type(error).__name__}: {error}")


def _send(
    port: int, seconds: float, requests: Requests, barrier: Barrier
) -> tuple[float, float, list[float]]:
    latencies: list[float] = []
    with closing(socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        barrier.wait(_PATIENCE)
        first = monotonic()
        end = first + seconds
        while monotonic() < end and len(latencies) < _MOST_REQUESTS:
            asked = next(requests)
            begun = perf_counter()
            _exchange(connection, asked)
            latencies.append((perf_counter() - begun) * 1000)
        return first, monotonic(), latencies


def _exchange(connection: socket.socket, asked: bytes) -> bytes:
    """The body of a 200; RuntimeError with the answer for any other."""
    connection.sendall(asked)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _received(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    parts, left = [body], length - len(body)
    while left > 0:
        parts.append(_received(connection))
        left -= len(parts[-1])
    whole = b"".join(parts)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{head.decode()[:200]} {whole.decode()[:500]}")
    return whole


def _received(connection: socket.socket) -> bytes:
    found = connection.recv(1 << 18)
    if not found:
        raise RuntimeError("the server closed the connection")
    return found
