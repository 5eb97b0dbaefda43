"""The floors: what the same server does when it does next to nothing with the same request.

`python -m benchmarks.floor PORT FOLDER WORKERS THREADS` serves both until it is stopped.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from threading import Lock, local

import msgspec
from flask import Flask, Response, request

from refnot_fhir.compose import run_workers
from refnot_fhir.settings import Settings
from refnot_fhir.trial.service import new_id
from refnot_fhir.web.server.front import Front

_MEDIA = "application/fhir+json; charset=utf-8; fhirVersion=4.0"
_FOLDER = "BENCHMARK_FOLDER"
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


class _Rows:
    """One row for each bundle, durable before the answer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = local()
        self._lock = Lock()

    def add(self, body: bytes) -> None:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = opened(self._path)
        # Threads of one process queue here rather than at SQLite's lock, where they would sleep.
        with self._lock:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO received (body) VALUES (?)", (body,))
            connection.execute("COMMIT")


def opened(path: Path) -> sqlite3.Connection:
    """A connection with the service's pragmas."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def prepare(folder: Path) -> None:
    """The table of the floor."""
    connection = opened(folder / "floor.sqlite")
    connection.execute("CREATE TABLE received (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    connection.close()


def application() -> Flask:
    """POST /fhir parses and keeps the bytes; GET /constant/<size> gives that many bytes."""
    app = Flask(__name__)
    rows = _Rows(Path(os.environ[_FOLDER]) / "floor.sqlite")

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


def front() -> Front:
    """The floors behind the same front as the service."""
    return Front(application(), Settings(threads=int(os.environ[_THREADS])), new_id)


def _serve(port: str, folder: str, workers: str, threads: str) -> None:
    os.environ[_FOLDER] = folder
    os.environ[_THREADS] = threads
    settings = Settings(port=int(port), workers=int(workers))
    run_workers("benchmarks.floor:front", settings)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
