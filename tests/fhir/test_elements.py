"""Dates are intervals in the site's time zone, and numbers stay as they were sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from refnot_fhir.core.values import Coding, Concept, Quantity
from refnot_fhir.fhir import elements
from refnot_fhir.fhir.dates import BEGINNING, END

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in ("Europe/Moscow", "America/Sao_Paulo", "Asia/Tokyo", "Pacific/Apia")
    ]
)


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
    assert seen.earliest == (day + timedelta(hours=earliest) if earliest else BEGINNING)
    assert seen.latest == (day + timedelta(hours=latest) if latest else END)
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
    assert seen == Quantity(Decimal(2), "10^9/L", "10*9/L", ucum=False, comparator="<")
    assert elements.quantity({**sent, "system": "http://unitsofmeasure.org"}).ucum
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
