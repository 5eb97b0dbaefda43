"""What arrives later: corrections, retractions, late versions, and what others hang on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.door import (
    ATC,
    Door,
    Json,
    bundle,
    content,
    dose,
    eligible,
    entry,
    lab,
    medicine,
    no_immunotherapy,
    patient,
    said,
    statuses,
    transaction,
)

SNOMED = "http://snomed.info/sct"


def at(resource: Json, moment: str) -> Json:
    """The resource as its sender last updated it."""
    return resource | {"meta": {"lastUpdated": moment}}


CHANGES: list[tuple[str, Json, str, str]] = [
    ("a correction below the limit", lab(value=100, status="corrected"), "not-met", "beyond-limit"),
    ("a correction above it", lab(value=180, status="amended"), "met", ""),
    ("a retraction", lab(status="entered-in-error"), "unknown", ""),
    ("a step back to preliminary", lab(status="preliminary"), "unknown", ""),
    ("another unit", lab(value=200000, unit="/uL"), "met", ""),
    ("a moment out of the window", lab(days_ago=29), "unknown", ""),
    ("another question", lab(code="1742-6"), "unknown", ""),
]


@pytest.mark.parametrize(("change", "later", "verdict", "_reason"), CHANGES)
def test_a_later_version_decides_anew(
    door: Door, change: str, later: Json, verdict: str, _reason: str
) -> None:
    door.kept(patient(), lab())
    assert door.verdicts()["IN07B"] == "met"
    door.kept(later)
    assert door.verdicts()["IN07B"] == verdict, change
    assert content(door.get("Observation/o1/_history/1"))["valueQuantity"]["value"] == 200


def test_a_retraction_undoes_eligibility_and_a_correction_gives_it_back(door: Door) -> None:
    door.kept(*eligible())
    assert door.subject()["status"] == "eligible"
    door.put(lab("p1-plt", status="entered-in-error"))
    assert door.subject()["status"] == "screening"
    door.put(lab("p1-plt", 140, status="corrected"))
    assert door.subject()["status"] == "ineligible"
    door.put(lab("p1-plt", 160, status="corrected"))
    assert door.subject()["status"] == "eligible"
    door.send("DELETE", "Observation/p1-plt")
    assert door.subject()["status"] == "screening"
    states = [
        it["subjectState"]["coding"][0]["code"] for it in door.subject(version="5.0")["progress"]
    ]
    assert states == ["eligible", "screening", "ineligible", "eligible", "screening"]


def test_an_older_version_that_arrives_late_is_kept_and_is_not_the_newest(door: Door) -> None:
    new, old = "2026-05-19T12:00:00Z", "2026-05-19T08:00:00+03:00"
    door.kept(patient(), at(lab(value=200), new))
    late = door.put(at(lab(value=100), old))
    assert late.status_code == 202
    assert "version 1 stands" in said(late)
    assert late.headers["ETag"] == 'W/"2"'
    now = content(door.get("Observation/o1"))
    assert (now["valueQuantity"]["value"], now["meta"]["versionId"]) == (200, "1")
    assert content(door.get("Observation/o1/_history/2"))["valueQuantity"]["value"] == 100
    assert door.verdicts()["IN07B"] == "met"
    before = door.state()
    assert door.put(at(lab(value=100), old)).status_code == 200
    assert door.state() == before
    newer = door.put(at(lab(value=300), "2026-05-19T13:00:00Z"))
    assert (newer.status_code, newer.headers["ETag"]) == (200, 'W/"3"')


def test_a_version_without_a_moment_follows_the_order_of_arrival(door: Door) -> None:
    door.kept(patient(), at(lab(value=200), "2026-05-19T12:00:00Z"))
    assert door.put(lab(value=100)).headers["ETag"] == 'W/"2"'
    assert door.verdicts()["IN07B"] == "not-met"


def test_a_moment_that_is_none_in_any_calendar_is_refused(door: Door) -> None:
    answer = door.put(at(lab(), "2026-02-30T12:00:00Z"))
    assert answer.status_code == 422


def test_going_back_to_a_replaced_version_has_to_be_meant(door: Door) -> None:
    door.kept(patient(), lab(value=100))
    door.put(lab(value=200))
    before = door.state()
    answer = door.put(lab(value=100))
    assert answer.status_code == 409
    assert "version 2 replaced" in said(answer)
    assert door.state() == before
    assert door.verdicts()["IN07B"] == "met"
    meant = door.put(lab(value=100), If_Match='W/"2"')
    assert meant.headers["ETag"] == 'W/"3"'
    assert door.verdicts()["IN07B"] == "not-met"


def test_a_late_resend_of_a_version_known_to_be_older_changes_nothing(door: Door) -> None:
    first = lab(value=100, meta={"lastUpdated": "2026-05-01T08:00:00Z"})
    door.kept(patient(), first)
    door.put(lab(value=200, meta={"lastUpdated": "2026-05-01T09:00:00Z"}))
    before = door.state()
    answer = door.put(first, Prefer="return=OperationOutcome")
    assert answer.status_code == 200
    assert "sent again" in said(answer)
    assert door.state() == before


def test_a_lab_that_moves_to_another_patient_changes_both(door: Door) -> None:
    door.kept(patient("p1"), patient("p2"), lab())
    door.put(lab(of="p2"))
    assert door.verdicts("p1")["IN07B"] == "unknown"
    assert door.verdicts("p2")["IN07B"] == "met"
    assert content(door.get("Observation?patient=p1")).get("entry") is None


def test_a_deleted_lab_no_longer_counts(door: Door) -> None:
    door.kept(patient(), lab(days_ago=3, id="old", value=100), lab())
    assert door.verdicts()["IN07B"] == "met"
    door.send("DELETE", "Observation/o1")
    assert door.verdicts()["IN07B"] == "not-met"


def ranged() -> Json:
    """ALT 100 U/L: above three times the limit for women, below it for men."""
    limits = [("248152002", 30), ("248153007", 40)]
    ranges = [
        {
            "high": {"value": high, "unit": "U/L", "code": "U/L",
                     "system": "http://unitsofmeasure.org"},
            "appliesTo": [{"coding": [{"system": SNOMED, "code": code}]}],
        }
        for code, high in limits
    ]  # fmt: skip
    return lab("alt", 100, code="1742-6", unit="U/L", referenceRange=ranges)


def test_labs_that_came_before_their_patient_are_read_again_with_sex_and_age(door: Door) -> None:
    door.kept(ranged())
    assert door.verdicts()["IN08B"] == "unknown"
    door.put(patient(gender="female"))
    assert door.verdicts()["IN08B"] == "not-met"
    door.put(patient(gender="male"))
    assert door.verdicts()["IN08B"] == "met"
    assert door.put(patient(gender="male", name=[{"text": "x"}])).status_code == 200
    assert door.verdicts()["IN08B"] == "met"
    door.send("DELETE", "Patient/p1")
    assert door.verdicts()["IN08B"] == "unknown"


def test_the_order_of_entries_in_a_bundle_does_not_matter_to_ranges(door: Door) -> None:
    door.kept(ranged(), patient(gender="female"))
    assert door.verdicts()["IN08B"] == "not-met"


def referring(reference: str = "Medication/med1") -> Json:
    given = medicine("a1", medicationReference={"reference": reference})
    del given["medicationCodeableConcept"]
    return given


def drug(code: str, id: str = "med1") -> Json:
    return {
        "resourceType": "Medication",
        "id": id,
        "code": {"coding": [{"system": ATC, "code": code}]},
    }


@pytest.mark.parametrize("reference", ["Medication/med1", "http://localhost/fhir/Medication/med1"])
def test_a_medication_that_comes_after_its_administration_makes_it_known(
    door: Door, reference: str
) -> None:
    answer = door.post("", transaction(patient(), referring(reference), no_immunotherapy()))
    told = content(answer)["entry"][1]["response"]["outcome"]["issue"]
    assert any("product is not known" in one["details"]["text"] for one in told)
    assert door.verdicts()["EX09"] == "unknown"
    door.put(drug("L03AB03"))
    assert door.verdicts()["EX09"] == "met"
    door.put(drug("N02BE01"))
    assert door.verdicts()["EX09"] == "not-met"
    door.send("DELETE", "Medication/med1")
    assert door.verdicts()["EX09"] == "unknown"


def test_a_medication_of_another_hospital_is_not_looked_at(door: Door) -> None:
    door.kept(patient(), referring())
    door.at("north").put(drug("L03AB03"))
    assert door.verdicts()["EX09"] == "unknown"


def test_a_medication_and_its_administration_in_one_bundle_are_understood(door: Door) -> None:
    door.kept(referring(), drug("L03AB03"), patient(), no_immunotherapy())
    assert door.verdicts()["EX09"] == "met"
    door.kept(drug("N02BE01"), referring() | {"note": [{"text": "again"}]})
    assert door.verdicts()["EX09"] == "not-met"


# Merged records


def merged(into: str, id: str = "p2", **more: object) -> Json:
    link = [{"other": {"reference": f"Patient/{into}"}, "type": "replaced-by"}]
    return patient(id, active=False, link=link, **more)


def statuses_of(door: Door, *patients: str) -> list[str]:
    return [door.subject(one)["status"] for one in patients]


def kept_status(door: Door, patient: str) -> str:
    """The status that is kept, not decided anew by the one who asks."""
    from refnot_fhir.store.contract import SubjectQuery

    with door.service.store.read() as reader:
        row = reader.subjects(SubjectQuery(patients=[("default", patient)]))[0]
    return row.subject.status


def test_a_merged_record_brings_its_labs_along(door: Door) -> None:
    door.kept(*eligible("p2"), patient("p1"))
    assert statuses_of(door, "p1", "p2") == ["candidate", "eligible"]
    door.put(merged("p1"))
    assert statuses_of(door, "p1", "p2") == ["eligible", "ineligible"]
    assert door.verdicts("p1")["IN07B"] == "met"


def test_what_comes_later_for_a_merged_record_counts_for_the_one_that_replaced_it(
    door: Door,
) -> None:
    door.kept(*eligible("p2")[1:], patient("p1"), merged("p3"), merged("p1", "p3"))
    assert statuses_of(door, "p1", "p2", "p3") == ["eligible", "ineligible", "ineligible"]
    door.put(lab("p2-plt", 100, of="p2"))
    assert kept_status(door, "p1") == "ineligible"
    door.put(lab("p2-plt", 170, of="p2"))
    assert kept_status(door, "p1") == "eligible"


def test_a_merge_that_is_taken_back_takes_the_labs_back(door: Door) -> None:
    door.kept(patient("p1"), *eligible("p2"))
    door.put(merged("p1"))
    assert kept_status(door, "p1") == "eligible"
    door.put(patient("p2", active=True))
    assert kept_status(door, "p1") == "candidate"
    assert kept_status(door, "p2") == "eligible"


def test_two_records_that_replace_each_other_do_no_harm(door: Door) -> None:
    door.kept(merged("p1", "p2"), merged("p2", "p1"), lab(of="p2"))
    assert statuses_of(door, "p1", "p2") == ["ineligible", "ineligible"]


def test_a_merge_into_a_record_that_is_not_here_is_a_merge_all_the_same(door: Door) -> None:
    door.kept(*eligible("p2"))
    door.put(merged("elsewhere"))
    assert statuses_of(door, "p2") == ["ineligible"]


# What no protocol uses


@pytest.mark.parametrize(
    ("what", "resource"),
    [
        ("a lab of no protocol", lab("x1", 5, code="4548-4", unit="%")),
        ("another type", {"resourceType": "Encounter", "id": "x1", "status": "finished"}),
    ],
)
def test_what_no_protocol_has_a_use_for_is_acknowledged_and_not_kept(
    door: Door, what: str, resource: Json
) -> None:
    answer = door.post("", transaction(patient(), resource))
    assert statuses(answer)[1] == "202 Accepted", what
    told = content(answer)["entry"][1]["response"]["outcome"]["issue"][0]
    assert "not retained" in told["details"]["text"]
    assert told["severity"] == "information"
    assert "location" not in content(answer)["entry"][1]["response"]
    assert door.rows()["resources"] == 1


def test_a_delivery_of_nothing_useful_leaves_no_trace(door: Door) -> None:
    answer = door.post("", transaction(lab("x1", 5, code="4548-4", unit="%")))
    assert statuses(answer) == ["202 Accepted"]
    assert set(door.rows().values()) == {0}


def test_what_was_useful_once_is_kept_when_it_no_longer_is(door: Door) -> None:
    door.kept(patient(), lab())
    assert door.put(lab(code="4548-4")).status_code == 200
    assert door.verdicts()["IN07B"] == "unknown"


def test_an_observation_without_a_patient_is_kept_and_is_in_no_chart(door: Door) -> None:
    lost = lab()
    del lost["subject"]
    answer = door.post("", bundle("batch", entry(patient()), entry(lost)))
    assert statuses(answer) == ["201 Created", "201 Created"]
    assert door.verdicts()["IN07B"] == "unknown"
    door.put(lab())
    assert door.verdicts()["IN07B"] == "met"


def test_panels_are_kept_for_their_members(door: Door) -> None:
    panel: dict[str, Any] = lab(
        "panel", code="58410-2", hasMember=[{"reference": "Observation/o1"}]
    )
    del panel["valueQuantity"]
    assert statuses(door.post("", transaction(panel))) == ["201 Created"]


def test_a_dose_that_was_given_to_somebody_else_changes_both(door: Door) -> None:
    door.kept(patient("p1"), patient("p2"), dose())
    door.put(dose(of="p2"))
    rows = content(door.get("/records/dosing"))
    assert {row["patient"] for row in rows} == {"Patient/p2"}


def test_a_member_of_a_panel_that_is_of_another_patient_counts_for_nobody(door: Door) -> None:
    inside = {name: value for name, value in lab(value=50, of="p2").items() if name != "id"}
    panel = lab() | {"contained": [inside | {"id": "m"}], "hasMember": [{"reference": "#m"}]}
    del panel["valueQuantity"]
    door.kept(patient("p1"), patient("p2"), panel)
    assert door.verdicts("p1")["IN07B"] == "unknown"
    assert door.verdicts("p2")["IN07B"] == "unknown"


@pytest.mark.parametrize("first", ["product", "administration"])
def test_a_product_named_by_identifier_is_the_one_that_carries_it(door: Door, first: str) -> None:
    carried = {"identifier": [{"system": "urn:product", "value": "7"}]}
    given = referring() | {"medicationReference": {"identifier": carried["identifier"][0]}}
    story = [drug("L01FF01") | carried, given]
    door.kept(patient())
    for one in story if first == "product" else reversed(story):
        door.kept(one)
    assert door.verdicts()["EX09"] == "met"
    door.kept(drug("N02") | carried | {"id": "another"})
    assert door.verdicts()["EX09"] == "unknown"


def test_a_product_named_in_a_version_is_the_current_one(door: Door) -> None:
    named = {"reference": f"Medication/{drug('N02')['id']}/_history/1"}
    door.kept(patient(), drug("N02"), referring() | {"medicationReference": named})
    assert door.verdicts()["EX09"] == "unknown"
    door.put(drug("L01FF01"))
    assert door.verdicts()["EX09"] == "met"
    shown = door.get(f"ResearchSubject/{door.subject()['id']}/$screening-report").text
    assert "it names version 1 of its product; version 2 is current, and counts" in shown
