"""Screening lines without a store gives what the store would have given."""

from __future__ import annotations

import itertools
import json
from datetime import date
from typing import Any

import pytest

from refnot_fhir.core.results import Assessment
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.errors import Problem
from refnot_fhir.trial import screen as screening

ON = date(2026, 5, 20)
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-03-01"}
PLATELETS = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2026-05-18T08:00:00+03:00",
    "valueQuantity": {
        "value": 231, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L",
    },
}  # fmt: skip
PRODUCT = {
    "resourceType": "Medication",
    "id": "m1",
    "code": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01FF01"}]},
}
DOSE = {
    "resourceType": "MedicationAdministration",
    "id": "d1",
    "status": "completed",
    "subject": {"reference": "Patient/p1"},
    "medicationReference": {"reference": "Medication/m1"},
    "effectiveDateTime": "2026-05-10T08:00:00+03:00",
}


def screened(
    rulebook: Rulebook, *resources: Any
) -> tuple[list[Assessment], list[tuple[int, tuple[Problem, ...]]]]:
    """The assessments of lines, and what was refused of them."""
    refused: list[tuple[int, tuple[Problem, ...]]] = []
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in resources]
    found = screening.screen(
        lines,
        site=rulebook.sites["default"],
        rulebook=rulebook,
        as_of=ON,
        refused=lambda number, problems: refused.append((number, problems)),
    )
    return list(found), refused


def verdicts(assessment: Assessment) -> dict[str, str]:
    """Verdict by criterion."""
    return {one.criterion: one.verdict.value for one in assessment.results}


@pytest.mark.parametrize("order", list(itertools.permutations((PATIENT, PLATELETS, PRODUCT, DOSE))))
def test_lines_may_come_in_any_order(production: Rulebook, order: tuple[Any, ...]) -> None:
    (assessment,), refused = screened(production, *order)

    assert refused == []
    found = verdicts(assessment)
    assert (found["IN03"], found["IN07B"], found["EX09"]) == ("met", "met", "met")


def test_every_patient_is_assessed_once_in_the_order_of_the_lines(production: Rulebook) -> None:
    found, _ = screened(production, dict(PATIENT, id="b"), dict(PATIENT, id="a"), PLATELETS)

    assert [one.patient for one in found] == ["b", "a", "p1"]


def test_a_line_that_is_no_valid_fhir_is_told_and_left_out(production: Rulebook) -> None:
    wrong = dict(PLATELETS, status="banana")

    (assessment,), refused = screened(production, PATIENT, b"{bad", b"", wrong)

    assert verdicts(assessment)["IN07B"] == "unknown"
    assert [number for number, _ in refused] == [2, 4]
    assert refused[1][1][0].expression == "Observation.status"


def test_a_reading_of_nobody_is_told_and_left_out(production: Rulebook) -> None:
    nobodys = {key: value for key, value in PLATELETS.items() if key != "subject"}

    found, refused = screened(production, nobodys)

    assert found == []
    assert [number for number, _ in refused] == [1]


def test_a_bundle_in_a_line_is_told_and_not_passed_over(production: Rulebook) -> None:
    found, refused = screened(production, {"resourceType": "Bundle", "type": "batch"}, PATIENT)

    assert [one.patient for one in found] == ["p1"]
    assert [(number, "a file of its own" in told[0].message) for number, told in refused] == [
        (1, True)
    ]


def test_types_that_no_protocol_reads_are_passed_over(production: Rulebook) -> None:
    encounter = {"resourceType": "Encounter", "id": "e1"}

    assert screened(production, encounter) == ([], [])


def test_a_medication_that_never_comes_leaves_its_criterion_unknown(production: Rulebook) -> None:
    (assessment,), refused = screened(production, DOSE, PATIENT)

    assert refused == []
    assert verdicts(assessment)["EX09"] == "unknown"


MRN = {"system": "urn:mrn", "value": "17"}
BY_IDENTIFIER = PLATELETS | {"subject": {"identifier": MRN}}


@pytest.mark.parametrize("order", [1, -1])
def test_lines_name_their_patient_by_identifier_in_any_order(
    rulebook: Rulebook, order: int
) -> None:
    lines = [BY_IDENTIFIER, PATIENT | {"identifier": [MRN]}][::order]
    (by_identifier,), refused = screened(rulebook, *lines)
    assert refused == []
    (by_id,), _ = screened(rulebook, PLATELETS, PATIENT)
    assert by_identifier == by_id


def test_a_line_whose_identifier_several_or_no_patients_carry_is_refused(
    rulebook: Rulebook,
) -> None:
    twin = PATIENT | {"id": "p2", "identifier": [MRN]}
    _, refused = screened(rulebook, BY_IDENTIFIER, PATIENT)
    assert [number for number, _ in refused] == [1]
    found, refused = screened(rulebook, PATIENT | {"identifier": [MRN]}, BY_IDENTIFIER, twin)
    assert [(number, "2 Patients carry" in t[0].message) for number, t in refused] == [(2, True)]
    merged = twin | {"link": [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]}
    found, refused = screened(rulebook, PATIENT | {"identifier": [MRN]}, BY_IDENTIFIER, merged)
    assert refused == []
    assert {one.patient for one in found} == {"p1", "p2"}


def test_a_line_that_was_changed_in_a_leap_second_is_read_as_any_other(
    production: Rulebook,
) -> None:
    dated = [
        PLATELETS
        | {
            "meta": {"lastUpdated": at},
            "valueQuantity": {**PLATELETS["valueQuantity"], "value": value},
        }
        for at, value in (("2016-12-31T23:59:60Z", 231), ("2016-12-31T23:59:58Z", 50))
    ]

    (assessment,), refused = screened(production, PATIENT, *dated)

    assert refused == []
    assert verdicts(assessment)["IN07B"] == "met"
