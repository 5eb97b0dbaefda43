"""(d) What it costs to take whole bodies before a thread is taken: the service behind each server.

`python -m benchmarks.fronts CANDIDATE PORT WORKERS THREADS` serves one until it is stopped. The
settings of the service come from the environment; its database must have been prepared.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks import bundles, inside, load, servers
from benchmarks.fill import fill
from benchmarks.load import Requests, Sample
from benchmarks.processes import Server
from benchmarks.report import Report

CANDIDATES = ("uvicorn + front", "granian + front", "granian WSGI")
"""What is served; the others are what it was compared with: a front without flow control of
answers, and none, where a client that sends slowly keeps a thread."""
_SUBJECTS = 1000


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    clients: tuple[int, ...]
    rounds: int
    seconds: float


FULL = Extent((1, 16, 64), 3, 2.0)
QUICK = Extent((1, 16), 1, 1.0)


def measure(report: Report, folder: Path, extent: Extent) -> None:
    """Three requests at each number of clients, the candidates in turn."""
    with ExitStack() as stack:
        candidates = []
        for name in CANDIDATES:
            url = f"sqlite:///{folder / name.replace(' ', '-')}.sqlite"
            template = bundles.templates(inside.today())[0]
            fill(url, bundles.first(template, 4), "subject", range(_SUBJECTS))
            candidates.append((name, stack.enter_context(servers.candidate(name, url, folder))))
        pair = bundles.first(template, 2)
        rows: list[list[str]] = []
        for what in ("schema", "enrolment", "transaction"):
            for clients in extent.clients:
                rows += _rows(report, candidates, what, clients, pair, extent)
    head = ("request", "clients", "server", "a second", "median ms", "p99 ms", "CPU ms", "of WSGI")
    report.table("(d) the service behind three servers", head, rows)


_numbers = count()


def _source(what: str, port: int, pair: bytes) -> load.Source:
    stretch = next(_numbers)

    def requests(client: int) -> Requests:
        if what == "schema":
            asked = load.request("GET", "/records/dosing/schema", port)
            return (asked for _ in count())
        if what == "enrolment":
            return (_query(port, (client * 131 + n * 7) % _SUBJECTS) for n in count())
        return _transactions(port, pair, (stretch * 100 + client) * 1_000_000)

    return requests


def _query(port: int, number: int) -> bytes:
    patient = bundles.patient_id("subject", number)
    path = f"/fhir/ResearchSubject?patient=Patient/{patient}&study=refnot-r2"
    return load.request("GET", path, port)


def _transactions(port: int, pair: bytes, first: int) -> Iterator[bytes]:
    for number in count(first):
        body = bundles.for_patient(pair, bundles.patient_id("sent", number))
        yield load.request("POST", "/fhir", port, body)


def _rows(
    report: Report,
    candidates: list[tuple[str, Server]],
    what: str,
    clients: int,
    pair: bytes,
    extent: Extent,
) -> Iterator[list[str]]:
    found: dict[str, list[Sample]] = {name: [] for name, _ in candidates}
    for turn in range(extent.rounds + 1):
        for name, server in candidates:
            source = _source(what, server.port, pair)
            sample = load.run(server, clients, extent.seconds if turn else 0.5, source)
            if turn:  # the first is to warm up
                found[name].append(sample)
                report.sample(f"front {what}", name, sample)
    before = median(s.rate for s in found["granian WSGI"])
    for name, samples in found.items():
        rate = median(s.rate for s in samples)
        yield [
            what, str(clients), name, f"{rate:.0f}", f"{median(s.median for s in samples):.2f}",
            f"{median(s.p99 for s in samples):.2f}", f"{median(s.cpu for s in samples):.2f}",
            f"{rate / before:.2f}",
        ]  # fmt: skip


def _serve(candidate: str, port: str, workers: str, threads: str) -> None:
    if candidate == "uvicorn + front":
        inside.serve()
        return
    from granian.constants import HTTPModes, Interfaces
    from granian.server import Server as Granian

    front = candidate == "granian + front"
    Granian(
        inside.FRONT if front else inside.APPLICATION,
        factory=True,
        address="127.0.0.1",
        port=int(port),
        interface=Interfaces.ASGINL if front else Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=int(workers),
        blocking_threads=1 if front else int(threads),
    ).serve()


if __name__ == "__main__":
    os.environ.setdefault("REFNOT_PORT", sys.argv[2])
    _serve(*sys.argv[1:])
