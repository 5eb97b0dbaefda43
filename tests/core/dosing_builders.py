"""Courses of the study drug in one line, for the tests of dosing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from refnot_fhir.core.dosing.record import follow
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.facts import Dose
from refnot_fhir.core.values import When, reason
from tests import builders as build

FIRST = date(2010, 3, 1)
"""A Monday."""
FULL_COURSE = tuple(7 * week + day for week in range(4) for day in (0, 2, 4))
"""Monday, Wednesday and Friday for four weeks, as days after the first dose."""
PLACES = (("upper-arm", "left"), ("upper-arm", "right"), ("thigh", "left"), ("thigh", "right"))


def day(number: int) -> date:
    """The date that many days after FIRST."""
    return FIRST + timedelta(days=number)


def given(
    number: int | When | None,
    amount: str | int | None = 400000,
    *,
    id: str = "",
    hour: int = 10,
    minute: int = 0,
    **changes: object,
) -> Dose:
    """A dose given as the protocol says, so many days after FIRST, at alternating places."""
    place = PLACES[number % len(PLACES)] if isinstance(number, int) else ("", "")
    clock = (hour + minute // 60, minute % 60)
    when = build.moment(day(number), *clock) if isinstance(number, int) else number
    name = id or f"a{number}-{hour}-{minute}" if isinstance(number, int) else id or "a"
    dose = Dose(
        source=build.source(name, "MedicationAdministration"),
        patient="p1",
        outcome="given",
        drug="refnot",
        amount=None if amount is None else Decimal(amount),
        no_amount=reason("no-dose") if amount is None else None,
        route="subcutaneous",
        body_site=place[0],
        side=place[1],
        given=when,
    )
    return replace(dose, **changes)


def not_given(number: int, reason: str = "fever", **changes: object) -> Dose:
    """A dose reported as not done."""
    return given(number, None, outcome="not-given", reason=reason, **changes)


def course(*days: int) -> list[Dose]:
    """A dose on each of these days."""
    return [given(number) for number in days]


def on_day(number: int) -> When:
    """A whole day, no time said."""
    return build.whole_days(day(number))


def record(doses: Iterable[Dose], as_of: int | None = None, **changes: object) -> DosingRecord:
    """What `follow` makes of these doses, by default on the day of the last one."""
    doses = tuple(doses)
    days = [(d.given.latest.date() - FIRST).days for d in doses if d.given]
    today = day(max(days, default=0) if as_of is None else as_of)
    chart = replace(build.chart(doses=doses), **changes)
    return follow(build.PROTOCOL, chart, today)


def codes(found: DosingRecord) -> list[tuple[str, int | None]]:
    """Every deviation as its code and the day after FIRST that it is about."""
    return [(one.code, (one.on - FIRST).days if one.on else None) for one in found.deviations]


def numbers(found: DosingRecord) -> list[tuple[int, int | None]]:
    """Course and number of every dose."""
    return [(dose.course, dose.number) for dose in found.doses]
