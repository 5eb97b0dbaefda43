"""(a) A transaction of 100 entries over HTTP, durable before it is answered, against its floor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import bundles, inside, load, servers, stores
from benchmarks.beside import Sender
from benchmarks.load import Sample
from benchmarks.processes import Server
from benchmarks.report import Report

_ENTRIES = bundles.RESULTS + 1
_HEAD = (
    "bundles/s", "median ms", "p99 ms", "CPU ms", "floor/s", "floor median ms", "floor CPU ms",
    "ratio",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    clients: tuple[int, ...]
    rounds: int
    seconds: float


FULL = Extent((1, 2, 4, 8, 16, 32), 3, 3.0)
QUICK = Extent((1, 8, 32), 1, 2.0)


def measure(report: Report, folder: Path, extent: Extent) -> None:
    """At each number of clients."""
    store = stores.sqlite(folder)
    sender = Sender(bundles.templates(inside.today()))
    with (
        servers.floors(store.url(), folder) as floor,
        servers.service(store.url(), folder) as served,
    ):
        _warm(served, floor, sender)
        rows = [
            [str(n), *_row(_compared(report, (served, floor), sender, extent, n))]
            for n in extent.clients
        ]
    report.table("(a) transactions of 100 entries", ("clients", *_HEAD), rows)


def _warm(served: Server, floor: Server, sender: Sender) -> None:
    for one in (served, floor):
        load.run(one, servers.WORKERS * 4, 1.0, sender.source(one.port, _ENTRIES))


def _compared(
    report: Report,
    both: tuple[Server, Server],
    sender: Sender,
    extent: Extent,
    clients: int,
) -> tuple[list[Sample], list[Sample]]:
    """Service and floor in turn, so that what else the machine does falls on both."""
    found: tuple[list[Sample], list[Sample]] = ([], [])
    for _ in range(extent.rounds):
        for target, server, samples in zip(("service", "floor"), both, found, strict=True):
            sample = load.run(server, clients, extent.seconds, sender.source(server.port, _ENTRIES))
            report.sample("transaction", target, sample)
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
