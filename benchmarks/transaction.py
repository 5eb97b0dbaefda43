"""(a) A transaction of 100 entries over HTTP, durable before it is answered, against its floor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks import bundles, load, servers
from benchmarks.fill import fill
from benchmarks.load import Requests, Sample
from benchmarks.report import Report
from benchmarks.servers import Server
from refnot_fhir.compose import prepare
from refnot_fhir.settings import Settings

_ENTRIES = bundles.RESULTS + 1
_HEAD = (
    "bundles/s", "median ms", "p99 ms", "CPU ms", "floor/s", "floor median ms", "floor CPU ms",
    "ratio",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    clients: tuple[int, ...]
    stored: tuple[int, ...]
    rounds: int
    seconds: float


FULL = Extent((1, 2, 4, 8, 16, 32), (10**3, 10**4, 10**5, 10**6), 3, 3.0)
QUICK = Extent((1, 8, 32), (10**3, 10**4, 10**5), 1, 2.0)
_FLAT_CLIENTS = 8


def measure(report: Report, folder: Path, extent: Extent) -> None:
    """At each number of clients, then with more and more resources in the store."""
    service = prepare(Settings(database_url=f"sqlite:///{folder / 'a.sqlite'}"))
    try:
        templates = bundles.templates(service.judge().today(service.site()))
        sender = _Sender(templates)
        with servers.floors(folder) as floor:
            with servers.service(folder / "a.sqlite") as served:
                _warm(served, floor, sender)
                rows = [
                    [str(n), *_row(_compared(report, (served, floor), sender, extent, n))]
                    for n in extent.clients
                ]
            report.table("(a) transactions of 100 entries", ("clients", *_HEAD), rows)
            _flatness(report, folder, floor, sender, extent)
    finally:
        service.store.close()


def _flatness(report: Report, folder: Path, floor: Server, sender: _Sender, extent: Extent) -> None:
    rows = []
    patients = 0
    flat = prepare(Settings(database_url=f"sqlite:///{folder / 'flat.sqlite'}"))
    try:
        for stored in extent.stored:
            wanted = stored // _ENTRIES
            fill(flat, sender.templates[0], "stored", range(patients, wanted))
            patients = wanted
            with servers.service(folder / "flat.sqlite") as served:
                _warm(served, floor, sender)
                found = _compared(report, (served, floor), sender, extent, _FLAT_CLIENTS, stored)
            rows.append([f"{stored:,}", *_row(found)])
    finally:
        flat.store.close()
    title = f"(a) at {_FLAT_CLIENTS} clients, by resources stored before"
    report.table(title, ("stored", *_HEAD), rows)


class _Sender:
    """Gives every client new patients, in every stretch of time."""

    def __init__(self, templates: tuple[bytes, ...]) -> None:
        self.templates = templates
        self._stretch = count()

    def source(self, port: int) -> load.Source:
        """Requests of one stretch."""
        stretch = next(self._stretch)

        def requests(client: int) -> Requests:
            return self._requests(port, (stretch * 100 + client) * 1_000_000)

        return requests

    def _requests(self, port: int, first: int) -> Iterator[bytes]:
        head, _, body = load.request("POST", "/fhir", port, self.templates[0]).partition(b"{")
        for number in count(first):
            template = self.templates[number % len(self.templates)]
            if len(template) != len(body) + 1:
                head = load.request("POST", "/fhir", port, template).partition(b"{")[0]
                body = template[1:]
            yield head + bundles.for_patient(template, bundles.patient_id("sent", number))


def _warm(served: Server, floor: Server, sender: _Sender) -> None:
    for one in (served, floor):
        load.run(one, servers.WORKERS * 4, 1.0, sender.source(one.port))


def _compared(
    report: Report,
    both: tuple[Server, Server],
    sender: _Sender,
    extent: Extent,
    clients: int,
    stored: int | None = None,
) -> tuple[list[Sample], list[Sample]]:
    """Service and floor in turn, so that what else the machine does falls on both."""
    found: tuple[list[Sample], list[Sample]] = ([], [])
    for _ in range(extent.rounds):
        for target, server, samples in zip(("service", "floor"), both, found, strict=True):
            sample = load.run(server, clients, extent.seconds, sender.source(server.port))
            report.sample("transaction", target, sample, stored=stored)
            samples.append(sample)
    return found


def _row(found: tuple[list[Sample], list[Sample]]) -> list[str]:
    service, floor = found
    rate, floor_rate = median(s.rate for s in service), median(s.rate for s in floor)
    return [
        f"{rate:.1f}",
        f"{median(s.median for s in service):.1f}",
        f"{median(s.p99 for s in service):.1f}",
        f"{median(s.cpu for s in service):.1f}",
        f"{floor_rate:.0f}",
        f"{median(s.median for s in floor):.2f}",
        f"{median(s.cpu for s in floor):.2f}",
        f"{floor_rate / rate:.1f}",
    ]
