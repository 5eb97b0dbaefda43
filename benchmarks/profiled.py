"""Where the time of a bundle goes: cProfile over the same path, in one process, by room.

A profile makes calls of Python functions look dearer than they are; what is compared with floors
is never measured under it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from cProfile import Profile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from pstats import Stats
from typing import Any, TypeVar

from benchmarks import bundles
from benchmarks.report import Report
from refnot_fhir.compose import prepare
from refnot_fhir.settings import Settings
from refnot_fhir.store.contract import BodyFault, Reader, Store, Writer
from refnot_fhir.web.app import create_app

T = TypeVar("T")

BUNDLES = 100
_WARM = 10
_ROOMS = ("core", "fhir", "intake", "store", "web")
_ENGINES = ("sqlite3", "msgspec", "jsonschema_rs", "hashlib")


class _Watched:
    """A store whose transactions are profiled in the thread that they run in."""

    def __init__(self, store: Store, outside: Profile, inside: Profile) -> None:
        self._store, self._outside, self._inside = store, outside, inside

    def write(self, work: Callable[[Writer], T]) -> T:
        """As the store does; only one profile can be on at a time."""
        self._outside.disable()
        try:
            return self._store.write(lambda writer: self._inside.runcall(work, writer))
        finally:
            self._outside.enable()

    def read(self) -> AbstractContextManager[Reader]:
        """As the store does."""
        return self._store.read()

    def mark(self, name: str) -> str | None:
        """As the store does."""
        return self._store.mark(name)

    def newest_moment(self) -> datetime | None:
        """As the store does."""
        return self._store.newest_moment()

    def verify_audit(self) -> int | None:
        """As the store does."""
        return self._store.verify_audit()

    def verify_bodies(self) -> BodyFault | None:
        """As the store's."""
        return self._store.verify_bodies()

    def close(self) -> None:
        """As the store does."""
        self._store.close()


def measure(report: Report, folder: Path) -> None:
    """Own time by room and engine, and the functions that take most of it."""
    logging.disable(logging.INFO)
    service = prepare(Settings(database_url=f"sqlite:///{folder / 'profile.sqlite'}"))
    outside, inside = Profile(), Profile()
    client = create_app(replace(service, store=_Watched(service.store, outside, inside)))
    templates = bundles.templates(service.judge().today(service.site()))
    try:
        for number in range(_WARM + BUNDLES):
            body = bundles.for_patient(
                templates[number % len(templates)], bundles.patient_id("profile", number)
            )
            if number == _WARM:
                outside.clear()
                inside.clear()
            answer = outside.runcall(client.test_client().post, "/fhir", data=body)
            if answer.status_code != 200:
                raise RuntimeError(answer.get_data(as_text=True)[:500])
    finally:
        service.store.close()
    _show(report, Stats(outside).add(inside))


def _show(report: Report, stats: Stats) -> None:
    rows: dict[tuple[str, int, str], tuple[Any, ...]] = stats.stats  # type: ignore[attr-defined]
    rooms: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for (file, _, name), row in rows.items():
        room = _room(file, name)
        rooms[room] += row[2]
        functions[f"{room}: {name}"] += row[2]
    whole = sum(rooms.values())
    for title, found in (("own time by room", rooms), ("own time by function", functions)):
        cells = [[name, f"{seconds / whole:.1%}"] for name, seconds in found.most_common(20)]
        report.table(f"profile of {BUNDLES} bundles: {title}", ("where", "share"), cells)


def _room(file: str, name: str) -> str:
    for room in _ROOMS:
        if f"refnot_fhir/{room}/" in file:
            return f"{room}/{Path(file).stem}" if room == "fhir" else room
    if "refnot_fhir" in file:
        return Path(file).stem
    if file == "<string>":
        return "dataclasses, made"
    if "flask" in file or "werkzeug" in file:
        return "flask, werkzeug"
    return next((engine for engine in _ENGINES if engine in name), "Python")
