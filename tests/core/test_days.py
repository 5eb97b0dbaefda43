"""Ages and days of the calendar."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.days import after_months, age_in_years, ages, birthday, shifted
from tests.builders import birth


@pytest.mark.parametrize(
    ("born", "on", "age"),
    [
        ("1950-06-01", "2025-05-31", 74),
        ("1950-06-01", "2025-06-01", 75),
        ("2008-02-29", "2026-02-28", 17),
        ("2008-02-29", "2026-03-01", 18),
        ("2008-02-29", "2028-02-29", 20),
        ("2026-05-20", "2026-05-19", -1),
    ],
)
def test_age_is_counted_in_completed_years(born: str, on: str, age: int) -> None:
    assert age_in_years(date.fromisoformat(born), date.fromisoformat(on)) == age


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 120))
def test_a_birthday_is_the_first_day_of_an_age(born: date, age: int) -> None:
    day = birthday(born, age)
    assert day is not None
    assert age_in_years(born, day) == age
    assert age == 0 or age_in_years(born, shifted(day, -1)) == age - 1


def test_a_birth_known_to_the_year_gives_two_ages() -> None:
    assert ages(birth("1950"), date(2025, 6, 1)) == (74, 75)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-01-31", 1, "2026-03-01"),
        ("2026-11-30", 1, "2026-12-30"),
        ("2026-12-31", 12, "2027-12-31"),
        ("2025-12-31", 2, "2026-03-01"),
        ("9999-01-01", 12, None),
    ],
)
def test_months_end_on_the_same_day_or_the_first_after(
    day: str, months: int, expected: str | None
) -> None:
    found = after_months(date.fromisoformat(day), months)
    assert found == (expected and date.fromisoformat(expected))


def test_no_day_leaves_the_calendar() -> None:
    assert shifted(date.max, 1) == date.max
    assert shifted(date.min, -1) == date.min
    assert shifted(date(2024, 2, 28), 1) == date(2024, 2, 29)
