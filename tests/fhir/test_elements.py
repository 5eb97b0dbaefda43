"""Dates are intervals in the site's time zone, and numbers stay as they were sent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.core.values import Coding, Concept, DaySpan, Quantity
from refnot_fhir.fhir import elements

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in ("Europe/Moscow", "America/Sao_Paulo", "Asia/Tokyo", "Pacific/Apia")
    ]
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
    seen = elements.when(text, zone=zone)

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
    seen = elements.when(text, zone=MOSCOW, dates_in_utc=True)

    assert seen.earliest == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001", "0001-01-01T00:00:00+14:00", "9999-12-31", "9999"])
def test_dates_at_both_ends_of_the_calendar_are_read_and_can_be_shown_anywhere(text):
    seen = elements.when(text, zone=ZoneInfo("Pacific/Kiritimati"))

    assert seen.earliest <= seen.latest
    assert seen.days(ZoneInfo("Pacific/Pago_Pago")).first <= seen.days(MOSCOW).last


@pytest.mark.parametrize(
    "text",
    ["2010-03-01T10", "10", "2010-3-1", "2010-03-01 10:00:00Z", "2010-03-01Tso:on:enough", ""],
)
def test_what_is_no_date_is_an_error_of_the_caller(text):
    with pytest.raises(ValueError, match="not a FHIR date"):
        elements.when(text, zone=MOSCOW)


@settings(deadline=None)
@given(day=st.dates(date(1900, 1, 1), date(2100, 1, 1)), zone=ZONES)
def test_a_day_without_a_time_is_that_day_at_the_site_and_no_other(day, zone):
    seen = elements.when(day.isoformat(), zone=zone)

    # Apia had no 30 December 2011: the clocks went from the 29th to the 31st.
    skipped = zone.key == "Pacific/Apia" and day == date(2011, 12, 30)
    assert skipped or (seen.days(zone).first, seen.days(zone).last) == (day, day)


@settings(deadline=None)
@given(moment=st.datetimes(timezones=st.just(UTC)), zone=ZONES)
def test_a_moment_in_utc_is_the_same_moment_in_every_zone(moment, zone):
    text = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

    seen = elements.when(text, zone=zone)

    assert seen.earliest == seen.latest == min(max(moment, elements.BEGINNING), elements.END)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1950", date(1950, 1, 1), date(1950, 12, 31)),
        ("1952-02", date(1952, 2, 1), date(1952, 2, 29)),
        ("1950-12", date(1950, 12, 1), date(1950, 12, 31)),
        ("1950-02-03", date(1950, 2, 3), date(1950, 2, 3)),
    ],
)
def test_a_partial_date_is_all_of_its_days(text, first, last):
    assert elements.day_span(text) == DaySpan(first, last, text)


HOUR = {"start": "2010-03-01T10:00:00Z", "end": "2010-03-01T11:00:00Z"}


@pytest.mark.parametrize(
    ("parent", "earliest", "latest", "text"),
    [
        ({"effectiveDateTime": HOUR["start"]}, 10, 10, HOUR["start"]),
        ({"effectiveInstant": HOUR["end"]}, 11, 11, HOUR["end"]),
        ({"effectivePeriod": HOUR}, 10, 11, f"{HOUR['start']}/{HOUR['end']}"),
        ({"effectivePeriod": {"end": HOUR["end"]}}, None, 11, f"/{HOUR['end']}"),
        ({"effectivePeriod": {"start": HOUR["start"]}}, 10, None, f"{HOUR['start']}/"),
        ({"effectivePeriod": {"start": HOUR["end"], "end": HOUR["start"]}}, 11, 11, None),
        ({"effectiveTiming": {"event": [HOUR["end"], None, HOUR["start"]]}}, 10, 11, None),
        ({"effectiveTiming": {"repeat": {"boundsPeriod": HOUR}}}, 10, 11, None),
    ],
)
def test_every_effective_is_an_interval(parent, earliest, latest, text):
    seen = elements.moment(parent, "effective", zone=MOSCOW)

    day = datetime(2010, 3, 1, tzinfo=UTC)
    assert seen.earliest == (day + timedelta(hours=earliest) if earliest else elements.BEGINNING)
    assert seen.latest == (day + timedelta(hours=latest) if latest else elements.END)
    assert text is None or seen.text == text


@pytest.mark.parametrize(
    "parent",
    [
        {},
        {"effectivePeriod": {"extension": [{"url": "u"}]}},
        {"effectiveTiming": {"code": {"text": "twice a day"}}},
        {"effectiveTiming": {"repeat": {"frequency": 1}}},
    ],
)
def test_a_time_that_is_not_said_is_none(parent):
    assert elements.moment(parent, "effective", zone=MOSCOW) is None


def test_a_quantity_keeps_its_number_exactly():
    sent = {"value": Decimal("2.00"), "unit": "10^9/L", "code": "10*9/L", "system": "u"}

    seen = elements.quantity({**sent, "comparator": "<"})

    assert str(seen.value) == "2.00"
    assert seen == Quantity(Decimal(2), "10^9/L", "10*9/L", "u", "<")
    assert elements.quantity({"unit": "mg"}) == Quantity(None, "mg")
    assert elements.quantity({"value": 3}).value == Decimal(3)
    assert elements.quantity(None) is None


def test_a_concept_keeps_every_coding_and_the_text():
    sent = {"coding": [{"system": "s", "code": "c", "display": "d"}, {"code": "x"}], "text": "t"}

    assert elements.concept(sent) == Concept((Coding("s", "c", "d"), Coding("", "x")), "t")
    assert elements.concept(None) is None
    assert elements.concepts(None) == ()


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Patient/p1"}, "p1"),
        ({"reference": "https://ehr.example.org/fhir/Patient/p1"}, ""),
        ({"reference": "Patient/p1/_history/3"}, "p1"),
        ({"reference": "Group/g1"}, ""),
        ({"reference": "OtherPatient/p1"}, ""),
        ({"reference": "Patient?identifier=a|b"}, ""),
        ({"reference": "#p1"}, ""),
        ({"display": "Ivanov"}, ""),
        (None, ""),
    ],
)
def test_a_literal_reference_names_an_id_and_nothing_else_does(reference, expected):
    assert elements.id_of(reference, "Patient") == expected


def test_every_modifier_extension_is_a_doubt_because_none_is_understood():
    denied = {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}

    assert elements.modifiers({}, denied) == "modifierExtension http://example.org/not"
    assert elements.modifiers({}, {}) == ""
