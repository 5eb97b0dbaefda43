"""(h) Both stores beside each other, over HTTP: small and large transactions, enrolment queries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks import bundles, inside, load, servers, stores
from benchmarks.inprocess import query
from benchmarks.load import Requests, Sample
from benchmarks.processes import Server
from benchmarks.report import Report
from benchmarks.stores import Store

_ASKED = 100
"""Subjects that are asked for."""
_SQLITE_FIRST = (stores.SQLITE, stores.POSTGRESQL)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    clients: tuple[int, ...]
    rounds: int
    seconds: float


FULL = Extent((1, 8, 32), 3, 3.0)
QUICK = Extent((8, 32), 1, 2.0)


@dataclass(frozen=True, slots=True)
class _Served:
    """The service and its floor over one store."""

    store: Store
    service: Server
    floor: Server


@dataclass(frozen=True, slots=True)
class _Found:
    """The samples of one store."""

    service: list[Sample]
    floor: list[Sample]
    database: list[float]
    """Milliseconds of processor time that the store's own server took for each request."""


def measure(report: Report, folder: Path, extent: Extent) -> None:
    """Each kind of request at each number of clients, the stores in turn."""
    with ExitStack() as stack:
        served = [_served(stack, store) for store in stack.enter_context(stores.both(folder))]
        sender = Sender(bundles.templates(inside.today()))
        _warm(served, sender)
        size = len(load.once(served[0].service.port, _query(served[0].service.port, 0)))
        kinds: dict[str, Callable[[int], load.Source]] = {
            "transaction of 2": lambda port: sender.source(port, 2),
            "transaction of 100": lambda port: sender.source(port, 100),
            "enrolment query": _queries,
        }
        rows = []
        for what, source in kinds.items():
            constant = _constant(size) if source is _queries else source
            for clients in extent.clients:
                found = _found(report, served, what, clients, (source, constant), extent)
                rows += _rows(what, clients, found)
    head = (
        "request", "clients", "store", "a second", "of SQLite", "median ms", "p99 ms", "CPU ms",
        "database CPU ms", "floor/s", "floor CPU ms", "CPU ratio",
    )  # fmt: skip
    report.table("(h) both stores", head, rows)


class Sender:
    """Gives every client new patients, in every stretch of time."""

    def __init__(self, templates: tuple[bytes, ...]) -> None:
        self._templates = templates
        self._stretch = count()

    def source(self, port: int, entries: int) -> load.Source:
        """Transactions of so many entries, for one stretch."""
        stretch = next(self._stretch)
        bodies = self._templates
        if entries <= bundles.RESULTS:
            bodies = tuple(bundles.first(one, entries) for one in bodies)

        def requests(client: int) -> Requests:
            for number in count((stretch * 100 + client) * 1_000_000):
                patient = bundles.patient_id("sent", number)
                body = bundles.for_patient(bodies[number % len(bodies)], patient)
                yield load.request("POST", "/fhir", port, body)

        return requests


def _served(stack: ExitStack, store: Store) -> _Served:
    service = stack.enter_context(servers.service(store.url(), store.folder))
    return _Served(store, service, stack.enter_context(servers.floors(store.url(), store.folder)))


def _warm(served: list[_Served], sender: Sender) -> None:
    """Also the subjects that are asked for."""
    template = bundles.first(bundles.templates(inside.today())[0], 4)
    for one in served:
        for number in range(_ASKED):
            port = one.service.port
            body = bundles.for_patient(template, bundles.patient_id("asked", number))
            load.once(port, load.request("POST", "/fhir", port, body))
        for server in (one.service, one.floor):
            load.run(server, 8, 2.0, sender.source(server.port, 2))


def _found(
    report: Report,
    served: list[_Served],
    what: str,
    clients: int,
    sources: tuple[Callable[[int], load.Source], Callable[[int], load.Source]],
    extent: Extent,
) -> dict[str, _Found]:
    found = {one.store.name: _Found([], [], []) for one in served}
    for _ in range(extent.rounds):
        for one in served:
            into, name = found[one.store.name], one.store.name
            used = one.store.cpu_seconds()
            sample = load.run(one.service, clients, extent.seconds, sources[0](one.service.port))
            used = (one.store.cpu_seconds() - used) / len(sample.latencies) * 1000
            report.sample(what, "service", sample, store=name, database_cpu_ms=round(used, 3))
            below = load.run(one.floor, clients, extent.seconds / 2, sources[1](one.floor.port))
            report.sample(what, "floor", below, store=name)
            into.service.append(sample)
            into.floor.append(below)
            into.database.append(used)
    return found


def _rows(what: str, clients: int, found: dict[str, _Found]) -> list[list[str]]:
    rows = []
    for name in _SQLITE_FIRST:
        one, sqlite = found[name], found[stores.SQLITE]
        # Of the same round: what else the machine does falls on both.
        of_sqlite = median(
            a.rate / b.rate for a, b in zip(one.service, sqlite.service, strict=True)
        )
        cpu, floor_cpu = median(s.cpu for s in one.service), median(s.cpu for s in one.floor)
        rows.append([
            what, str(clients), name, f"{median(s.rate for s in one.service):.1f}",
            f"{of_sqlite:.2f}", f"{median(s.median for s in one.service):.1f}",
            f"{median(s.p99 for s in one.service):.1f}", f"{cpu:.2f}",
            f"{median(one.database):.2f}", f"{median(s.rate for s in one.floor):.0f}",
            f"{floor_cpu:.2f}", f"{cpu / floor_cpu:.1f}",
        ])  # fmt: skip
    return rows


def _queries(port: int) -> load.Source:
    def requests(client: int) -> Requests:
        return (_query(port, (client * 13 + n * 7) % _ASKED) for n in count())

    return requests


def _query(port: int, number: int) -> bytes:
    return load.request("GET", query(bundles.patient_id("asked", number)), port)


def _constant(size: int) -> Callable[[int], load.Source]:
    def source(port: int) -> load.Source:
        asked = load.request("GET", f"/constant/{size}", port)
        return lambda _client: (asked for _ in count())

    return source
