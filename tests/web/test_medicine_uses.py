"""Statements, orders and procedures over HTTP: what they do to the criteria, and take back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from refnot_fhir.rulebook.load import load
from tests.conftest import MAPPINGS
from tests.door import ATC, FHIR_JSON, NOW, Door, Json, content, open_door, patient

SNOMED = "http://snomed.info/sct"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path, rulebook=load(MAPPINGS)) as opened:
        opened.kept(patient())
        yield opened


def day(ago: int) -> str:
    return (NOW.date() - timedelta(days=ago)).isoformat()


def prednisolone(**more: object) -> Json:
    return {
        "resourceType": "MedicationStatement", "id": "s1", "status": "active",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"coding": [{"system": ATC, "code": "H02AB06"}]},
        "effectivePeriod": {"start": day(60)}, "dateAsserted": day(0),
        "dosage": [{"route": {"coding": [{"system": SNOMED, "code": "26643006"}]}}], **more,
    }  # fmt: skip


def order(**more: object) -> Json:
    return {
        "resourceType": "MedicationRequest", "id": "r1", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"}, "authoredOn": day(1),
        "medicationCodeableConcept": {"coding": [{"system": ATC, "code": "L01FF01"}]}, **more,
    }  # fmt: skip


def evidence(door: Door, criterion: str) -> str:
    """All that the report says of a criterion."""
    report = content(door.get(f"ResearchSubject/{door.subject()['id']}/$screening-report"))
    found = [it["resource"] for it in report["entry"]]
    return str([it for it in found if f"'{criterion}'" in str(it.get("code"))])


def test_what_is_taken_long_excludes_until_it_is_retracted(door: Door) -> None:
    before = door.verdicts()
    door.kept(prednisolone())
    assert door.verdicts()["EX06"] == "met"
    assert "MedicationStatement/s1" in evidence(door, "EX06")
    door.kept(prednisolone(status="entered-in-error"))
    assert door.verdicts() == before
    door.kept(prednisolone(note=[{"text": "it was right after all"}]))
    assert door.verdicts()["EX06"] == "met"
    assert door.send("DELETE", "MedicationStatement/s1").status_code == 200
    assert door.verdicts() == before


def test_an_order_is_shown_and_excludes_nobody(door: Door) -> None:
    door.kept(order())
    assert door.verdicts()["EX09"] == "unknown"
    assert "MedicationRequest/r1" in evidence(door, "EX09")
    door.kept(order(status="cancelled"))
    assert "MedicationRequest/r1" not in evidence(door, "EX09")


def test_a_procedure_excludes(door: Door) -> None:
    door.kept(
        {
            "resourceType": "Procedure", "id": "x1", "status": "completed",
            "subject": {"reference": "Patient/p1"}, "performedDateTime": day(10),
            "code": {"coding": [{"system": SNOMED, "code": "76334006"}]},
        }
    )  # fmt: skip
    assert door.verdicts()["EX09"] == "met"


def test_a_medication_that_comes_later_counts_from_then_on(door: Door) -> None:
    by_name = prednisolone(medicationReference={"reference": "Medication/m1"})
    del by_name["medicationCodeableConcept"]
    door.kept(by_name)
    assert door.verdicts()["EX06"] == "unknown"
    code = {"coding": [{"system": ATC, "code": "H02AB06"}]}
    door.kept({"resourceType": "Medication", "id": "m1", "code": code})
    assert door.verdicts()["EX06"] == "met"


def test_what_no_criterion_asks_about_is_not_retained(door: Door) -> None:
    aspirin = {"coding": [{"system": ATC, "code": "N02BA01"}]}
    answer = door.send("PUT", "MedicationRequest/r1", order(medicationCodeableConcept=aspirin))
    assert answer.status_code == 202
    assert "not retained" in answer.text


def test_a_statement_of_r5_says_by_adherence_that_it_is_taken(door: Door) -> None:
    adherence = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
    statement = prednisolone(
        status="recorded",
        medication={"concept": {"coding": [{"system": ATC, "code": "H02AB06"}]}},
        adherence={"code": {"coding": [{"system": adherence, "code": "taking"}]}},
    )
    del statement["medicationCodeableConcept"]
    of_r5 = f"{FHIR_JSON}; fhirVersion=5.0"
    answer = door.send("PUT", "MedicationStatement/s1", statement, content_type=of_r5)
    assert answer.status_code == 201, answer.text
    assert door.verdicts()["EX06"] == "met"
