"""(i) Whether a transaction costs the same however much is stored, on both stores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import bundles, inside, load, servers, stores
from benchmarks.beside import Sender
from benchmarks.fill import fill
from benchmarks.load import Sample
from benchmarks.processes import Server
from benchmarks.report import Report
from benchmarks.stores import Store

_ENTRIES = bundles.RESULTS + 1
_CLIENTS = 8


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    stored: tuple[int, ...]
    rounds: int
    seconds: float


LARGE = Extent((10**3, 10**4, 10**5, 10**6), 3, 3.0)
FULL = Extent((10**3, 10**4, 10**5), 3, 3.0)
QUICK = Extent((10**3, 10**4), 1, 2.0)


def measure(report: Report, folder: Path, extent: Extent) -> None:
    """With more and more resources in each store."""
    rows = []
    with stores.both(folder) as kinds:
        for store in kinds:
            with servers.floors(store.url(), folder) as floor:
                rows += _rows(report, store, floor, extent)
    head = (
        "store", "stored", "bundles/s", "median ms", "p99 ms", "CPU ms", "database CPU ms",
        "floor/s", "floor CPU ms", "CPU ratio",
    )  # fmt: skip
    report.table(f"(i) transactions of 100 entries at {_CLIENTS} clients", head, rows)


def _rows(report: Report, store: Store, floor: Server, extent: Extent) -> list[list[str]]:
    templates = bundles.templates(inside.today())
    sender = Sender(templates)
    rows, patients, url = [], 0, store.url()
    for stored in extent.stored:
        wanted = stored // _ENTRIES
        fill(url, templates[0], "stored", range(patients, wanted))
        patients = wanted
        with servers.service(url, store.folder) as service:
            for one in (service, floor):
                load.run(one, _CLIENTS, 1.0, sender.source(one.port, _ENTRIES))
            cells = _cells(report, store, (service, floor), sender, extent, stored)
            rows.append([store.name, f"{stored:,}", *cells])
    return rows


def _cells(
    report: Report,
    store: Store,
    both: tuple[Server, Server],
    sender: Sender,
    extent: Extent,
    stored: int,
) -> list[str]:
    found: tuple[list[Sample], list[Sample]] = ([], [])
    database = []
    for _ in range(extent.rounds):
        used = store.cpu_seconds()
        for target, server, samples in zip(("service", "floor"), both, found, strict=True):
            source = sender.source(server.port, _ENTRIES)
            sample = load.run(server, _CLIENTS, extent.seconds, source)
            report.sample("flat", target, sample, store=store.name, stored=stored)
            samples.append(sample)
            if target == "service":
                database.append((store.cpu_seconds() - used) / len(sample.latencies) * 1000)
    service, below = found
    cpu, floor_cpu = median(s.cpu for s in service), median(s.cpu for s in below)
    return [
        f"{median(s.rate for s in service):.1f}", f"{median(s.median for s in service):.1f}",
        f"{median(s.p99 for s in service):.1f}", f"{cpu:.1f}", f"{median(database):.1f}",
        f"{median(s.rate for s in below):.0f}", f"{floor_cpu:.2f}", f"{cpu / floor_cpu:.1f}",
    ]  # fmt: skip
