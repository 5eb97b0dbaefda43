from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from refnot_fhir.fhir import search
from refnot_fhir.fhir.versions import Version
from tests.fhir.published_builders import BASE, NOW, VERSIONS

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:mrn", "value": "17"}],
    "birthDate": "1965-03-02",
    "gender": "female",
    "active": True,
    "deceasedDateTime": "2026-08-01",
    "link": [{"other": {"reference": "Patient/p0"}, "type": "replaces"}],
}


def found(type, query, resource, version=Version.R4, **options):
    args = [tuple(pair.split("=", 1)) for pair in query.split("&")]
    asking = search.parse(type, args, version, now=NOW, base=BASE, **options)
    assert asking.ignored == ()
    return search.matches(asking, resource, resolve={"Patient/p1": PATIENT}.get)


OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "category": [{"coding": [{"code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2026-05-04T23:30:00Z",
    "valueQuantity": {"value": 5, "unit": "K/uL", "system": "urn:u", "code": "10*3/uL"},
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("patient=p1&code=http://loinc.org|2160-0", True),
        ("subject=Patient/p1&status=final", True),
        ("category=laboratory", True),
        ("category=|laboratory", True),
        ("date=2026-05-04", True),
        ("value-quantity=5", True),
        ("value-quantity=gt5", False),
        ("value-quantity=ge5|urn:u|10*3/uL", True),
        ("value-quantity=5||K/uL", True),
        ("value-quantity=5|urn:v|10*3/uL", False),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_observation_is_found_by(query, expected, version):
    assert found("Observation", query, OBSERVATION, version) is expected


def test_a_date_is_a_day_in_the_zone_of_the_site():
    moscow = ZoneInfo("Europe/Moscow")
    assert found("Observation", "date=2026-05-05", OBSERVATION, zone=moscow)
    assert not found("Observation", "date=2026-05-04", OBSERVATION, zone=moscow)
    assert found("Observation", "date=2026-05-05T02:30:00 03:00", OBSERVATION, zone=moscow)


def test_a_group_is_not_a_patient_of_the_same_id():
    of_group = {**OBSERVATION, "subject": {"reference": "Group/p1"}}
    assert not found("Observation", "patient=p1", of_group)
    assert found("Observation", "subject=p1", of_group)
    assert not found("Observation", "patient.identifier=17", of_group)


def test_a_value_with_a_comparator_is_not_compared():
    bounded = {**OBSERVATION, "valueQuantity": {"value": 5, "comparator": "<"}}
    assert not found("Observation", "value-quantity=lt6", bounded)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("identifier=urn:mrn|17", True),
        ("birthdate=1965-03", True),
        ("birthdate=lt1965", False),
        ("gender=female", True),
        ("active=true", True),
        ("active=false", False),
        ("deceased=true", True),
        ("link=Patient/p0", True),
    ],
)
def test_a_patient_is_found_by(query, expected):
    assert found("Patient", query, PATIENT) is expected


GIVEN = {
    Version.R4: {
        "subject": {"reference": "Patient/p1"},
        "status": "completed",
        "effectivePeriod": {"start": "2026-05-04T10:00:00Z"},
        "medicationReference": {"reference": "Medication/m1"},
    },
    Version.R5: {
        "subject": {"reference": "Patient/p1"},
        "status": "completed",
        "occurenceDateTime": "2026-05-04",
        "medication": {"reference": {"reference": "Medication/m1"}},
    },
}


@pytest.mark.parametrize(
    ("version", "query", "expected"),
    [
        (Version.R4, "effective-time=ge2026-05-04", True),
        (Version.R4, "effective-time=2026-05-04", False),
        (Version.R4, "medication=Medication/m1&status=completed", True),
        (Version.R4, "subject:Group=p1", False),
        (Version.R5, "date=2026-05-04", True),
        (Version.R5, "medication=m1", True),
    ],
)
def test_an_administration_is_found_by(version, query, expected):
    resource = GIVEN[version]
    assert found("MedicationAdministration", query, resource, version) is expected


def test_a_medication_is_found_by_code_status_and_lot():
    resource = {
        "code": {"coding": [{"code": "x"}]},
        "status": "active",
        "batch": {"lotNumber": "7"},
    }
    assert found("Medication", "code=x&status=active&lot-number=7", resource)
