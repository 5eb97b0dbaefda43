"""Days, birthdays and ages, without ever leaving the calendar."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from refnot_fhir.core.values import DaySpan

_MONTHS = 12


# Cached: all criteria of all patients ask for the same few days around the date of assessment.
@lru_cache(maxsize=4096)
def shifted(day: date, days: int) -> date:
    """`day` moved by a number of days; held at the ends of the calendar."""
    number = min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal())
    return date.fromordinal(number)


@lru_cache(maxsize=4096)
def after_months(day: date, months: int) -> date | None:
    """The day on which that many months are completed; None beyond the calendar.

    Where the month is too short it is the first day of the next one: somebody born on 29 February
    completes a year on 1 March of a common year.
    """
    year, month = divmod(day.year * _MONTHS + day.month - 1 + months, _MONTHS)
    if not date.min.year <= year <= date.max.year:
        return None
    month += 1
    if day.day <= _last_day(year, month):
        return date(year, month, day.day)
    return date(year, month + 1, 1)


def _last_day(year: int, month: int) -> int:
    if month == _MONTHS:
        return 31
    return (date(year, month + 1, 1) - timedelta(days=1)).day


def birthday(birth: date, age: int) -> date | None:
    """The day on which somebody becomes `age` years old; None beyond the calendar."""
    return after_months(birth, age * _MONTHS)


def age_in_years(birth: date, on: date) -> int:
    """Completed years on a day; negative before birth."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def ages(birth: DaySpan, on: date) -> tuple[int, int]:
    """The least and the greatest number of completed years that a span of birth dates allows."""
    return age_in_years(birth.last, on), age_in_years(birth.first, on)
