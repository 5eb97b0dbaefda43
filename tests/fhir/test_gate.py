"""What the gate refuses, where it says the fault is, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.errors import Problem
from refnot_fhir.fhir.gate import GATED, problems
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.wire import decode

Resource = dict[str, Any]

LAB: Resource = {
    "resourceType": "Observation",
    "id": "creatinine-1",
    "meta": {"versionId": "3", "lastUpdated": "2026-03-01T09:00:00.123Z"},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "contained": [{"resourceType": "Organization", "id": "lab", "name": "Lab"}],
    "extension": [{"url": "http://example.org/run", "valueDecimal": 7}],
    "identifier": [{"system": "urn:oid:1.2.3", "value": "r1"}],
    "status": "final",
    "category": [{"coding": [{"system": "http://example.org/c", "code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}], "text": "Creatinine"},
    "subject": {"reference": "Patient/p1", "type": "Patient"},
    "effectiveDateTime": "2026-03-01T08:30:00+03:00",
    "performer": [{"reference": "#lab"}],
    "valueQuantity": {
        "value": 88,
        "comparator": "<",
        "unit": "µmol/L",
        "system": "http://unitsofmeasure.org",
        "code": "umol/L",
    },
    "referenceRange": [{"high": {"value": 97, "unit": "µmol/L"}, "text": "to 97"}],
    "component": [{"code": {"text": "lot"}, "valueString": "L-1"}],
}
PERSON: Resource = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [{"use": "official", "family": "F", "given": ["G", "H"]}],
    "_birthDate": {"extension": [{"url": "http://example.org/age", "valueInteger": 61}]},
    "gender": "female",
    "deceasedBoolean": False,
    "telecom": [{"system": "phone", "value": "1", "rank": 1}],
    "contact": [{"organization": {"reference": "Organization/o1"}}],
}
DOSE: Resource = {
    "resourceType": "MedicationAdministration",
    "status": "completed",
    "medicationCodeableConcept": {"text": "Refnot"},
    "subject": {"reference": "https://ehr.example.org/Patient/p1"},
    "effectivePeriod": {"start": "2026-03-01", "end": "2026-03-02"},
    "dosage": {"dose": {"value": 400000, "unit": "IU"}, "text": "s.c."},
}
DOSE_R5: Resource = {
    "resourceType": "MedicationAdministration",
    "status": "completed",
    "medication": {"reference": {"reference": "Medication/m1"}},
    "subject": {"reference": "Patient/p1"},
    "occurenceDateTime": "2026-03-01",
    "dosage": {"text": "400 000 IU s.c."},
}
OUTCOME: Resource = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid"}],
}
VALID = [
    *[(base, version) for base in (LAB, PERSON, OUTCOME) for version in Version],
    (DOSE, Version.R4),
    (DOSE, Version.R4B),
    (DOSE_R5, Version.R5),
]


@pytest.mark.parametrize(("resource", "version"), VALID)
def test_a_valid_resource_has_no_problems(resource: Resource, version: Version) -> None:
    assert problems(resource, version) == ()


REFUSED = [
    (LAB, {"status": "banana"}, "code-invalid", "Observation.status"),
    (LAB, {"status": None}, "structure", "Observation.status"),
    (LAB, {"status": ...}, "required", "Observation.status"),
    (LAB, {"code": ...}, "required", "Observation.code"),
    (LAB, {"zz": 1}, "structure", "Observation"),
    (LAB, {"gender": "x"}, "structure", "Observation.gender"),
    (LAB, {"focus": [{"type": "Banana"}]}, "value", "Observation.focus[0].type"),
    (
        LAB,
        {"identifier": [{"system": "MRN", "value": "1"}]},
        "value",
        "Observation.identifier[0].system",
    ),
    (
        LAB,
        {"focus": [{"reference": "Patient/1", "type": "Device"}]},
        "value",
        "Observation.focus[0].type",
    ),
    (
        LAB,
        {"focus": [{"reference": "#lab", "type": "Device"}]},
        "value",
        "Observation.focus[0].type",
    ),
    (LAB, {"device": {"reference": "#lab"}}, "value", "Observation.device.reference"),
    (
        LAB,
        {"contained": [*LAB["contained"], *LAB["contained"]]},
        "duplicate",
        "Observation.contained[1].id",
    ),
    (LAB, {"id": "x" * 65}, "value", "Observation.id"),
    (LAB, {"id": "a_b"}, "value", "Observation.id"),
    (LAB, {"valueString": "88"}, "structure", "Observation.value"),
    (LAB, {"effectivePeriod": {"start": "2026"}}, "structure", "Observation.effective"),
    (LAB, {"effectiveDateTime": "2026-02-30"}, "value", "Observation.effective.ofType(dateTime)"),
    (LAB, {"issued": "2026-03-01T08:30:00"}, "value", "Observation.issued"),
    (LAB, {"issued": "2026-03-01"}, "value", "Observation.issued"),
    (LAB, {"subject": {"reference": "Encounter/e1"}}, "value", "Observation.subject.reference"),
    (LAB, {"subject": {"reference": "Nobody/e1"}}, "value", "Observation.subject.reference"),
    (LAB, {"subject": {"reference": "Encounter?x=1"}}, "value", "Observation.subject.reference"),
    (
        LAB,
        {"subject": {"reference": f"Patient/{'x' * 65}"}},
        "value",
        "Observation.subject.reference",
    ),
    (LAB, {"focus": [{"reference": "Nobody/e1"}]}, "value", "Observation.focus[0].reference"),
    (LAB, {"subject": {"type": "Encounter"}}, "value", "Observation.subject.type"),
    (
        LAB,
        {"valueQuantity": {"value": "88"}},
        "structure",
        "Observation.value.ofType(Quantity).value",
    ),
    (
        LAB,
        {"valueQuantity": {"value": True}},
        "structure",
        "Observation.value.ofType(Quantity).value",
    ),
    (LAB, {"category": {}}, "structure", "Observation.category"),
    (LAB, {"category": []}, "structure", "Observation.category"),
    (LAB, {"category": [{}]}, "structure", "Observation.category[0]"),
    (LAB, {"note": [7]}, "structure", "Observation.note[0]"),
    (LAB, {"extension": [{}]}, "structure", "Observation.extension[0]"),
    (LAB, {"component": [{}]}, "structure", "Observation.component[0]"),
    (LAB, {"language": ""}, "value", "Observation.language"),
    (LAB, {"note": [{"text": "x" * (1024 * 1024 + 1)}]}, "too-long", "Observation.note[0].text"),
    (LAB, {"extension": [{"url": "u"}]}, "invariant", "Observation.extension[0]"),
    (LAB, {"extension": [{"valueCode": "c"}]}, "required", "Observation.extension[0].url"),
    (LAB, {"status": "final", "_status": {"id": 1}}, "structure", "Observation.status.id"),
    (PERSON, {"birthDate": "2026-13-01"}, "value", "Patient.birthDate"),
    (PERSON, {"birthDate": "1900-02-29"}, "value", "Patient.birthDate"),
    (PERSON, {"birthDate": "2026-04-31"}, "value", "Patient.birthDate"),
    (PERSON, {"birthDate": "2026-04-30T10:00:00Z"}, "value", "Patient.birthDate"),
    (PERSON, {"deceasedDateTime": "2026"}, "structure", "Patient.deceased"),
    (PERSON, {"telecom": [{"rank": 0}]}, "value", "Patient.telecom[0].rank"),
    (PERSON, {"multipleBirthInteger": 2**31}, "value", "Patient.multipleBirth.ofType(integer)"),
    (PERSON, {"name": [{"given": "G"}]}, "structure", "Patient.name[0].given"),
    (PERSON, {"name": [{"given": [""]}]}, "value", "Patient.name[0].given[0]"),
    (PERSON, {"name": {"family": "F"}}, "structure", "Patient.name"),
    (OUTCOME, {"issue": ...}, "required", "OperationOutcome.issue"),
]


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize(("base", "change", "code", "expression"), REFUSED)
def test_a_fault_is_refused_with_its_code_and_its_place(
    base: Resource, change: Resource, code: str, expression: str, version: Version
) -> None:
    merged = {**base, **change}
    resource = {key: value for key, value in merged.items() if value is not ...}
    found = problems(resource, version)
    assert (code, expression) in [(problem.code, problem.expression) for problem in found]


@pytest.mark.parametrize(
    ("time", "accepted"),
    [
        ("2026", True),
        ("2026-02", True),
        ("2024-02-29", True),
        ("2000-02-29", True),
        ("2016-12-31T23:59:60Z", True),
        ("2026-03-01T08:30:00.123456789+14:00", True),
        ("2026-02-29", False),
        ("2100-02-29", False),
        ("2026-06-31T08:30:00Z", False),
        ("2026-03-01T24:00:00Z", False),
        ("2026-03-01T08:30:00", False),
        ("2026-03-01T08:30Z", False),
        ("2026-03-01 08:30:00Z", False),
        ("2026-03-01T08:30:00+15:00", False),
        ("0000-01-01", False),
        ("26-03-01", False),
        ("2026-3-1", False),
        (" 2026", False),
        ("2026\n", False),
    ],
)
def test_a_date_time_is_a_day_of_the_calendar_with_a_zone(time: str, accepted: bool) -> None:
    assert (problems({**LAB, "effectiveDateTime": time}, Version.R4) == ()) is accepted


@settings(deadline=None)  # the first call compiles the schema
@given(st.dates())
def test_every_day_of_the_calendar_is_accepted(day: Any) -> None:
    assert problems({**PERSON, "birthDate": day.isoformat()}, Version.R5) == ()


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/2",
        "Patient?identifier=urn:mrn|1",
        "https://ehr.example.org/fhir/Patient/p1",
        "https://ehr.example.org/anything/else",
        "urn:uuid:0d9ab0c4-1f6f-4a3f-8a5b-2f9d2f0f8d11",
        "urn:oid:1.2.3",
    ],
)
def test_a_reference_that_may_be_to_a_patient_is_accepted(reference: str) -> None:
    assert problems({**LAB, "subject": {"reference": reference}}, Version.R4) == ()


def test_a_reference_by_identifier_alone_is_accepted() -> None:
    assert problems({**LAB, "subject": {"identifier": {"value": "1"}}}, Version.R4) == ()


def test_an_absolute_reference_to_the_wrong_type_is_refused() -> None:
    wrong = {**LAB, "subject": {"reference": "https://ehr.example.org/fhir/Encounter/e1"}}
    assert _places(wrong, Version.R4) == ["Observation.subject.reference"]


def test_a_required_primitive_may_be_there_as_an_extension_only() -> None:
    absent = {"extension": [{"url": "http://example.org/why", "valueCode": "masked"}]}
    lab = {key: value for key, value in LAB.items() if key != "status"}
    assert problems({**lab, "_status": absent}, Version.R4) == ()


def test_null_in_an_array_keeps_the_place_of_an_extension() -> None:
    given = [{"extension": [{"url": "http://example.org/why", "valueCode": "masked"}]}, None]
    name = {"family": "F", "given": [None, "H"], "_given": given}
    assert problems({**PERSON, "name": [name]}, Version.R4) == ()


DOSES = [
    (DOSE, Version.R4, {"effectiveDateTime": "2026"}, "effective"),
    (DOSE, Version.R4, {"medicationReference": {"display": "x"}}, "medication"),
    (
        DOSE,
        Version.R4B,
        {"dosage": {"dose": {"value": 1, "comparator": "<"}}},
        "dosage.dose.comparator",
    ),
    (DOSE_R5, Version.R5, {"occurenceTiming": {"code": {"text": "q"}}}, "occurence"),
    (DOSE_R5, Version.R5, {"occurrenceDateTime": "2026"}, "occurrenceDateTime"),
    (
        DOSE_R5,
        Version.R5,
        {"medication": {"reference": {"reference": "Patient/p"}}},
        "medication.reference.reference",
    ),
]


@pytest.mark.parametrize(("base", "version", "change", "element"), DOSES)
def test_a_fault_in_an_administration_is_refused_in_its_version(
    base: Resource, version: Version, change: Resource, element: str
) -> None:
    assert _places({**base, **change}, version) == [f"MedicationAdministration.{element}"]


@pytest.mark.parametrize(
    ("resource", "version", "right", "number"),
    [
        (DOSE_R5, Version.R4, "R5", "5.0"),
        (DOSE_R5, Version.R4B, "R5", "5.0"),
        (DOSE, Version.R5, "R4", "4.0"),
    ],
)
def test_what_is_valid_in_another_version_is_told_so_in_one_sentence(
    resource: Resource, version: Version, right: str, number: str
) -> None:
    (found,) = problems(resource, version)
    assert (found.code, found.expression) == ("structure", "MedicationAdministration")
    assert f"is not valid as FHIR {version}, as which it was read, but is as {right}" in (
        found.message
    )
    assert f"Content-Type: application/fhir+json; fhirVersion={number}" in found.message
    assert f'set fhir = "{right}"' in found.message


def test_a_wrong_value_that_another_version_would_take_is_told_as_the_wrong_value_it_is() -> None:
    lab = {**LAB, "subject": {"reference": "#lab"}}
    assert problems(lab, Version.R4B) == ()
    assert _places(lab, Version.R4) == ["Observation.subject.reference"]


def test_what_is_valid_in_no_version_is_told_what_is_wrong_with_it() -> None:
    wrong = {**DOSE_R5, "status": "banana"}
    assert "MedicationAdministration.occurenceDateTime" in _places(wrong, Version.R4)
    wrong = {**DOSE, "status": "banana"}
    assert "MedicationAdministration.effectivePeriod" in _places(wrong, Version.R5)


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "Patient/p1", "type": "http://hl7.org/fhir/StructureDefinition/Patient"},
        {"reference": "https://ehr.example.org/fhir/Patient/p1", "type": "Patient"},
        {"reference": "https://ehr.example.org/fhir/Banana/p1", "type": "Patient"},
        {"reference": "urn:uuid:0d9ab0c4-1f6f-4a3f-8a5b-2f9d2f0f8d11", "type": "Patient"},
        {"identifier": {"value": "1"}, "type": "Patient"},
    ],
)
def test_a_type_that_agrees_with_the_reference_is_accepted(reference: Resource) -> None:
    assert problems({**LAB, "subject": reference}, Version.R4) == ()


@pytest.mark.parametrize("reference", ["Device?x=1", "https://ehr.example.org/fhir/Device/d1"])
def test_a_type_that_does_not_agree_with_the_reference_is_refused(reference: str) -> None:
    (found,) = problems({**LAB, "focus": [{"reference": reference, "type": "Group"}]}, Version.R4)
    assert found.message == (
        "Observation.focus[0].type: is not the type that the reference names: Device"
    )


@pytest.mark.parametrize("system", ["urn:oid:1.2.3", "https://h.example/mrn", "urn:ietf:rfc:3986"])
def test_an_absolute_system_of_an_identifier_is_accepted(system: str) -> None:
    identifier = [{"system": system, "value": "1"}]
    assert problems({**LAB, "identifier": identifier}, Version.R4) == ()


def test_messages_say_what_is_wrong_and_the_way_out() -> None:
    told = {
        "status": ({"status": "banana"}, "status: is not one of registered, preliminary, final"),
        "spelling": ({"effectivDateTime": "2026"}, "did you mean effectiveDateTime?"),
        "time": ({"issued": "2026-03-01"}, "YYYY-MM-DDThh:mm:ss with Z or an offset"),
        "choice": ({"valueString": "x"}, "only one of valueQuantity, valueString may be given"),
        "target": (
            {"subject": {"reference": "Encounter/e"}},
            "use Device, Group, Location, Patient",
        ),
    }
    for change, words in told.values():
        (found,) = problems({**LAB, **change}, Version.R4)
        assert words in found.message


PRACTITIONER: Resource = {
    "resourceType": "Practitioner",
    "id": "lab",
    "name": [{"family": "F"}],
    "qualification": [{"code": {"text": "MD"}}],
}


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({}, None),
        ({"resourceType": "Banana"}, "resourceType"),
        ({"resourceType": "practitioner"}, "resourceType"),
        ({"gender": "banana"}, "gender"),
        ({"qualification": [{}]}, "qualification[0]"),
        ({"birthDate": "2026-02-30"}, "birthDate"),
        ({"communication": "x"}, "communication"),
        ({"photo": [{"data": "!"}]}, "photo[0].data"),
        ({"text": {"status": "generated", "div": "<script/>"}}, "text.div"),
    ],
)
def test_a_contained_resource_of_any_type_is_gated(
    change: Resource, place: str | None, version: Version
) -> None:
    found = _places({**LAB, "contained": [{**PRACTITIONER, **change}]}, version)
    assert (f"Observation.contained[0].{place}" in found) if place else found == []


def test_a_contained_resource_is_of_a_type_of_its_version() -> None:
    intake = {"resourceType": "NutritionIntake", "id": "lab"}
    (found,) = problems({**LAB, "contained": [intake], "performer": [{"display": "x"}]}, Version.R4)
    assert found.code == "invariant"  # nothing refers to it
    referring = {**LAB, "contained": [intake], "focus": [{"reference": "#lab"}], "performer": ...}
    resource = {key: value for key, value in referring.items() if value is not ...}
    assert "Observation.contained[0]: is not a resource type of R4" in _messages(
        resource, Version.R4
    )


def test_the_entries_of_a_contained_bundle_are_gated_too() -> None:
    entry = {"resource": {"resourceType": "Banana"}}
    bundle = {"resourceType": "Bundle", "id": "lab", "type": "collection", "entry": [entry]}
    lab = {**LAB, "contained": [bundle], "performer": [], "focus": [{"reference": "#lab"}]}
    del lab["performer"]
    assert _places(lab, Version.R4) == ["Observation.contained[0].entry[0].resource.resourceType"]


def test_the_outcomes_in_a_bundle_are_gated() -> None:
    entry = {"response": {"status": "200", "outcome": {"resourceType": "OperationOutcome"}}}
    bundle = {"resourceType": "Bundle", "type": "batch-response", "entry": [entry]}
    assert _places(bundle, Version.R5) == ["Bundle.entry[0].response.outcome.issue"]
    issues = {"resourceType": "Bundle", "type": "collection", "issues": {"resourceType": "Patient"}}
    assert _places({**issues, "issues": {**LAB, "status": "x"}}, Version.R5) == [
        "Bundle.issues.status"
    ]


def test_a_contained_resource_is_gated_where_it_stands() -> None:
    contained = [{"resourceType": "Organization", "id": "lab", "active": "yes"}]
    (found,) = problems({**LAB, "contained": contained}, Version.R4)
    assert found.expression == "Observation.contained[0].active"
    assert found.message.startswith("Observation.contained[0].active: ")


def test_a_resource_in_parameters_is_gated_where_it_stands() -> None:
    inner = {"name": "in", "resource": {**PERSON, "gender": "banana"}}
    outer = {"resourceType": "Parameters", "parameter": [inner, {"name": "a", "part": [inner]}]}
    assert _places(outer, Version.R4) == [
        "Parameters.parameter[0].resource.gender",
        "Parameters.parameter[1].part[0].resource.gender",
    ]


def test_a_large_bundle_is_told_every_fault_of_its_own() -> None:
    entry = {"resource": {"resourceType": "Basic", "x": [1] * 20_000}, "search": {"mode": "banana"}}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [entry, entry]}
    assert _places(bundle, Version.R4) == [
        "Bundle.entry[0].search.mode",
        "Bundle.entry[1].search.mode",
    ]


def test_the_entries_of_a_bundle_are_left_to_the_caller() -> None:
    entry = {"resource": {"resourceType": "Patient", "gender": "banana", "issue": []}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    assert problems(bundle, Version.R4) == ()


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({}, "structure"),
        ({"resourceType": 1}, "structure"),
        ({"resourceType": "Foo"}, "not-supported"),
        ({"resourceType": "Encounter"}, "not-supported"),
    ],
)
def test_a_resource_of_no_known_type_is_refused(resource: Resource, code: str) -> None:
    assert [problem.code for problem in problems(resource, Version.R4)] == [code]


def test_an_empty_object_is_one_problem_not_one_for_each_thing_it_lacks() -> None:
    lab = {**LAB, "component": [{}], "extension": [{}]}
    assert _places(lab, Version.R4) == ["Observation.extension[0]", "Observation.component[0]"]


def test_at_most_twenty_problems_are_told() -> None:
    assert len(problems({**LAB, "category": [{}] * 5000}, Version.R4)) == 20


def test_a_resource_that_is_wrong_a_million_times_is_told_its_first_fault() -> None:
    assert _places({**LAB, "category": [{}] * 10**6}, Version.R4) == ["Observation.category[0]"]


def test_a_property_that_fhir_does_not_know_is_told_by_its_number_alone() -> None:
    (found,) = problems({**PERSON, "Ivanov Ivan": 1, "gendre": "x"}, Version.R4)
    count = len(PERSON)
    assert found == Problem(
        "structure",
        f"Patient: each of the properties {count + 1}, {count + 2} of this object is no element "
        "of FHIR: did you mean gender?",
        "Patient",
    )


MEGABYTE = 1_000_001


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (
            {"photo": [{"contentType": "image/png", "data": "A" * MEGABYTE + "!"}]},
            "Patient.photo[0].data",
        ),
        ({"id": "a" * MEGABYTE}, "Patient.id"),
        ({"birthDate": "2026-" * MEGABYTE}, "Patient.birthDate"),
        ({"language": "x " * MEGABYTE + " "}, "Patient.language"),
        ({"implicitRules": "x" * MEGABYTE + " "}, "Patient.implicitRules"),
        ({"identifier": [{"system": "a" * MEGABYTE}]}, "Patient.identifier[0].system"),
        (
            {"generalPractitioner": [{"reference": "Practitioner/" * MEGABYTE}]},
            "Patient.generalPractitioner[0].reference",
        ),
        (
            {"generalPractitioner": [{"type": "a/" * MEGABYTE + "b"}]},
            "Patient.generalPractitioner[0].type",
        ),
        ({"gender": "m" * MEGABYTE}, "Patient.gender"),
        ({"m" * MEGABYTE: 1}, "Patient"),
    ],
)
def test_a_near_miss_of_a_megabyte_is_refused(change: Resource, place: str) -> None:
    assert _places({**PERSON, **change}, Version.R4) == [place]


def test_the_gated_types_are_those_of_the_schemas() -> None:
    for name in GATED:
        assert all(p.code != "not-supported" for p in problems({"resourceType": name}, Version.R4))


def test_decimals_as_decoded_are_numbers() -> None:
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
    lab = decode(body + b'"valueQuantity":{"value":1.10}}')
    assert problems(lab, Version.R4) == ()


def _messages(resource: Resource, version: Version) -> list[str]:
    return [problem.message for problem in problems(resource, version)]


def _places(resource: Resource, version: Version) -> list[str]:
    return [problem.expression for problem in problems(resource, version)]


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("inner", [{}, {"id": "x"}])
def test_a_contained_resource_says_its_type(version: Version, inner: dict[str, str]) -> None:
    resource = {"resourceType": "Patient", "contained": [inner]}
    found = [problem.expression for problem in problems(resource, version)]
    assert "Patient.contained[0].resourceType" in found
