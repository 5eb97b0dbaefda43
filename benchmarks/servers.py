"""The service, and its floor under the same server: each a process of its own on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from benchmarks import floor, load
from benchmarks.processes import Server, free_port

WORKERS, THREADS = 2, 8
"""Serving processes, and requests that each serves at once."""

_START = 60.0


@contextmanager
def service(url: str, folder: Path) -> Iterator[Server]:
    """The real service over a database."""
    port = free_port()
    command = [sys.executable, "server.py"]
    with _running(command, _settings(url, port), port, "/health/live", folder) as process:
        yield Server(port, process)


@contextmanager
def candidate(name: str, url: str, folder: Path) -> Iterator[Server]:
    """The service behind one of the servers of `fronts`."""
    port = free_port()
    arguments = (name, str(port), str(WORKERS), str(THREADS))
    command = [sys.executable, "-m", "benchmarks.fronts", *arguments]
    with _running(command, _settings(url, port), port, "/health/live", folder) as process:
        yield Server(port, process)


@contextmanager
def floors(url: str, folder: Path) -> Iterator[Server]:
    """Both floors, over a database that is empty."""
    floor.prepare(url)
    port = free_port()
    arguments = (str(port), url, str(WORKERS), str(THREADS))
    command = [sys.executable, "-m", "benchmarks.floor", *arguments]
    with _running(command, {}, port, "/constant/1", folder) as process:
        yield Server(port, process)


def _settings(url: str, port: int) -> dict[str, str]:
    return {
        "REFNOT_PORT": str(port),
        "REFNOT_DATABASE_URL": url,
        "REFNOT_WORKERS": str(WORKERS),
        "REFNOT_THREADS": str(THREADS),
    }


@contextmanager
def _running(
    command: Sequence[str], settings: Mapping[str, str], port: int, ready: str, folder: Path
) -> Iterator[int]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("REFNOT_")}
    root = Path(__file__).parent.parent
    log = folder / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=root, env=inherited | dict(settings), stdout=output, stderr=output
        )
    try:
        _wait_for(process, port, ready, log)
        yield process.pid
    finally:
        process.terminate()
        process.wait(_START)


def _wait_for(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    end = monotonic() + _START
    while process.poll() is None and monotonic() < end:
        try:
            load.once(port, load.request("GET", path, port))
        except (OSError, RuntimeError):
            sleep(0.1)
        else:
            return
    raise RuntimeError(f"a server did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
