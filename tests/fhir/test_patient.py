"""A Patient is read for the facts a protocol asks for, and for every doubt about them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from refnot_fhir.core.facts import Person
from refnot_fhir.core.values import DaySpan, Source
from refnot_fhir.fhir.read import patient
from tests.fhir import builders as build

MOSCOW = ZoneInfo("Europe/Moscow")
SOURCE = Source("default", "Patient", "p1", "1")
US = "http://hl7.org/fhir/us/core/StructureDefinition/"
CORE = "http://hl7.org/fhir/StructureDefinition/"
FEMALE = {"coding": [{"system": "s", "code": "F"}]}


def read(**more: object) -> Person:
    return patient.read(build.patient(**more), SOURCE, zone=MOSCOW)


def test_a_bare_patient_is_alive_in_use_and_otherwise_unknown():
    assert read() == Person(source=SOURCE)


@pytest.mark.parametrize(
    ("sent", "field", "expected"),
    [
        ({"birthDate": "1950"}, "birth", DaySpan(date(1950, 1, 1), date(1950, 12, 31), "1950")),
        ({"_birthDate": {"extension": []}}, "birth", None),
        ({"gender": "female"}, "gender", "female"),
        ({"deceasedBoolean": True}, "deceased", True),
        ({"deceasedBoolean": False}, "deceased", False),
        ({"deceasedDateTime": "2011"}, "deceased", True),
        ({"_deceasedDateTime": {"extension": []}}, "deceased", True),
        ({"active": False}, "active", False),
        (
            {"identifier": [{"system": "s", "value": "1"}, {"system": "s"}, {"value": "2"}]},
            "identifiers",
            (("s", "1"), ("", "2")),
        ),
    ],
)
def test_each_element_becomes_its_fact(sent, field, expected):
    assert getattr(read(**sent), field) == expected


def link(type_: str, **other: object) -> dict[str, object]:
    return {"link": [{"type": type_, "other": other}]}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (link("replaced-by", reference="Patient/p2"), "p2"),
        (link("replaced-by", reference="urn:uuid:1"), "urn:uuid:1"),
        (link("replaced-by", display="the other record"), "the other record"),
        (link("replaced-by", identifier={"value": "7"}), "?"),
        (link("replaces", reference="Patient/p0"), ""),
        (link("seealso", reference="Patient/p3"), ""),
    ],
)
def test_a_merge_into_another_record_is_never_lost(sent, expected):
    assert read(**sent).replaced_by == expected


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        ({"url": US + "us-core-birthsex", "valueCode": "F"}, ("birth-sex=F",)),
        ({"url": US + "us-core-sex", "valueCode": "248152002"}, ("sex=248152002",)),
        (
            {"url": US + "us-core-individual-sex", "valueCoding": {"code": "female"}},
            ("sex=female",),
        ),
        (
            {"url": US + "us-core-genderIdentity", "valueCodeableConcept": FEMALE},
            ("gender-identity=F",),
        ),
        (
            {"url": CORE + "patient-genderIdentity", "valueCodeableConcept": {"text": "female"}},
            ("gender-identity=female",),
        ),
        (
            {
                "url": CORE + "individual-genderIdentity",
                "extension": [
                    {"url": "value", "valueCodeableConcept": FEMALE},
                    {"url": "comment", "valueString": "since 2001"},
                ],
            },
            ("gender-identity=F",),
        ),
        (
            {
                "url": CORE + "patient-sexParameterForClinicalUse",
                "extension": [{"url": "value", "valueCodeableConcept": FEMALE}],
            },
            ("sex-for-clinical-use=F",),
        ),
        ({"url": US + "us-core-race", "valueCode": "F"}, ()),
    ],
)
def test_what_extensions_say_of_sex_is_kept_as_sent(extension, expected):
    assert read(extension=[extension]).sex_signals == expected


def test_a_modifier_extension_leaves_nothing_that_a_criterion_could_rest_on():
    doubted = read(
        birthDate="1950-01-01",
        gender="male",
        modifierExtension=[{"url": "http://example.org/not-this-one", "valueBoolean": True}],
    )

    assert (doubted.birth, doubted.gender) == (None, "")
    assert doubted.sex_signals == ("modifierExtension=http://example.org/not-this-one",)


UPDATED = {"meta": {"lastUpdated": "2011-03-01T22:30:00Z"}}
THEN = datetime(2011, 3, 1, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "days", "known", "why"),
    [
        ({"deceasedDateTime": "2011-03-01"}, ("2011-03-01", "2011-03-01"), None, "a day"),
        ({"deceasedDateTime": "2011-03"}, ("2011-03-01", "2011-03-31"), None, "a month"),
        (
            {"deceasedDateTime": "2011-03-01T22:30:00Z", **UPDATED},
            ("2011-03-02", "2011-03-02"),
            None,
            "the hospital's own day, and no need to ask when it was known",
        ),
        ({"deceasedBoolean": True, **UPDATED}, None, THEN, "known when it was updated"),
        ({"_deceasedDateTime": {"extension": []}, **UPDATED}, None, THEN, "a date that is unknown"),
        ({"deceasedBoolean": True}, None, None, "nothing is said"),
        ({"deceasedBoolean": False, **UPDATED}, None, None, "alive"),
        (UPDATED, None, None, "alive"),
    ],
)
def test_a_death_has_its_days_or_the_moment_at_which_it_was_known(sent, days, known, why):
    found = read(**sent)
    span = found.died and found.died.days(MOSCOW)
    assert (span and (str(span.first), str(span.last))) == days, why
    assert found.dead_by == known, why
