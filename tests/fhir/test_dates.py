"""A date is every moment that it can mean, in the site's time zone; no other text is a date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.core.values import DaySpan
from refnot_fhir.errors import BadInput
from refnot_fhir.fhir.dates import (
    BEGINNING,
    END,
    asked_day,
    asked_moment,
    day_span,
    may_precede,
    precision,
    when,
)

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in ("Europe/Moscow", "America/Sao_Paulo", "Asia/Tokyo", "Pacific/Apia")
    ]
)
OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda ahead: timezone(timedelta(minutes=ahead)))
MOMENTS_WITH_OFFSET = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=OFFSETS,
)

MOMENTS = [
    # text, zone, earliest and latest in UTC, why
    ("2010-03-01T10:00:00+03:00", MOSCOW, "2010-03-01T07:00:00", "2010-03-01T07:00:00", "offset"),
    ("2010-03-01T10:00:00Z", MOSCOW, "2010-03-01T10:00:00", "2010-03-01T10:00:00", "UTC"),
    ("2010-03-01T10:00:00-05:30", MOSCOW, "2010-03-01T15:30:00", "2010-03-01T15:30:00", "west"),
    ("2010-03-01T10:00:00.25Z", MOSCOW, "2010-03-01T10:00:00.25", "2010-03-01T10:00:00.25", ".25"),
    (
        "2010-03-01T10:00:00.123456789Z",
        MOSCOW,
        "2010-03-01T10:00:00.123456",
        "2010-03-01T10:00:00.123456",
        "nanoseconds are cut",
    ),
    (
        "2008-12-31T23:59:60Z",
        MOSCOW,
        "2008-12-31T23:59:59.999999",
        "2008-12-31T23:59:59.999999",
        "a leap second stays in its day",
    ),
    (
        "2008-12-31T23:59:60+03:00",
        MOSCOW,
        "2008-12-31T20:59:59.999999",
        "2008-12-31T20:59:59.999999",
        "a leap second elsewhere",
    ),
    (
        "2010-03-01T10:00-05:30",
        MOSCOW,
        "2010-03-01T15:30:00",
        "2010-03-01T15:30:59.999999",
        "a minute in the west",
    ),
    ("2010-03-01T10:00Z", MOSCOW, "2010-03-01T10:00:00", "2010-03-01T10:00:59.999999", "a minute"),
    ("2010-03-01T10:00:00", MOSCOW, "2010-03-01T07:00:00", "2010-03-01T07:00:00", "local time"),
    ("2009-06-04", MOSCOW, "2009-06-03T20:00:00", "2009-06-04T19:59:59.999999", "summer time, +4"),
    ("2009-12-01", MOSCOW, "2009-11-30T21:00:00", "2009-12-01T20:59:59.999999", "winter time, +3"),
    ("2011-11-01", MOSCOW, "2011-10-31T20:00:00", "2011-11-01T19:59:59.999999", "+4 for good"),
    ("2015-11-01", MOSCOW, "2015-10-31T21:00:00", "2015-11-01T20:59:59.999999", "+3 again"),
    (
        "2026-03-29",
        BERLIN,
        "2026-03-28T23:00:00",
        "2026-03-29T21:59:59.999999",
        "a day of 23 hours",
    ),
    ("2026-10-25", BERLIN, "2026-10-24T22:00:00", "2026-10-25T22:59:59.999999", "one of 25 hours"),
    ("2026-10-25T02:30:00", BERLIN, "2026-10-25T00:30:00", "2026-10-25T01:30:00", "twice that day"),
    ("2026-03-29T02:30:00", BERLIN, "2026-03-29T00:30:00", "2026-03-29T01:30:00", "never that day"),
    ("2024-02", UTC, "2024-02-01T00:00:00", "2024-02-29T23:59:59.999999", "a leap month"),
    ("2023", UTC, "2023-01-01T00:00:00", "2023-12-31T23:59:59.999999", "a year"),
]


@pytest.mark.parametrize(("text", "zone", "earliest", "latest", "why"), MOMENTS)
def test_a_date_time_is_every_moment_that_it_can_mean(text, zone, earliest, latest, why):
    seen = when(text, zone=zone)

    assert seen.earliest == datetime.fromisoformat(earliest).replace(tzinfo=UTC), why
    assert seen.latest == datetime.fromisoformat(latest).replace(tzinfo=UTC), why
    assert seen.text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2010-03-01T23:30:00Z", "2010-03-01T20:30:00"),
        ("2010-03-01T23:30:00+00:00", "2010-03-01T20:30:00"),
        ("2010-03-01T23:30:00+03:00", "2010-03-01T20:30:00"),
        ("2010-03-01T23:30:00+05:00", "2010-03-01T18:30:00"),
    ],
)
def test_a_feed_with_a_false_z_means_the_local_clock_and_other_offsets_stand(text, expected):
    seen = when(text, zone=MOSCOW, dates_in_utc=True)

    assert seen.earliest == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001", "0001-01-01T00:00:00+14:00", "9999-12-31", "9999"])
def test_dates_at_both_ends_of_the_calendar_are_read_and_can_be_shown_anywhere(text):
    seen = when(text, zone=ZoneInfo("Pacific/Kiritimati"))

    assert seen.earliest <= seen.latest
    assert seen.days(ZoneInfo("Pacific/Pago_Pago")).first <= seen.days(MOSCOW).last


@pytest.mark.parametrize(
    "text",
    ["2010-03-01T10", "10", "2010-3-1", "2010-03-01 10:00:00Z", "2010-03-01Tso:on:enough", ""],
)
def test_what_is_no_date_is_an_error_of_the_caller(text):
    with pytest.raises(ValueError, match="not a FHIR date"):
        when(text, zone=MOSCOW)


@settings(deadline=None)
@given(day=st.dates(date(1900, 1, 1), date(2100, 1, 1)), zone=ZONES)
def test_a_day_without_a_time_is_that_day_at_the_site_and_no_other(day, zone):
    seen = when(day.isoformat(), zone=zone)

    # Apia had no 30 December 2011: the clocks went from the 29th to the 31st.
    skipped = zone.key == "Pacific/Apia" and day == date(2011, 12, 30)
    assert skipped or (seen.days(zone).first, seen.days(zone).last) == (day, day)


@settings(deadline=None)
@given(moment=st.datetimes(timezones=st.just(UTC)), zone=ZONES)
def test_a_moment_in_utc_is_the_same_moment_in_every_zone(moment, zone):
    text = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

    seen = when(text, zone=zone)

    assert seen.earliest == seen.latest == min(max(moment, BEGINNING), END)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1950", date(1950, 1, 1), date(1950, 12, 31)),
        ("2010", date(2010, 1, 1), date(2010, 12, 31)),
        ("2012-02", date(2012, 2, 1), date(2012, 2, 29)),
        ("2010-12-31", date(2010, 12, 31), date(2010, 12, 31)),
        ("1952-02", date(1952, 2, 1), date(1952, 2, 29)),
        ("1950-12", date(1950, 12, 1), date(1950, 12, 31)),
        ("1950-02-03", date(1950, 2, 3), date(1950, 2, 3)),
    ],
)
def test_a_partial_date_is_all_of_its_days(text, first, last):
    assert day_span(text) == DaySpan(first, last, text)


@settings(deadline=None)
@given(moment=MOMENTS_WITH_OFFSET, zone=ZONES)
def test_a_moment_is_within_every_shorter_way_to_write_it(moment, zone):
    local = moment.astimezone(zone)
    widening = [f"{local:%Y-%m-%dT%H:%M:%S}", f"{local:%Y-%m-%d}", f"{local:%Y-%m}", f"{local:%Y}"]
    narrow = when(moment.isoformat(), zone=zone)
    for text in widening:
        wide = when(text, zone=zone)
        second = timedelta(seconds=1) if "T" in text else timedelta(0)
        assert wide.earliest <= narrow.earliest
        assert narrow.latest <= wide.latest + second
        narrow = wide


@settings(deadline=None)
@given(moment=MOMENTS_WITH_OFFSET, zone=ZONES)
def test_a_moment_that_is_written_and_read_is_the_same_moment(moment, zone):
    seen = when(moment.isoformat(), zone=zone)

    assert (seen.earliest, seen.latest) == (moment, moment)
    assert asked_moment(moment.isoformat(), "since") == moment


@settings(deadline=None)
@given(day=st.dates())
def test_a_day_that_is_written_and_read_is_the_same_day(day):
    assert day_span(day.isoformat()) == DaySpan(day, day, day.isoformat())
    assert asked_day(day.isoformat(), "date") == day


@settings(deadline=None)
@given(start=MOMENTS_WITH_OFFSET, end=MOMENTS_WITH_OFFSET)
def test_of_two_moments_the_later_one_may_not_precede(start, end):
    assert may_precede(start.isoformat(), end.isoformat()) == (start <= end)


@settings(deadline=None)
@given(start=MOMENTS_WITH_OFFSET, end=MOMENTS_WITH_OFFSET)
def test_what_may_precede_still_may_when_it_is_written_shorter(start, end):
    if start <= end:
        for first in (f"{start:%Y-%m-%d}", f"{start:%Y-%m}", f"{start:%Y}"):
            assert may_precede(first, end.isoformat())
        for last in (f"{end:%Y-%m-%d}", f"{end:%Y-%m}", f"{end:%Y}"):
            assert may_precede(start.isoformat(), last)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", "year"),
        ("2026-05", "month"),
        ("2026-05-01", "day"),
        ("2026-05-01T10:00Z", "time"),
        ("2026-05-01T10:00:00.5+03:00", "time"),
        ("2026-05-01/2026-05-02", None),
        ("/2026-05-02", None),
        ("2026-05-01T10:00:00Z, 2026-05-02T10:00:00Z", None),
        ("٢٠٢٦", None),
        ("", None),
    ],
)
def test_a_text_tells_to_what_it_is_written(text, expected):
    assert precision(text) == expected


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13", "2026-05-01T25:00:00Z", "0000"])
def test_what_is_not_in_the_calendar_is_no_date(text):
    with pytest.raises(ValueError, match=r"day|month|hour|year"):
        when(text, zone=MOSCOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T10:00:00", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00:00+03:00", datetime(2026, 5, 1, 7, tzinfo=UTC)),
        ("2026-05-01T10:00:00 03:00", datetime(2026, 5, 1, 7, tzinfo=UTC)),
    ],
)
def test_a_moment_is_asked_for_with_or_without_time_and_offset(text, expected):
    assert asked_moment(text, "since") == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026", "2026-02-30", "20260501", "2026-W18-5"])
def test_what_is_no_moment_to_ask_for_is_bad_input_that_names_the_parameter(text):
    with pytest.raises(BadInput, match="since is not an instant such as") as refused:
        asked_moment(text, "since")
    assert [one.code for one in refused.value.problems] == ["value"]


@pytest.mark.parametrize("text", ["", "2026-05", "2026-05-01T10:00:00Z", "2026-02-30", "20260501"])
def test_what_is_no_day_to_ask_for_is_bad_input_that_names_the_parameter(text):
    with pytest.raises(BadInput, match="date is not a calendar date such as"):
        asked_day(text, "date")
