"""Dates and moments as FHIR writes them: `date`, `dateTime`, `instant`; read nowhere else.

What has no time, or not all of a date, is every moment that it can mean: `2026-05` is all of that
May. https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

from refnot_fhir.core.values import DaySpan, When
from refnot_fhir.errors import BadInput, Problem

Precision = Literal["year", "month", "day", "time"]

# A day short of what Python can hold, so that every time zone can still show them as a date.
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Stands for "no earlier bound is known"."""
END = datetime(9999, 12, 30, tzinfo=UTC)
"""Stands for "no later bound is known"."""

_DATE_TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?P<offset>Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_NO_OFFSET = timedelta(0)
# A date without a zone may be the day of any place on Earth: UTC-12 to UTC+14.
_WESTMOST, _EASTMOST = timedelta(hours=-12), timedelta(hours=14)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_YEAR, _LAST_YEAR = date.min.year, date.max.year
_YEAR_ONE = datetime(1, 1, 1)  # noqa: DTZ001  # a reading of the clock, as those it is taken from


class _Clock(NamedTuple):
    """The first and the last reading of a clock that a text can mean, and that clock's offset."""

    first: datetime
    last: datetime
    offset: timedelta | None
    precision: Precision


def precision(text: str) -> Precision | None:
    """To what a date or dateTime is written; None for any other text, as that of a period."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    if found["hour"] is not None:
        return "time"
    return "day" if found["day"] else "month" if found["month"] else "year"


def day_span(text: str) -> DaySpan:
    """The calendar days that a FHIR `date` can mean: `1950-02` is all of that February."""
    clock = _read(text)
    return DaySpan(clock.first.date(), clock.last.date(), text)


def when(text: str, *, zone: tzinfo, dates_in_utc: bool = False) -> When:
    """The moments that a FHIR `dateTime` or `instant` can mean.

    What has no time is whole days in `zone`; a time without an offset is a local one, and where the
    clock was set back it is both of the moments that it can be. `dates_in_utc` takes an offset of
    zero for what some feeds make of it, the local clock with a false `Z`. Raises ValueError for
    text that is neither.
    """
    if len(text) > _LONG:
        return _when(text, zone, dates_in_utc)
    return _when_known(text, zone, dates_in_utc)


def _when(text: str, zone: tzinfo, dates_in_utc: bool) -> When:
    exact = _stated(text)
    if exact is not None and not (dates_in_utc and exact.utcoffset() == _NO_OFFSET):
        moment = _in_utc(exact)
        return When(moment, moment, text)
    first, last, offset, _ = _read(text)
    if offset is None or (dates_in_utc and offset == _NO_OFFSET):
        return When(_local(first, zone)[0], _local(last, zone)[1], text)
    stated = timezone(offset)
    return When(_in_utc(first.replace(tzinfo=stated)), _in_utc(last.replace(tzinfo=stated)), text)


# What was collected together, or came in together, says one moment many times.
_LONG = 40
_when_known = lru_cache(maxsize=4096)(_when)


def may_precede(start: str, end: str) -> bool:
    """False when even the earliest moment of `start` comes after the latest of `end`.

    Two dates without a time are taken for days of one place, otherwise a date for that day
    anywhere on Earth.
    """
    one, other = _read(start), _read(end)
    if one.precision != "time" != other.precision:
        return one.first <= other.last
    east = _EASTMOST if one.offset is None else one.offset
    west = _WESTMOST if other.offset is None else other.offset
    # The last microsecond of a day is not its end.
    rest = _NO_OFFSET if other.precision == "time" else _MICROSECOND
    return one.first - _YEAR_ONE - east <= other.last - _YEAR_ONE - west + rest


def asked_moment(text: str, name: str) -> datetime:
    """The moment, or the beginning of the day in UTC, that a parameter `name` asks for.

    A time without an offset is one of UTC. Raises BadInput for anything else.
    """
    # A plus sign that was not escaped in a URL arrives as a blank.
    text = text.replace(" ", "+")
    try:
        if precision(text) in ("day", "time"):
            return when(text, zone=UTC).earliest
    except ValueError:
        pass
    raise _not_asked(f"{name} is not an instant such as 2026-05-01T00:00:00Z")


def asked_day(text: str, name: str) -> date:
    """The calendar date that a parameter `name` asks for. Raises BadInput for anything else."""
    try:
        if precision(text) == "day":
            return day_span(text).first
    except ValueError:
        pass
    raise _not_asked(f"{name} is not a calendar date such as 2026-05-01")


def _not_asked(said: str) -> BadInput:
    return BadInput(said, (Problem("value", said),))


def _stated(text: str) -> datetime | None:
    """A moment to the second with its offset, as nearly all are; the quick way for these."""
    if text[10:11] != "T" or text[16:17] != ":":
        return None
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        return None
    return stated if stated.tzinfo is not None else None


def _read(text: str) -> _Clock:
    found, written = _DATE_TIME.fullmatch(text), precision(text)
    if found is None or written is None:
        raise ValueError(f"not a FHIR date or dateTime: {text!r}")
    year, month, day = (int(found[name] or 0) for name in ("year", "month", "day"))
    if written == "time":
        minute = datetime(year, month, day, int(found["hour"]), int(found["minute"]))  # noqa: DTZ001
        return _Clock(*_within(minute, found), _offset(found["offset"]), written)
    first = datetime(year, month or 1, day or 1)  # noqa: DTZ001
    day = day or calendar.monthrange(year, month or 12)[1]
    last = datetime(year, month or 12, day, 23, 59, 59, 999999)  # noqa: DTZ001
    return _Clock(first, last, None, written)


def _within(minute: datetime, found: re.Match[str]) -> tuple[datetime, datetime]:
    """The first and the last reading of the clock within its minute."""
    last = minute.replace(second=59, microsecond=999999)
    if found["second"] is None:
        return minute, last
    if found["second"] == "60":
        # No clock here can show a leap second: the last instant of its minute keeps the day right.
        return last, last
    fraction = (found["fraction"] or "")[:6].ljust(6, "0")
    exact = minute.replace(second=int(found["second"]), microsecond=int(fraction))
    return exact, exact


def _offset(text: str | None) -> timedelta | None:
    if text is None or text == "Z":
        return None if text is None else _NO_OFFSET
    ahead = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return -ahead if text[0] == "-" else ahead


def _local(clock: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The moments at which clocks in `zone` can have shown this: two if they were set back."""
    both = [_in_utc(clock.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)]
    return min(both), max(both)


def _in_utc(moment: datetime) -> datetime:
    """In UTC: two moments of one DST zone would be compared by their clocks, not by time."""
    try:
        shifted = moment.astimezone(UTC)
    except OverflowError:
        return BEGINNING if moment.year == 1 else END
    if _FIRST_YEAR < shifted.year < _LAST_YEAR:
        return shifted
    return min(max(shifted, BEGINNING), END)
