"""(b) Is this patient in the study? One search, against a route that returns as many bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks import bundles, inside, load, servers, stores
from benchmarks.fill import fill
from benchmarks.load import Requests, Sample
from benchmarks.processes import Server
from benchmarks.report import Report

_RESULTS = 3
"""Laboratory results of each patient of this store: the query reads none of them."""
_STRIDE = 7919
"""Patients are asked for in an order that no cache likes: a prime apart."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    clients: tuple[int, ...]
    subjects: tuple[int, ...]
    rounds: int
    seconds: float


FULL = Extent((1, 4, 16), (10**3, 10**5), 3, 2.0)
QUICK = Extent((1, 8, 32), (10**3,), 1, 1.5)


def measure(report: Report, folder: Path, extent: Extent) -> None:
    """With more and more subjects, at each number of clients."""
    store = stores.sqlite(folder)
    url = store.url()
    rows: list[list[str]] = []
    there = 0
    template = bundles.first(bundles.templates(inside.today())[0], _RESULTS + 1)
    with servers.floors(store.url(), folder) as floor:
        for subjects in extent.subjects:
            fill(url, template, "subject", range(there, subjects))
            there = subjects
            with servers.service(url, folder) as served:
                rows += _rows(report, (served, floor), subjects, extent)
    head = (
        "subjects", "clients", "queries/s", "median ms", "p99 ms", "CPU ms", "constant/s",
        "constant CPU ms", "of it",
    )  # fmt: skip
    report.table("(b) GET ResearchSubject?patient=…&study=…", head, rows)


def _rows(
    report: Report, both: tuple[Server, Server], subjects: int, extent: Extent
) -> Iterator[list[str]]:
    served, floor = both
    port = served.port
    size = len(load.once(port, _query(port, 0)))

    def queries(client: int) -> Requests:
        return (_query(port, n * _STRIDE % subjects) for n in count(client * 1000))

    def constants(_client: int) -> Requests:
        asked = load.request("GET", f"/constant/{size}", floor.port)
        return (asked for _ in count())

    load.run(served, 8, 1.0, queries)
    load.run(floor, 8, 1.0, constants)
    for clients in extent.clients:
        found: tuple[list[Sample], list[Sample]] = ([], [])
        for _ in range(extent.rounds):
            targets = (("service", served, queries), ("constant", floor, constants))
            for (target, where, source), samples in zip(targets, found, strict=True):
                samples.append(load.run(where, clients, extent.seconds, source))
                report.sample("enrolment", target, samples[-1], subjects=subjects, bytes=size)
        yield [f"{subjects:,}", str(clients), *_cells(*found)]


def _query(port: int, number: int) -> bytes:
    patient = bundles.patient_id("subject", number)
    path = f"/fhir/ResearchSubject?patient=Patient/{patient}&study=refnot-r2"
    return load.request("GET", path, port)


def _cells(service: list[Sample], constant: list[Sample]) -> list[str]:
    rate, floor = median(s.rate for s in service), median(s.rate for s in constant)
    return [
        f"{rate:.0f}",
        f"{median(s.median for s in service):.2f}",
        f"{median(s.p99 for s in service):.2f}",
        f"{median(s.cpu for s in service):.2f}",
        f"{floor:.0f}",
        f"{median(s.cpu for s in constant):.2f}",
        f"{rate / floor:.2f}",
    ]
