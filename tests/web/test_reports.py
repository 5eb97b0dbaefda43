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


@pytest.mark.parametrize("first", ["report", "merge"])
def test_a_report_under_one_record_counts_for_the_other_of_a_merged_patient(
    door: Door, first: str
) -> None:
    link = [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]
    story = [report(status="entered-in-error", result=LISTED), patient("p2", link=link)]
    door.kept(patient(), patient("p2"), lab(of="p2"))
    for one in story if first == "report" else reversed(story):
        assert door.verdicts("p2")["IN07B"] == "met"
        door.kept(one)
    assert (door.verdicts("p2")["IN07B"], door.verdicts("p1")["IN07B"]) == ("unknown", "unknown")
    door.put(report(result=LISTED))
    assert (door.verdicts("p2")["IN07B"], door.verdicts("p1")["IN07B"]) == ("met", "met")


@pytest.mark.parametrize("left_out", [["subject"], ["subject", "result"]])
def test_a_withdrawn_report_that_names_nobody_takes_along_what_it_listed(
    door: Door, left_out: list[str]
) -> None:
    door.kept(patient(), lab(), report(result=LISTED))
    gone = report(status="entered-in-error", result=LISTED)
    answer = door.put({name: value for name, value in gone.items() if name not in left_out})
    assert answer.headers.get("X-Entries-Unlinked", "0") == "0"
    assert door.verdicts()["IN07B"] == "unknown"


def test_a_withdrawn_report_that_never_named_anybody_is_of_the_patient_of_its_results(
    door: Door,
) -> None:
    gone = report(status="entered-in-error", result=LISTED)
    del gone["subject"]
    door.kept(patient(), lab())
    door.kept(gone)
    assert door.verdicts()["IN07B"] == "unknown"


def test_a_withdrawn_panel_or_report_reaches_the_members_of_a_panel(door: Door) -> None:
    panel = lab("panel", hasMember=LISTED)
    del panel["valueQuantity"]
    gone = report(status="entered-in-error", result=[{"reference": "Observation/panel"}])
    door.kept(patient(), lab(), panel)
    assert door.verdicts()["IN07B"] == "met"
    door.put(gone)
    assert door.verdicts()["IN07B"] == "unknown"
    door.send("DELETE", "DiagnosticReport/r1")
    assert door.verdicts()["IN07B"] == "met"
    door.put(panel | {"status": "entered-in-error"})
    assert door.verdicts()["IN07B"] == "unknown"


def test_a_report_without_results_is_not_retained(door: Door) -> None:
    door.kept(patient())
    assert door.put(report(conclusion="no fracture")).status_code == 202
    assert door.get("DiagnosticReport/r1").status_code == 404


def test_a_report_is_read_back_and_found_by_its_patient(door: Door) -> None:
    door.kept(patient(), report(result=LISTED))
    assert content(door.get("DiagnosticReport/r1"))["result"] == LISTED
    assert [one["id"] for one in matches(door.get("DiagnosticReport?patient=p1"))] == ["r1"]
