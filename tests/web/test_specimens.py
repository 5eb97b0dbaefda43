"""A value is of the specimen that it names, which may come inside it, before it or after it."""

from __future__ import annotations

import pytest

from tests.door import Door, Json, content, lab, matches, patient, said, transaction

SERUM = {"coding": [{"system": "http://snomed.info/sct", "code": "119364003"}]}


P2 = {"reference": "Patient/p2"}
SALIVA = {"coding": [{"system": "http://snomed.info/sct", "code": "119342007"}]}


def specimen(kind: Json | None = None, **more: object) -> Json:
    type_ = {} if kind is None else {"type": kind}
    return {"resourceType": "Specimen", "id": "s1", **type_, **more}


def creatinine(reference: str = "Specimen/s1", **more: object) -> Json:
    """A value of LOINC 2160-0, creatinine in serum or plasma, well below the limit."""
    named = {"specimen": {"reference": reference}}
    return lab("c1", 80, code="2160-0", unit="umol/L", high=100, **named, **more)


URINE = specimen({"text": "urine"})
KINDS = [
    (specimen(SERUM), "met"),
    (URINE, "unknown"),
    (specimen(SALIVA), "unknown"),
    (specimen(SERUM, status="unsatisfactory"), "unknown"),
    (specimen(SERUM, status="entered-in-error"), "unknown"),
    (specimen(SERUM, status="unavailable"), "met"),
    (specimen(), "met"),
]


@pytest.mark.parametrize(("sent", "verdict"), KINDS)
@pytest.mark.parametrize("how", ["inside", "before", "after", "together"])
def test_a_value_counts_if_its_specimen_shows_it(
    door: Door, how: str, sent: Json, verdict: str
) -> None:
    door.kept(patient())
    if how == "inside":
        door.kept(creatinine("#s1", contained=[sent]))
    elif how == "together":
        door.kept(creatinine(), sent)
    else:
        door.kept(*([sent] if how == "before" else []), creatinine())
        door.kept(sent)
    assert door.verdicts()["IN08A"] == verdict


def test_a_specimen_that_never_comes_leaves_the_code_standing_and_the_evidence_says_so(
    door: Door,
) -> None:
    door.kept(patient(), creatinine())
    assert door.verdicts()["IN08A"] == "met"
    report = door.get(f"ResearchSubject/{door.subject()['id']}/$screening-report").text
    assert "the sample s1 was not sent: it is taken to be what the code says" in report
    door.kept(specimen(SERUM))
    assert "was not sent" not in door.get(
        f"ResearchSubject/{door.subject()['id']}/$screening-report"
    ).text  # fmt: skip


def test_the_receipt_says_that_the_code_is_trusted_until_the_specimen_comes(door: Door) -> None:
    door.kept(patient())
    told = said(door.put(creatinine(), Prefer="return=OperationOutcome"))
    assert "creatinine: its specimen is not here: until it arrives it is taken to be what" in told
    door.kept(specimen(SERUM))
    assert "is not here" not in said(
        door.put(creatinine(note=[{"text": "again"}]), Prefer="return=OperationOutcome")
    )


def test_a_corrected_or_deleted_specimen_decides_anew(door: Door) -> None:
    door.kept(patient(), creatinine(), URINE)
    assert door.verdicts()["IN08A"] == "unknown"
    door.put(specimen(SERUM))
    assert door.verdicts()["IN08A"] == "met"
    door.put(URINE)
    door.send("DELETE", "Specimen/s1")
    assert door.verdicts()["IN08A"] == "met"


def test_a_specimen_of_another_patient_is_no_evidence(door: Door) -> None:
    door.kept(patient(), creatinine(), specimen(SERUM, subject={"reference": "Patient/p2"}))
    assert door.verdicts()["IN08A"] == "unknown"


def test_a_specimen_of_the_other_record_of_a_merged_patient_is_the_patients(door: Door) -> None:
    door.kept(patient(), patient("p2"), creatinine(), specimen(SERUM, subject=P2))
    assert door.verdicts()["IN08A"] == "unknown"
    link = [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]
    door.put(patient("p2", link=link))
    assert door.verdicts()["IN08A"] == "met"
    door.put(patient("p2", active=True))
    assert door.verdicts()["IN08A"] == "unknown"
    door.put(patient(link=[{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]))
    assert (door.verdicts()["IN08A"], door.verdicts("p2")["IN08A"]) == ("met", "met")


def test_a_specimen_of_another_hospital_is_not_looked_at(door: Door) -> None:
    door.kept(patient(), creatinine())
    door.at("north").put(URINE)
    assert door.verdicts()["IN08A"] == "met"


def test_a_specimen_is_read_back_and_found_by_its_patient(door: Door) -> None:
    sent = specimen(SERUM, subject={"reference": "Patient/p1"}, identifier=[{"value": "tube 7"}])
    assert door.post("", transaction(patient(), sent)).status_code == 200
    assert content(door.get("Specimen/s1"))["type"] == SERUM
    for query in ("patient=p1", "identifier=tube 7", "_id=s1"):
        assert [one["id"] for one in matches(door.get(f"Specimen?{query}"))] == ["s1"], query
