"""What a request passes on its way: modules, functions, calls and changes of room, in all threads.

A room is a package or a module at the top level of the package. Counts do not depend on what else
the machine does, nor on how fast it is.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from time import sleep
from types import CodeType, FrameType
from typing import Any
from wsgiref.types import WSGIApplication

from benchmarks import bundles, inside, wsgi
from benchmarks.inprocess import query
from benchmarks.report import Report

_MADE = "<string>"
"""The file of the constructors that `dataclass` writes."""
_WARM = 8
_PUT = 6
"""Which resource of a bundle is sent alone."""
_SETTLED = 0.05
"""Seconds in which a writer's thread comes to rest after its answer."""
_SHOWN = 25


@dataclass(frozen=True, slots=True)
class Passed:
    """What was passed by one request."""

    modules: int
    functions: int
    calls: int
    """Of functions of the package; each return into a generator is one, too."""
    entered: int
    """Calls from one room into another, and the first of each thread."""
    all_calls: int
    """Of Python functions, libraries included."""
    dataclasses: int
    """Constructed."""
    by_room: Counter[str]
    """Calls of functions of the package."""
    by_function: Counter[str]


class Counting:
    """Counts calls in this thread and in those that are started after it, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self._codes: Counter[CodeType] = Counter()
        self._entered = 0
        self._rooms: dict[str, str | None] = {}

    def start(self) -> None:
        """Watch this thread and all that it starts."""
        threading.setprofile(self._event)
        sys.setprofile(self._event)

    @staticmethod
    def stop() -> None:
        """Watch no more."""
        sys.setprofile(None)
        threading.setprofile(None)

    def of(self, work: Callable[[], object]) -> Passed:
        """What is passed while it works."""
        self._codes.clear()
        self._entered = 0
        self.on = True
        try:
            work()
        finally:
            self.on = False
        return self._passed()

    def _event(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or not self.on:
            return
        code = frame.f_code
        self._codes[code] += 1
        room = self._room(code.co_filename)
        if room is not None and room != self._caller(frame):
            self._entered += 1

    def _caller(self, frame: FrameType) -> str | None:
        """The room that a call comes from, whatever of others lies between."""
        above = frame.f_back
        while above is not None:
            room = self._room(above.f_code.co_filename)
            if room is not None:
                return room
            above = above.f_back
        return None

    def _room(self, file: str) -> str | None:
        if file not in self._rooms:
            self._rooms[file] = room_of(file)
        return self._rooms[file]

    def _passed(self) -> Passed:
        own = {c: n for c, n in self._codes.items() if self._room(c.co_filename) is not None}
        rooms: Counter[str] = Counter()
        functions: Counter[str] = Counter()
        for code, count in own.items():
            rooms[str(self._room(code.co_filename))] += count
            functions[f"{inside.name_of(code.co_filename)}: {code.co_qualname}"] += count
        return Passed(
            modules=len({code.co_filename for code in own}),
            functions=len(own),
            calls=sum(own.values()),
            entered=self._entered,
            all_calls=sum(self._codes.values()),
            dataclasses=sum(
                n for c, n in self._codes.items()
                if c.co_filename == _MADE and c.co_name == "__init__"
            ),
            by_room=rooms,
            by_function=functions,
        )  # fmt: skip


def room_of(file: str) -> str | None:
    """The room of a file of the package; None for any other file."""
    name = inside.name_of(file)
    return None if name is None else name.partition(".")[0]


def measure(report: Report, folder: Path) -> None:
    """A PUT of one Observation, transactions and a query, each after others of its kind."""
    counting = Counting()
    counting.start()
    try:
        service = inside.opened(f"sqlite:///{folder / 'calls.sqlite'}")
        try:
            found = dict(_found(counting, service.application))
        finally:
            service.close()
    finally:
        counting.stop()
    _show(report, found)


def _found(counting: Counting, service: WSGIApplication) -> Iterator[tuple[str, Passed]]:
    templates = bundles.templates(inside.today())

    def send(number: int, entries: int) -> None:
        template = templates[number % len(templates)]
        cut = template if entries > bundles.RESULTS else bundles.first(template, entries)
        body = bundles.for_patient(cut, bundles.patient_id("calls", number))
        wsgi.ask(service, "POST", "/fhir", body)
        sleep(_SETTLED)

    def put(number: int) -> None:
        patient = bundles.patient_id("calls", number)
        line = list(bundles.resources(templates[number % len(templates)]))[_PUT]
        body = bundles.for_patient(line, patient)
        wsgi.ask(service, "PUT", f"/fhir/Observation/{patient}-{_PUT - 1:03}", body)
        sleep(_SETTLED)

    def ask(number: int) -> None:
        wsgi.ask(service, "GET", query(bundles.patient_id("calls", number)))

    for number in range(_WARM):
        send(number, 2)
        send(_WARM + number, 100)
    for number in range(3):
        put(number)
        ask(number)
    yield "PUT of one Observation", counting.of(lambda: put(4))
    yield "transaction of 2", counting.of(lambda: send(2 * _WARM, 2))
    yield "transaction of 100", counting.of(lambda: send(2 * _WARM + 1, 100))
    yield "enrolment query", counting.of(lambda: ask(5))


def _show(report: Report, found: dict[str, Passed]) -> None:
    rows = []
    for what, one in found.items():
        numbers = {name: value for name, value in vars_of(one) if isinstance(value, int)}
        report.counts(f"calls of {what}", {**numbers, "by_function": one.by_function})
        rows.append([what, *(f"{value:,}" for value in numbers.values())])
    head = ("request", "modules", "functions", "calls", "changes of room", "all calls", "made")
    report.table("(j) what a request passes, the writer's thread included", head, rows)
    for what, one in found.items():
        rooms = ", ".join(f"{room} {count:,}" for room, count in one.by_room.most_common())
        print(f"\nCalls of {what} by room: {rooms}")
    large = found["transaction of 100"].by_function.most_common(_SHOWN)
    cells = [[name, f"{count:,}"] for name, count in large]
    report.table("(j) most called in a transaction of 100", ("function", "calls"), cells)


def vars_of(one: Passed) -> Iterator[tuple[str, object]]:
    """The fields, in order."""
    return ((field.name, getattr(one, field.name)) for field in fields(one))
