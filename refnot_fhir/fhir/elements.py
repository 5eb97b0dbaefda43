"""FHIR's data types as core records: moments, quantities, concepts, references, extensions.

All functions trust the structure of what they read: the gate ran before.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any

from refnot_fhir.core.values import Coding, Concept, DaySpan, Quantity, When

Json = Mapping[str, Any]

# A day short of what Python can hold, so that every time zone can still show them as a date.
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Stands for "no earlier bound is known"."""
END = datetime(9999, 12, 30, tzinfo=UTC)
"""Stands for "no later bound is known"."""

_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?P<offset>Z|[+-]\d\d:\d\d)?)?)?)?"
)
_UTC_OFFSETS = frozenset({"Z", "+00:00", "-00:00"})
_NO_OFFSET = timedelta(0)


def day_span(text: str) -> DaySpan:
    """The calendar days that a FHIR `date` can mean: `1950-02` is all of that February."""
    year, month, day = _date_parts(_matched(text))
    first = date(year, month or 1, day or 1)
    return DaySpan(first, _last_day(year, month, day), text)


def when(text: str, *, zone: tzinfo, dates_in_utc: bool = False) -> When:
    """The moments that a FHIR `dateTime` or `instant` can mean.

    What has no time is whole days in `zone`; a time without an offset is a local one, and where the
    clock was set back it is both of the moments that it can be. `dates_in_utc` takes an offset of
    zero for what some feeds make of it, the local clock with a false `Z`.
    """
    exact = _stated(text)
    if exact is not None and not (dates_in_utc and exact.utcoffset() == _NO_OFFSET):
        moment_ = _shifted(exact)
        return When(moment_, moment_, text)
    parts = _matched(text)
    if parts["hour"] is None:
        days = day_span(text)
        return When(_start_of(days.first, zone), _end_of(days.last, zone), text)
    earliest, latest = _clock(parts)
    offset = parts["offset"]
    if offset is None or (dates_in_utc and offset in _UTC_OFFSETS):
        return When(_local(earliest, zone)[0], _local(latest, zone)[1], text)
    stated = _offset(offset)
    return When(_utc(earliest, stated), _utc(latest, stated), text)


def period(element: Json, *, zone: tzinfo, dates_in_utc: bool = False) -> When | None:
    """From the earliest start to the latest end; a bound that is not said is not known."""
    start, end = element.get("start"), element.get("end")
    if start is None and end is None:
        return None
    first = BEGINNING if start is None else _bound(start, zone, dates_in_utc).earliest
    last = END if end is None else _bound(end, zone, dates_in_utc).latest
    return When(first, max(first, last), f"{start or ''}/{end or ''}")


def timing(element: Json, *, zone: tzinfo, dates_in_utc: bool = False) -> When | None:
    """From the first to the last event of a Timing, or else its bounds, if it has any."""
    events = [event for event in element.get("event", ()) if event is not None]
    if not events:
        bounds = element.get("repeat", {}).get("boundsPeriod", {})
        return period(bounds, zone=zone, dates_in_utc=dates_in_utc)
    seen = [_bound(event, zone, dates_in_utc) for event in events]
    first, last = min(w.earliest for w in seen), max(w.latest for w in seen)
    return When(first, last, ", ".join(events))


def moment(parent: Json, name: str, *, zone: tzinfo, dates_in_utc: bool = False) -> When | None:
    """`name`[x] of `parent`, whichever of dateTime, instant, Period and Timing it is."""
    for kind in ("DateTime", "Instant"):
        if (text := parent.get(name + kind)) is not None:
            return when(text, zone=zone, dates_in_utc=dates_in_utc)
    if (element := parent.get(f"{name}Period")) is not None:
        return period(element, zone=zone, dates_in_utc=dates_in_utc)
    element = parent.get(f"{name}Timing")
    return None if element is None else timing(element, zone=zone, dates_in_utc=dates_in_utc)


def quantity(element: Json | None) -> Quantity | None:
    """A Quantity, its number exactly as sent."""
    if element is None:
        return None
    value = element.get("value")
    return Quantity(
        value=None if value is None else Decimal(value),
        unit=element.get("unit", ""),
        code=element.get("code", ""),
        system=element.get("system", ""),
        comparator=element.get("comparator", ""),
    )


def coding(element: Json) -> Coding:
    """A Coding; what it does not say is empty."""
    return Coding(element.get("system", ""), element.get("code", ""), element.get("display", ""))


def concept(element: Json | None) -> Concept | None:
    """A CodeableConcept."""
    if element is None:
        return None
    return Concept(tuple(map(coding, element.get("coding", ()))), element.get("text", ""))


def concepts(elements: list[Json] | None) -> tuple[Concept, ...]:
    """A list of CodeableConcepts that may be absent."""
    return tuple(found for element in elements or () if (found := concept(element)) is not None)


def id_of(reference: Json | None, type_: str) -> str:
    """The id in a relative reference to a `type_`; empty if it is not one.

    An absolute address that is left here is another server's: what it names is not ours, even if
    it ends in the same type and id.
    """
    literal = "" if reference is None else reference.get("reference", "")
    found = _reference_to(type_).fullmatch(literal)
    return found[1] if found else ""


@cache
def _reference_to(type_: str) -> re.Pattern[str]:
    return re.compile(rf"{type_}/([A-Za-z0-9\-.]{{1,64}})(?:/_history/[^/]+)?")


CONDITIONAL = re.compile(r"/?([A-Z][A-Za-z]{0,63})\?(.+)", re.DOTALL)
"""A conditional reference: a type and a search (https://hl7.org/fhir/R4/http.html#trules)."""


def contained(resource: Json, reference: str) -> tuple[int, Json] | None:
    """The contained resource that `#id` means, with its place; None if there is none."""
    for place, inner in enumerate(resource.get("contained", ())):
        if reference == f"#{inner.get('id')}":
            return place, inner
    return None


def extensions(element: Json, url: str) -> Iterator[Json]:
    """The extensions with that URL."""
    return (found for found in element.get("extension", ()) if found.get("url") == url)


def modifiers(*elements: Json) -> str:
    """Why the elements must not be used: the modifier extensions on them, none of which we know.

    FHIR forbids to process an element with a modifier extension that is not understood
    (https://hl7.org/fhir/R4/extensibility.html#modifierExtension). Empty if there are none.
    """
    urls = [found["url"] for element in elements for found in element.get("modifierExtension", ())]
    return f"modifierExtension {', '.join(urls)}" if urls else ""


def _stated(text: str) -> datetime | None:
    """A moment to the second with its offset, as nearly all are; the quick way for these."""
    if text[10:11] != "T" or text[16:17] != ":":
        return None
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        return None
    return stated if stated.tzinfo is not None else None


def _matched(text: str) -> re.Match[str]:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"not a FHIR date or dateTime: {text!r}")
    return found


def _date_parts(parts: re.Match[str]) -> tuple[int, int | None, int | None]:
    month, day = (int(parts[name]) if parts[name] else None for name in ("month", "day"))
    return int(parts["year"]), month, day


def _last_day(year: int, month: int | None, day: int | None) -> date:
    month = month or 12
    return date(year, month, day or calendar.monthrange(year, month)[1])


def _clock(parts: re.Match[str]) -> tuple[datetime, datetime]:
    """The first and the last clock reading meant, without an offset yet."""
    year, month, day = _date_parts(parts)
    minute = datetime(year, month or 1, day or 1, int(parts["hour"]), int(parts["minute"]))  # noqa: DTZ001
    last = minute.replace(second=59, microsecond=999999)
    if parts["second"] is None:
        return minute, last
    if parts["second"] == "60":
        # No clock here can show a leap second: the last instant of its minute keeps the day right.
        return last, last
    fraction = (parts["fraction"] or "")[:6].ljust(6, "0")
    exact = minute.replace(second=int(parts["second"]), microsecond=int(fraction))
    return exact, exact


def _local(clock: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The moments at which clocks in `zone` can have shown this: two if they were set back."""
    both = [_shifted(clock.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)]
    return min(both), max(both)


def _start_of(day: date, zone: tzinfo) -> datetime:
    return _local(datetime(day.year, day.month, day.day), zone)[0]  # noqa: DTZ001


def _end_of(day: date, zone: tzinfo) -> datetime:
    return _local(datetime(day.year, day.month, day.day, 23, 59, 59, 999999), zone)[1]  # noqa: DTZ001


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    ahead = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-ahead if text[0] == "-" else ahead)


def _utc(clock: datetime, stated: timezone) -> datetime:
    return _shifted(clock.replace(tzinfo=stated))


def _shifted(moment_: datetime) -> datetime:
    """In UTC: two moments of one DST zone would be compared by their clocks, not by time."""
    try:
        shifted = moment_.astimezone(UTC)
    except OverflowError:
        return BEGINNING if moment_.year == 1 else END
    if date.min.year < shifted.year < date.max.year:
        return shifted
    return min(max(shifted, BEGINNING), END)


def _bound(text: str, zone: tzinfo, dates_in_utc: bool) -> When:
    return when(text, zone=zone, dates_in_utc=dates_in_utc)
