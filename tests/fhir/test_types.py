"""From one received resource to readings in the protocol's words."""

from __future__ import annotations

from typing import Any

import pytest

from refnot_fhir.core.values import Source
from refnot_fhir.fhir.elements import Lookup
from refnot_fhir.fhir.types import KINDS, Context, patient_of, understand
from tests.door import ATC, SITES, Json, dose, lab, medicine, patient, small_rulebook

CONTEXT = Context(SITES["default"], small_rulebook())
FIFTH = Context(SITES["fifth"], small_rulebook())


def source(resource: Json) -> Source:
    return Source("default", resource["resourceType"], resource["id"], "1")


def test_a_lab_that_a_protocol_uses_is_read() -> None:
    found = understand(lab(), source(lab()), CONTEXT)
    assert (found.patient, found.useful) == ("p1", True)
    assert [(one.analyte, str(one.value.exact)) for one in found.facts if one.value] == [
        ("platelets", "200")
    ]


@pytest.mark.parametrize(
    ("what", "code", "useful", "labs"),
    [
        ("a lab of no protocol", "4548-4", False, 0),
        ("a panel", "58410-2", True, 0),
        ("a trap", "38518-7", True, 1),
    ],
)
def test_an_observation_is_useful_if_a_protocol_can_say_something_of_it(
    what: str, code: str, useful: bool, labs: int
) -> None:
    found = understand(lab(code=code), source(lab()), CONTEXT)
    assert (found.useful, len(found.facts)) == (useful, labs), what


def test_an_observation_without_a_code_system_is_of_no_use() -> None:
    plain = lab() | {"code": {"text": "platelets?"}}
    assert not understand(plain, source(plain), CONTEXT).useful


def test_a_patient_is_a_person() -> None:
    found = understand(patient(), source(patient()), CONTEXT)
    assert (found.patient, found.useful) == ("p1", True)
    (person,) = found.facts
    assert person.gender == "male"


def test_a_dose_is_read_and_says_what_it_depends_on() -> None:
    found = understand(dose(), source(dose()), CONTEXT)
    assert [(one.drug, one.amount) for one in found.facts] == [("refnot", 400000)]
    assert found.depends_on == ()


def test_a_medication_is_looked_up() -> None:
    drug: dict[str, Any] = {
        "resourceType": "Medication", "id": "m",
        "code": {"coding": [{"system": ATC, "code": "L03AB03"}]}
    }  # fmt: skip
    given = medicine() | {"medicationReference": {"reference": "Medication/m"}}
    del given["medicationCodeableConcept"]
    asked = []

    def known(reference: str) -> Json:
        asked.append(reference)
        return drug

    context = Context(SITES["default"], small_rulebook(), None, Lookup(known))
    found = understand(given, source(given), context)
    assert found.facts[0].classes == ("immunotherapy",)
    assert found.depends_on == ("Medication/m",)
    assert asked == ["Medication/m"]
    assert not understand(given, source(given), CONTEXT).facts[0].resolved
    assert understand(drug, source(drug), CONTEXT).useful


REFERENCES: list[tuple[Json, str]] = [
    ({"medicationReference": {"reference": "Medication/m1"}}, "Medication/m1"),
    ({"medicationReference": {"reference": "https://h.example/fhir/Medication/m1"}}, ""),
    ({"medicationReference": {"reference": "Medication/m1/_history/3"}}, "Medication/m1"),
    ({"medicationReference": {"reference": "#m1"}}, ""),
    ({"medicationReference": {"display": "Refnot"}}, ""),
    ({"medicationCodeableConcept": {"text": "x"}}, ""),
    ({"medication": {"reference": {"reference": "Medication/m5"}}}, "Medication/m5"),
    ({"medication": {"concept": {"text": "x"}}}, ""),
    ({}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "reference"), REFERENCES)
def test_the_medication_that_a_meaning_hangs_on_is_named(resource: Json, reference: str) -> None:
    expected = (reference,) if reference else ()
    assert KINDS["MedicationAdministration"].depends_on(resource) == expected


@pytest.mark.parametrize(
    ("resource", "id_"),
    [
        (patient("p7"), "p7"),
        ({"resourceType": "Patient"}, ""),
        (lab(of="p7"), "p7"),
        ({"resourceType": "Observation"}, ""),
        ({"resourceType": "X", "patient": {"reference": "Patient/p7"}}, "p7"),
        ({"resourceType": "X", "subject": {"reference": "Group/g"}}, ""),
    ],
)
def test_whom_a_resource_is_about_is_named(resource: Json, id_: str) -> None:
    assert patient_of(resource) == id_


def test_a_hospital_that_speaks_r5_is_read_as_r5() -> None:
    given = dose() | {
        "medication": {"concept": {"text": "Refnot"}},
        "occurenceDateTime": "2026-05-20T10:00:00+03:00",
    }
    found = understand(given, source(given), FIFTH)
    assert FIFTH.version == "R5"
    assert (found.facts[0].drug, found.facts[0].given is None) == ("refnot", False)
