"""A report brings the results that are sent inside it, and its status counts for all of them."""

from __future__ import annotations

import pytest

from tests.door import Door, Json, content, lab, matches, patient

LISTED = [{"reference": "Observation/o1"}]
PLATELETS = {"coding": [{"system": "http://loinc.org", "code": "58410-2"}]}


def report(id: str = "r1", status: str = "final", of: str = "p1", **more: object) -> Json:
    subject = {"reference": f"Patient/{of}"}
    kind = {"resourceType": "DiagnosticReport", "id": id, "status": status, "code": PLATELETS}
    return {**kind, "subject": subject, **more}


def inside(*left_out: str, **more: object) -> Json:
    """A result without what its report says of it."""
    own = {name: value for name, value in lab("o1").items() if name not in left_out}
    return own | more


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("final", "met"),
        ("corrected", "met"),
        ("amended", "met"),
        ("preliminary", "met"),
        ("cancelled", "unknown"),
        ("entered-in-error", "unknown"),
    ],
)
@pytest.mark.parametrize("how", ["inside", "before", "after", "together"])
def test_the_status_of_a_report_counts_for_its_results(
    door: Door, how: str, status: str, verdict: str
) -> None:
    door.kept(patient())
    if how == "inside":
        door.kept(report(status=status, result=[{"reference": "#o1"}], contained=[inside()]))
    elif how == "together":
        door.kept(report(status=status, result=LISTED), lab())
    else:
        first, then = lab(), report(status=status, result=LISTED)
        door.kept(*((first,) if how == "after" else (then,)))
        door.kept(*((then,) if how == "after" else (first,)))
    assert door.verdicts().get("IN07B") == verdict


def test_a_retracted_report_comes_back_with_its_correction(door: Door) -> None:
    door.kept(patient(), lab(), report(result=LISTED))
    door.put(report(status="entered-in-error", result=LISTED))
    assert door.verdicts()["IN07B"] == "unknown"
    door.put(report(status="corrected", result=LISTED))
    assert door.verdicts()["IN07B"] == "met"
    door.put(report(status="entered-in-error", result=LISTED))
    door.send("DELETE", "DiagnosticReport/r1")
    assert door.verdicts()["IN07B"] == "met"


def test_a_withdrawn_report_that_lists_nothing_more_takes_along_what_it_listed(door: Door) -> None:
    door.kept(patient(), lab(), report(result=LISTED))
    door.put(report(status="entered-in-error"))
    assert door.verdicts()["IN07B"] == "unknown"
    door.put(report(status="entered-in-error", conclusion="sent in error"))
    assert door.verdicts()["IN07B"] == "unknown"
    door.put(report(status="corrected", result=LISTED))
    assert door.verdicts()["IN07B"] == "met"


def test_a_report_that_is_issued_anew_saves_what_the_withdrawn_one_listed(door: Door) -> None:
    door.kept(patient(), lab(), report(status="entered-in-error", result=LISTED))
    assert door.verdicts()["IN07B"] == "unknown"
    door.kept(report("r2", result=LISTED))
    assert door.verdicts()["IN07B"] == "met"


def test_a_withdrawn_value_hides_no_older_one(door: Door) -> None:
    door.kept(patient(), lab("old", 200, days_ago=9), lab("o1", 50))
    assert door.verdicts()["IN07B"] == "not-met"
    door.kept(report(status="entered-in-error", result=LISTED))
    assert door.verdicts()["IN07B"] == "met"


def test_what_a_result_inside_does_not_say_is_the_reports(door: Door) -> None:
    result = inside("subject", "effectiveDateTime")
    door.kept(
        patient(),
        report(
            effectiveDateTime="2026-05-18T08:00:00+03:00",
            result=[{"reference": "#o1"}],
            contained=[result],
        ),
    )
    assert door.verdicts()["IN07B"] == "met"


def test_the_one_specimen_of_a_report_is_that_of_its_results(door: Door) -> None:
    urine = {"resourceType": "Specimen", "id": "s1", "type": {"text": "urine"}}
    result = lab("c1", 80, code="2160-0", unit="umol/L", high=100)
    sent = report(
        specimen=[{"reference": "Specimen/s1"}],
        result=[{"reference": "#c1"}],
        contained=[result],
    )
    door.kept(patient(), sent)
    assert door.verdicts()["IN08A"] == "met"
    door.kept(urine)
    assert door.verdicts()["IN08A"] == "unknown"


def test_a_report_of_another_patient_takes_nothing_away(door: Door) -> None:
    door.kept(patient(), patient("p2"), lab())
    door.kept(report(status="entered-in-error", of="p2", result=LISTED))
    assert door.verdicts()["IN07B"] == "met"


def test_a_report_without_results_is_not_retained(door: Door) -> None:
    door.kept(patient())
    assert door.put(report(conclusion="no fracture")).status_code == 202
    assert door.get("DiagnosticReport/r1").status_code == 404


def test_a_report_is_read_back_and_found_by_its_patient(door: Door) -> None:
    door.kept(patient(), report(result=LISTED))
    assert content(door.get("DiagnosticReport/r1"))["result"] == LISTED
    assert [one["id"] for one in matches(door.get("DiagnosticReport?patient=p1"))] == ["r1"]
