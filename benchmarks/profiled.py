"""Where the time of a transaction goes: cProfile over the same path, in one process.

A profile makes calls of Python functions look dearer than they are; what is compared with floors
is never measured under it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from cProfile import Profile
from itertools import count
from pathlib import Path
from pstats import Stats
from typing import Any

from benchmarks import bundles, inside, wsgi
from benchmarks.report import Report

_NUMBER = {2: 300, 100: 100}
"""Transactions of so many entries that are profiled."""
_WARM = 10
_ENGINES = ("sqlite3", "msgspec", "jsonschema_rs", "hashlib")
_WAITING = ("method 'acquire' of '_thread", "method 'get' of '_queue.SimpleQueue'")
_SHOWN = 25


def measure(report: Report, folder: Path) -> None:
    """Own time by room and engine, and the functions that take most of it, on SQLite."""
    templates = bundles.templates(inside.today())
    numbers = count()
    for entries, transactions in _NUMBER.items():
        with _profiles() as profiles:
            service = inside.opened(f"sqlite:///{folder / f'profile-{entries}.sqlite'}")
            for turn in range(_WARM + transactions):
                if turn == _WARM:
                    for profile in profiles:
                        profile.clear()
                number = next(numbers)
                template = templates[number % len(templates)]
                cut = template if entries > bundles.RESULTS else bundles.first(template, entries)
                body = bundles.for_patient(cut, bundles.patient_id("profile", number))
                wsgi.ask(service.application, "POST", "/fhir", body)
            service.close()
        stats = Stats(profiles[0])
        for profile in profiles[1:]:
            stats.add(profile)
        _show(report, stats, f"profile of {transactions} transactions of {entries}", transactions)


@contextmanager
def _profiles() -> Iterator[list[Profile]]:
    """A profile of this thread, and of each that is started meanwhile."""
    found = [Profile()]

    def begin(*_event: object) -> None:
        profile = Profile()
        found.append(profile)
        profile.enable()

    threading.setprofile(begin)
    found[0].enable()
    try:
        yield found
    finally:
        found[0].disable()
        threading.setprofile(None)


def _show(report: Report, stats: Stats, title: str, transactions: int) -> None:
    rows: dict[tuple[str, int, str], tuple[Any, ...]] = stats.stats  # type: ignore[attr-defined]
    rooms: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for (file, _, name), row in rows.items():
        if any(one in name for one in _WAITING):
            continue
        room, function = _room(file, name), f"{inside.name_of(file) or _short(file)}: {name}"
        rooms[room] += row[2]
        functions[function] += row[2]
        calls[function] += row[1]
    whole = sum(rooms.values())
    cells = [[name, f"{seconds / whole:.1%}"] for name, seconds in rooms.most_common(_SHOWN)]
    report.table(f"{title}: own time by room", ("where", "share"), cells)
    cells = [
        [name, f"{seconds / whole:.1%}", f"{calls[name] / transactions:.0f}"]
        for name, seconds in functions.most_common(_SHOWN)
    ]
    report.table(f"{title}: own time by function", ("where", "share", "calls each"), cells)


def _room(file: str, name: str) -> str:
    own = inside.name_of(file)
    if own is not None:
        return ".".join(own.split(".")[:2]) if own.startswith("fhir.") else own.partition(".")[0]
    if file == "<string>":
        return "dataclasses, made"
    if "flask" in file or "werkzeug" in file:
        return "flask, werkzeug"
    return next((engine for engine in _ENGINES if engine in name), "Python")


def _short(file: str) -> str:
    return "/".join(Path(file).parts[-2:])
