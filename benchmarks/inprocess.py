"""(f) Processor time of single requests in one process: no server, no client, one at a time.

`python -m benchmarks.inprocess SECONDS` prints the samples of SQLite as JSON, for `compare`.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, process_time, sleep
from wsgiref.types import WSGIApplication

from benchmarks import bundles, floor, inside, stores, wsgi
from benchmarks.machine import yardstick
from benchmarks.report import Report
from benchmarks.stores import Store

ENTRIES = (2, 100)
_WARM = 60
"""Requests of each kind before the first that counts: statements are prepared meanwhile."""
_SETTLED = 0.0005
"""Seconds in which a writer's thread comes to rest after its answer."""
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""As in the processes that serve."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    seconds: float
    """For each kind of request on each store."""


FULL = Extent(20.0)
QUICK = Extent(4.0)


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of processor time, sampled in turn."""

    service: list[float]
    floor: list[float]
    yardstick: list[float]
    database: float
    """Of the store's own server, on average for each request of the service."""


class Requests:
    """Both applications over databases of one store, and what they are asked."""

    def __init__(self, service: WSGIApplication, floors: WSGIApplication) -> None:
        self.service, self.floor = service, floors
        self._templates = bundles.templates(inside.today())
        self._numbers = count()

    def transaction(self, entries: int) -> Callable[[WSGIApplication], bytes]:
        """One transaction for a new patient."""
        number = next(self._numbers)
        template = self._templates[number % len(self._templates)]
        cut = template if entries > bundles.RESULTS else bundles.first(template, entries)
        body = bundles.for_patient(cut, bundles.patient_id("process", number))
        return lambda application: wsgi.ask(application, "POST", "/fhir", body)

    def enrolment(self, patient: str) -> bytes:
        """One query."""
        return wsgi.ask(self.service, "GET", query(patient))

    def constant(self, size: int) -> bytes:
        """What the floor answers to a query."""
        return wsgi.ask(self.floor, "GET", f"/constant/{size}")


def query(patient: str) -> str:
    """The path of an enrolment query."""
    return f"/fhir/ResearchSubject?patient=Patient/{patient}&study=refnot-r2"


def measure(report: Report, folder: Path, extent: Extent) -> None:
    """Each kind of request on both stores."""
    rows = []
    with stores.both(folder) as kinds:
        for store in kinds:
            for what, times in sampled(store, extent.seconds):
                for target in ("service", "floor", "yardstick"):
                    milliseconds = getattr(times, target)
                    report.times(what, target, milliseconds, store=store.name)
                rows.append([what, store.name, *_cells(times)])
    head = (
        "request", "store", "CPU ms", "best", "database CPU ms", "floor CPU ms", "best", "ratio",
        "yardstick ms", "in yardsticks",
    )  # fmt: skip
    report.table("(f) processor time in one process", head, rows)


def _cells(times: Times) -> list[str]:
    service, below, stick = median(times.service), median(times.floor), median(times.yardstick)
    return [
        f"{service:.2f}", f"{min(times.service):.2f}", f"{times.database:.2f}",
        f"{below:.2f}", f"{min(times.floor):.2f}", f"{service / below:.1f}",
        f"{stick:.1f}", f"{service / stick:.3f}",
    ]  # fmt: skip


def sampled(store: Store, seconds: float) -> Iterator[tuple[str, Times]]:
    """The samples of each kind of request."""
    with _requests(store) as asked:
        for entries in ENTRIES:
            yield f"transaction of {entries}", _transactions(asked, store, entries, seconds)
        yield "enrolment query", _queries(asked, store, seconds)


@contextmanager
def _requests(store: Store) -> Iterator[Requests]:
    below = store.url()
    floor.prepare(below)
    service = inside.opened(store.url())
    try:
        yield Requests(service.application, floor.application(below))
    finally:
        service.close()


def _transactions(asked: Requests, store: Store, entries: int, seconds: float) -> Times:
    def once() -> tuple[float, float]:
        one = asked.transaction(entries)
        return _timed(lambda: one(asked.service)), _timed(lambda: one(asked.floor))

    return _sampled(once, store, seconds)


def _queries(asked: Requests, store: Store, seconds: float) -> Times:
    # The first patients have two entries each, whatever else was sent.
    numbers = count()
    size = len(asked.enrolment(bundles.patient_id("process", 0)))

    def once() -> tuple[float, float]:
        patient = bundles.patient_id("process", next(numbers) % _WARM)
        return _timed(lambda: asked.enrolment(patient)), _timed(lambda: asked.constant(size))

    return _sampled(once, store, seconds)


def _sampled(once: Callable[[], tuple[float, float]], store: Store, seconds: float) -> Times:
    for _ in range(_WARM):
        once()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 100)
    pairs: list[tuple[float, float]] = []
    sticks: list[float] = []
    used, end = store.cpu_seconds(), monotonic() + seconds
    while monotonic() < end:
        if len(pairs) % 10 == 0:
            sticks.append(yardstick())
        pairs.append(once())
    database = (store.cpu_seconds() - used) / len(pairs) * 1000
    return Times([s for s, _ in pairs], [f for _, f in pairs], sticks, database)


def _timed(work: Callable[[], object]) -> float:
    begun = process_time()
    work()
    sleep(_SETTLED)
    return (process_time() - begun) * 1000


def _main(seconds: str) -> None:
    with TemporaryDirectory(prefix="refnot-benchmark-") as name:
        for what, times in sampled(stores.sqlite(Path(name)), float(seconds)):
            print(json.dumps({"what": what, "ms": times.service, "yardstick": times.yardstick}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
