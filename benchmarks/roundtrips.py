"""(g) Round trips to PostgreSQL of single requests, counted on the wire by `trips`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from wsgiref.types import WSGIApplication

from benchmarks import bundles, floor, inside, stores, trips, wsgi
from benchmarks.inprocess import query
from benchmarks.report import Report
from benchmarks.trips import Trips

_ENTRIES = (1, 2, 10, 100)
_WARM = 16
"""Requests before the first that counts: psycopg prepares a statement at its sixth use."""
_TIMES = 7
_SHOWN = 110
"""Characters of a statement."""


def measure(report: Report, folder: Path) -> None:
    """Of transactions of several sizes, of the enrolment query, and of the floor's one row."""
    with stores.postgresql(folder) as store:
        server = store.server
        assert server is not None  # noqa: S101 - it is what this store is made of
        with trips.counted(server.process.port) as (port, seen):
            below = server.url(server.database(), port)
            floor.prepare(below)
            service = inside.opened(server.url(server.database(), port))
            try:
                _measure(report, seen, service.application, floor.application(below))
            finally:
                service.close()


def _measure(report: Report, seen: Trips, service: WSGIApplication, below: WSGIApplication) -> None:
    templates = bundles.templates(inside.today())
    numbers = count()

    def send(application: WSGIApplication, entries: int, kind: str = "trips") -> None:
        number = next(numbers) if kind == "trips" else 0
        template = templates[number % len(templates)]
        cut = template if entries > bundles.RESULTS else bundles.first(template, entries)
        body = bundles.for_patient(cut, bundles.patient_id(kind, number))
        wsgi.ask(application, "POST", "/fhir", body)

    def ask() -> None:
        wsgi.ask(service, "GET", query(bundles.patient_id("asked", 0)))

    send(service, 4, "asked")
    rows = [_row(report, seen, "one row, the floor", lambda: send(below, 2))]
    for entries in _ENTRIES:
        what = f"transaction of {entries}"
        rows.append(_row(report, seen, what, partial(send, service, entries)))
    rows.append(_row(report, seen, "enrolment query", ask))
    head = ("request", "round trips", "fewest", "most", "statements")
    report.table("(g) round trips to PostgreSQL", head, rows)
    for what, work in (
        ("a transaction of 2", lambda: send(service, 2)),
        ("an enrolment query", ask),
    ):
        _show(what, _of(seen, work))


def _row(report: Report, seen: Trips, what: str, work: Callable[[], None]) -> list[str]:
    for _ in range(_WARM):
        work()
    found = [_of(seen, work) for _ in range(_TIMES)]
    counts = [len(one) for one in found]
    statements = [sum(map(len, one)) for one in found]
    report.times("round trips", what, counts)
    return [
        what, f"{median(counts):.0f}", str(min(counts)), str(max(counts)),
        f"{median(statements):.0f}",
    ]  # fmt: skip


def _of(seen: Trips, work: Callable[[], None]) -> list[list[str]]:
    before = seen.count
    work()
    return seen.statements[before:]


def _show(what: str, found: list[list[str]]) -> None:
    print(f"\nThe round trips of {what}, in order\n")
    for number, statements in enumerate(found, start=1):
        texts = (" ".join(text.split())[:_SHOWN] for text in statements)
        print(f"{number:>3}. {' + '.join(texts) or '(nothing but synchronisation)'}")
