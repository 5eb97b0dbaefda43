"""Where the time of a transaction goes: cProfile over the same path, in one process.

A profile makes calls of Python functions look dearer than they are; what is compared with floors
is never measured under it.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from cProfile import Profile
from itertools import count
from pathlib import Path
from types import CodeType

from benchmarks import bundles, inside, wsgi
from benchmarks.report import Report

_NUMBER = {2: 300, 100: 100}
"""Transactions of so many entries that are profiled."""
_WARM = 10
_ENGINES = ("sqlite3", "msgspec", "jsonschema_rs", "hashlib")
_WAITING = ("'acquire' of '_thread", "'get' of '_queue.SimpleQueue", "'put' of '_queue.SimpleQueue")
"""Waits for another thread."""
_SHOWN = 25

Totals = dict[CodeType | str, tuple[float, int]]


def measure(report: Report, folder: Path) -> None:
    """Own time by room and engine, and the functions that take most of it, on SQLite."""
    templates = bundles.templates(inside.today())
    numbers = count()
    for entries, transactions in _NUMBER.items():
        before: Totals = {}
        with _profiles() as profiles:
            service = inside.opened(f"sqlite:///{folder / f'profile-{entries}.sqlite'}")
            for turn in range(_WARM + transactions):
                if turn == _WARM:
                    before = _totals(profiles)
                number = next(numbers)
                template = templates[number % len(templates)]
                cut = template if entries > bundles.RESULTS else bundles.first(template, entries)
                body = bundles.for_patient(cut, bundles.patient_id("profile", number))
                wsgi.ask(service.application, "POST", "/fhir", body)
            service.close()
        title = f"profile of {transactions} transactions of {entries}"
        _show(report, _without(_totals(profiles), before), title, transactions)


def _totals(profiles: Iterable[Profile]) -> Totals:
    """Own time and calls so far of each function, in all threads."""
    found: Totals = {}
    # `pstats` would take all functions of one file, line and name for one: every constructor that
    # `dataclass` writes is such a one.
    for profile in profiles:
        for entry in profile.getstats():
            seconds, calls = found.get(entry.code, (0.0, 0))
            found[entry.code] = (seconds + entry.inlinetime, calls + entry.callcount)
    return found


def _without(after: Totals, before: Totals) -> Totals:
    """What came after; a profile that is cleared while it is on may lose everything."""
    nothing = (0.0, 0)
    return {
        code: (seconds - before.get(code, nothing)[0], calls - before.get(code, nothing)[1])
        for code, (seconds, calls) in after.items()
    }


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
        threading.setprofile(None)
        # Those of ended threads, too: one that is still on when it is freed ends that of the
        # thread in which it is.
        for profile in found:
            profile.disable()


def _show(report: Report, found: Totals, title: str, transactions: int) -> None:
    rooms: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    calls: Counter[str] = Counter()
    for code, (seconds, number) in found.items():
        room, function = _named(code)
        if any(one in function for one in _WAITING):
            continue
        rooms[room] += seconds
        functions[function] += seconds
        calls[function] += number
    whole = sum(rooms.values())
    head = ("where", "share", "ms each")
    cells = [_cells(name, seconds, whole, transactions) for name, seconds in _most(rooms)]
    report.table(f"{title}: own time by room", head, cells)
    cells = [
        [*_cells(name, seconds, whole, transactions), f"{calls[name] / transactions:.0f}"]
        for name, seconds in _most(functions)
    ]
    report.table(f"{title}: own time by function", (*head, "calls each"), cells)


def _most(found: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(found.items(), key=lambda one: -one[1])[:_SHOWN]


def _cells(name: str, seconds: float, whole: float, transactions: int) -> list[str]:
    return [name, f"{seconds / whole:.1%}", f"{seconds / transactions * 1000:.3f}"]


def _named(code: CodeType | str) -> tuple[str, str]:
    """Room and name of a function."""
    if isinstance(code, str):
        return next((engine for engine in _ENGINES if engine in code), "Python, built in"), code
    file = code.co_filename
    own = inside.name_of(file)
    if own is not None:
        room = ".".join(own.split(".")[:2]) if own.startswith("fhir.") else own.partition(".")[0]
        return room, f"{own}: {code.co_qualname}"
    if file == "<string>":
        return "dataclasses, made", f"made by dataclass: {code.co_name}"
    room = "flask, werkzeug" if "flask" in file or "werkzeug" in file else "Python, its library"
    return room, f"{'/'.join(Path(file).parts[-2:])}: {code.co_qualname}"
