"""The service, and its floor under the same server: each a process of its own on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from benchmarks import floor, load

WORKERS, THREADS = 2, 8
"""Serving processes, and requests that each serves at once."""

_START = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    port: int
    process: int

    def cpu_seconds(self) -> float:
        """What it has used of the processors so far, in all its processes."""
        return sum(map(_cpu_seconds, _family(self.process)))


@contextmanager
def service(database: Path) -> Iterator[Server]:
    """The real service over a SQLite file."""
    port = _free_port()
    settings = {
        "REFNOT_PORT": str(port),
        "REFNOT_DATABASE_URL": f"sqlite:///{database}",
        "REFNOT_WORKERS": str(WORKERS),
        "REFNOT_THREADS": str(THREADS),
    }
    command = [sys.executable, "server.py"]
    with _running(command, settings, port, "/health/live", database.parent) as process:
        yield Server(port, process)


@contextmanager
def candidate(name: str, database: Path) -> Iterator[Server]:
    """The service behind one of the servers of `fronts`."""
    port = _free_port()
    settings = {
        "REFNOT_PORT": str(port),
        "REFNOT_DATABASE_URL": f"sqlite:///{database}",
        "REFNOT_WORKERS": str(WORKERS),
        "REFNOT_THREADS": str(THREADS),
    }
    arguments = (name, str(port), str(WORKERS), str(THREADS))
    command = [sys.executable, "-m", "benchmarks.fronts", *arguments]
    with _running(command, settings, port, "/health/live", database.parent) as process:
        yield Server(port, process)


@contextmanager
def floors(folder: Path) -> Iterator[Server]:
    """Both floors."""
    floor.prepare(folder)
    port = _free_port()
    arguments = (str(port), str(folder), str(WORKERS), str(THREADS))
    command = [sys.executable, "-m", "benchmarks.floor", *arguments]
    with _running(command, {}, port, "/constant/1", folder) as process:
        yield Server(port, process)


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


def _family(process: int) -> Iterator[int]:
    yield process
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text("ascii").split():
                yield from _family(int(child))


def _cpu_seconds(process: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
