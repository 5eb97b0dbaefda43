"""The floors: what the same server does when it does next to nothing with the same request.

`python -m benchmarks.floor PORT URL WORKERS THREADS` serves both until it is stopped.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from threading import Lock, local
from typing import Protocol

import msgspec
import psycopg
from flask import Flask, Response, request

from benchmarks import inside

_MEDIA = "application/fhir+json; charset=utf-8; fhirVersion=4.0"
_URL = "BENCHMARK_URL"
_THREADS = "BENCHMARK_THREADS"
# Those of refnot_fhir/store/sqlite_file.py.
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "cache_size = -8192",
    f"mmap_size = {256 << 20}",
    "wal_autocheckpoint = 4000",
)
_SQLITE = "sqlite:///"


class _Rows(Protocol):
    """One row for each bundle, durable before the answer."""

    def add(self, body: bytes) -> None:
        """Keep the bytes."""


class _SqliteRows:
    def __init__(self, url: str) -> None:
        self._path = url.removeprefix(_SQLITE)
        self._own = local()
        self._lock = Lock()

    def add(self, body: bytes) -> None:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = _opened(self._path)
        # Threads of one process queue here rather than at SQLite's lock, where they would sleep.
        with self._lock:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO received (body) VALUES (?)", (body,))
            connection.execute("COMMIT")


class _PostgresRows:
    def __init__(self, url: str) -> None:
        self._url = url
        self._own = local()

    def add(self, body: bytes) -> None:
        connection: psycopg.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = psycopg.connect(self._url, autocommit=True)
        connection.execute("INSERT INTO received (body) VALUES (%s)", (body,))


def _opened(path: str) -> sqlite3.Connection:
    """A connection with the service's pragmas."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def prepare(url: str) -> None:
    """The table of the floor."""
    if url.startswith(_SQLITE):
        connection = _opened(url.removeprefix(_SQLITE))
        connection.execute("CREATE TABLE received (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        connection.close()
        return
    with psycopg.connect(url) as server:
        server.execute(
            "CREATE TABLE received (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " body bytea NOT NULL)"
        )


def application(url: str) -> Flask:
    """POST /fhir parses and keeps the bytes; GET /constant/<size> gives that many bytes."""
    app = Flask(__name__)
    rows: _Rows = _SqliteRows(url) if url.startswith(_SQLITE) else _PostgresRows(url)

    @app.post("/fhir")
    def keep() -> Response:
        body = request.get_data(cache=False)
        msgspec.json.decode(body)
        rows.add(body)
        return Response(b'{"resourceType":"Bundle"}', content_type=_MEDIA)

    @app.get("/constant/<int:size>")
    def constant(size: int) -> Response:
        return Response(b"x" * size, content_type=_MEDIA)

    return app


def front() -> inside.Front:
    """The floors behind the same front as the service."""
    return inside.before(application(os.environ[_URL]), int(os.environ[_THREADS]))


def _serve(port: str, url: str, workers: str, threads: str) -> None:
    os.environ[_URL] = url
    os.environ[_THREADS] = threads
    inside.serve_workers("benchmarks.floor:front", int(port), int(workers))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
