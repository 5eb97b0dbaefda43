"""Diagnoses, stages and allergies over HTTP: what they do to the criteria."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from refnot_fhir.rulebook.load import load
from tests.conftest import MAPPINGS
from tests.door import NOW, Door, Json, content, open_door, patient

SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
_STATUS = "http://terminology.hl7.org/CodeSystem/condition-"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path, rulebook=load(MAPPINGS)) as opened:
        opened.kept(patient())
        yield opened


def day(ago: int) -> str:
    return (NOW.date() - timedelta(days=ago)).isoformat()


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def diagnosis(code: Json, ago: int = 3, id: str = "c1", **more: object) -> Json:
    return {
        "resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p1"},
        "clinicalStatus": coded(f"{_STATUS}clinical", "active"),
        "verificationStatus": coded(f"{_STATUS}ver-status", "confirmed"),
        "code": code, "recordedDate": day(ago), **more,
    }  # fmt: skip


def stage(answer: str, ago: int = 3) -> Json:
    """An M category as mCODE has it: its focus is the tumour."""
    return {
        "resourceType": "Observation", "id": "m1", "status": "final",
        "subject": {"reference": "Patient/p1"}, "focus": [{"reference": "Condition/c1"}],
        "code": coded(SNOMED, "399387003"), "effectiveDateTime": day(ago),
        "valueCodeableConcept": coded(SNOMED, answer),
    }  # fmt: skip


def told(door: Door, criterion: str) -> str:
    """All that the report says of a criterion."""
    report = content(door.get(f"ResearchSubject/{door.subject()['id']}/$screening-report"))
    found = [it["resource"] for it in report["entry"]]
    return str([it for it in found if f"'{criterion}'" in str(it.get("code"))])


def test_m0_says_that_the_criterion_for_disseminated_disease_does_not_apply(door: Door) -> None:
    door.kept(diagnosis(coded(ICD10, "C50.9")))
    assert door.verdicts()["IN09"] == "unknown"
    door.kept(stage("1229901006"))
    assert door.verdicts()["IN09"] == "not-applicable"
    door.kept(diagnosis(coded(ICD10, "C78.7"), id="c2"))
    assert door.verdicts()["IN09"] == "unknown"
    assert "Observation/m1" in told(door, "IN09")
    assert "Condition/c2" in told(door, "IN09")


def test_a_stage_of_a_diagnosis_says_that_the_criterion_applies(door: Door) -> None:
    door.kept(diagnosis(coded(ICD10, "C50.9"), stage=[{"summary": coded(SNOMED, "1229903009")}]))
    assert door.verdicts()["IN09"] == "unknown"
    assert "It applies: " in told(door, "IN09")


def report(conclusions: list[Json], *sections: str) -> Json:
    return {
        "resourceType": "DiagnosticReport", "id": "d1", "status": "final",
        "subject": {"reference": "Patient/p1"}, "code": {"text": "report"},
        "category": [
            coded("http://terminology.hl7.org/CodeSystem/v2-0074", it) for it in sections or ("SP",)
        ],
        "issued": f"{day(5)}T10:00:00+03:00", "conclusionCode": conclusions,
    }  # fmt: skip


MALIGNANT, BENIGN = coded(ICD10, "C50.9"), coded(ICD10, "D24")


@pytest.mark.parametrize(
    ("sent", "verdict"),
    [
        (report([MALIGNANT]), "met"),
        (report([MALIGNANT, BENIGN]), "unknown"),
        (report([MALIGNANT], "SP", "RAD"), "unknown"),
        (report([MALIGNANT], "SP", "LAB"), "met"),
    ],
)
def test_a_report_that_contradicts_itself_confirms_nothing(
    door: Door, sent: Json, verdict: str
) -> None:
    door.kept(sent)
    assert door.verdicts()["IN02"] == verdict
    assert "DiagnosticReport/d1" in told(door, "IN02")


def test_a_tumour_that_is_refuted_since_contradicts_its_report(door: Door) -> None:
    refuted = {"verificationStatus": coded(f"{_STATUS}ver-status", "refuted")}
    door.kept(report([MALIGNANT]))
    door.kept(diagnosis(MALIGNANT, 9, **refuted))
    assert door.verdicts()["IN02"] == "met"
    door.kept(diagnosis(coded(ICD10, "C78.7"), 3, "c2", **refuted))
    assert door.verdicts()["IN02"] == "met"
    door.kept(diagnosis(MALIGNANT, 3, **refuted))
    assert door.verdicts()["IN02"] == "unknown"
    assert "Condition/c1" in told(door, "IN02")
    assert "DiagnosticReport/d1" in told(door, "IN02")


def test_no_known_allergy_of_high_criticality_clears_nobody(door: Door) -> None:
    none: Json = {
        "resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"},
        "verificationStatus": coded(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed"
        ),
        "code": coded(SNOMED, "716186003"), "recordedDate": day(3),
    }  # fmt: skip
    door.kept(none)
    assert door.verdicts()["EX08"] == "not-met"
    door.kept(none | {"criticality": "high"})
    assert door.verdicts()["EX08"] == "unknown"
    assert "AllergyIntolerance/a1" in told(door, "EX08")


def test_a_hysterectomy_and_a_menopause_are_shown_to_who_decides_on_pregnancy(door: Door) -> None:
    door.kept(patient(gender="female"))
    before = door.verdicts()
    door.kept({
        "resourceType": "Procedure", "id": "x1", "status": "completed",
        "subject": {"reference": "Patient/p1"}, "performedDateTime": day(900),
        "code": coded(SNOMED, "116143008"),
    })  # fmt: skip
    door.kept(diagnosis(coded(SNOMED, "76498008")))
    assert door.verdicts() == before
    assert "Procedure/x1" in told(door, "EX04")
    assert "Condition/c1" in told(door, "EX04")
