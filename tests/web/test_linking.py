"""Whose result it is: patients named by identifier, by condition, and by an entry's fullUrl."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from tests.door import (
    DRUG_OF_MEDICATION,
    Door,
    Json,
    batch,
    bundle,
    content,
    dose,
    entry,
    issues,
    lab,
    matches,
    medicine,
    patient,
    places,
    said,
    statuses,
    transaction,
)

MRN = {"system": "urn:mrn", "value": "17"}
URN = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"


def known(id: str = "p1", *identifiers: Json, **more: object) -> Json:
    """A patient with identifiers."""
    return patient(id, identifier=list(identifiers or (MRN,)), **more)


def by_identifier(id: str = "o1", identifier: Json = MRN, **more: object) -> Json:
    """A lab that names its patient by an identifier alone."""
    return lab(id, subject={"identifier": identifier}, **more)


def platelets(door: Door, patient: str = "p1") -> str:
    return door.verdicts(patient)["IN07B"]


def unlinked(answer: TestResponse) -> str:
    return str(answer.headers.get("X-Entries-Unlinked", "0"))


# Identifiers


@pytest.mark.parametrize("order", ["patient first", "lab first", "one bundle", "one batch"])
def test_an_identifier_names_the_patient_who_carries_it(door: Door, order: str) -> None:
    sent = [known(), by_identifier()]
    if order == "one bundle":
        assert unlinked(door.post("", transaction(*reversed(sent)))) == "0"
    elif order == "one batch":
        assert unlinked(door.post("", batch(*reversed(sent)))) == "0"
    else:
        for one in sent if order == "patient first" else reversed(sent):
            assert door.put(one).status_code == 201
    assert platelets(door) == "met"
    found = door.get("Observation?patient=p1&_include=Observation:patient")
    assert [it["id"] for it in matches(found)] == ["o1"]
    assert [it["resource"]["id"] for it in content(found)["entry"]] == ["o1", "p1"]
    assert content(door.get("Observation/o1"))["subject"] == {"identifier": MRN}


def test_a_lab_that_waits_for_its_patient_is_kept_and_counted(door: Door) -> None:
    answer = door.post("", transaction(by_identifier()))
    assert (statuses(answer), unlinked(answer)) == (["201 Created"], "1")
    note = content(answer)["entry"][0]["response"]["outcome"]["issue"][0]
    assert note["severity"] == "warning"
    assert "when one arrives" in note["details"]["text"]
    assert note["expression"] == ["Bundle.entry[0].resource.subject"]
    alone = door.put(by_identifier("o2"), Prefer="return=OperationOutcome")
    assert (alone.status_code, unlinked(alone)) == (201, "1")
    strict = door.put(by_identifier("o3"), Prefer="handling=strict")
    assert strict.status_code == 201


def test_doses_are_linked_by_identifier_too(door: Door) -> None:
    door.put(dose(subject={"identifier": MRN}))
    door.put(known())
    assert "given" in door.get("/records/dosing?subject=Patient/p1").text


def test_an_identifier_that_moves_decides_both_patients_again(door: Door) -> None:
    door.kept(known("p1"), known("p2", {"system": "urn:mrn", "value": "18"}), by_identifier())
    assert (platelets(door, "p1"), platelets(door, "p2")) == ("met", "unknown")
    door.kept(known("p1", {"system": "urn:mrn", "value": "19"}), known("p2"))
    assert (platelets(door, "p1"), platelets(door, "p2")) == ("unknown", "met")
    assert matches(door.get("Observation?patient=p1")) == []
    assert len(matches(door.get("Observation?patient=p2"))) == 1


def test_an_identifier_that_is_taken_away_unlinks(door: Door) -> None:
    door.kept(known(), by_identifier())
    door.put(patient())
    assert platelets(door) == "unknown"
    door.put(known(gender="female"))
    assert platelets(door) == "met"
    door.send("DELETE", "Patient/p1")
    door.put(known("p2"))
    assert platelets(door, "p2") == "met"


def test_several_carriers_name_nobody_until_one_is_left(door: Door) -> None:
    door.kept(known("p1"), known("p2"))
    answer = door.put(by_identifier(), Prefer="return=OperationOutcome")
    assert (answer.status_code, unlinked(answer)) == (201, "1")
    assert "2 Patients carry" in said(answer)
    assert (platelets(door, "p1"), platelets(door, "p2")) == ("unknown", "unknown")
    door.put(patient("p2"))
    assert platelets(door, "p1") == "met"


def test_several_carriers_that_are_one_merged_patient_are_one(door: Door) -> None:
    door.kept(known("p1"), known("p2"), by_identifier())
    assert platelets(door, "p1") == "unknown"
    door.put(known("p2", link=[{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]))
    assert platelets(door, "p1") == "met"


def test_reference_and_identifier_that_disagree_name_nobody(door: Door) -> None:
    door.kept(known("p1"), patient("p2"))
    disagreeing = lab(subject={"reference": "Patient/p2", "identifier": MRN})
    answer = door.put(disagreeing, Prefer="return=OperationOutcome")
    assert (answer.status_code, unlinked(answer)) == (201, "1")
    assert "different patients" in said(answer)
    assert (platelets(door, "p1"), platelets(door, "p2")) == ("unknown", "unknown")
    door.kept(patient("p1"), known("p2"))
    assert (platelets(door, "p1"), platelets(door, "p2")) == ("unknown", "met")


def test_a_reference_stands_while_nobody_carries_its_identifier(door: Door) -> None:
    door.kept(patient("p1"), lab(subject={"reference": "Patient/p1", "identifier": MRN}))
    assert platelets(door) == "met"
    door.put(known("p2"))
    assert platelets(door) == "unknown"


def test_an_identifier_without_a_system_is_not_that_of_any_system(door: Door) -> None:
    door.kept(known(), by_identifier(identifier={"value": "17"}))
    assert platelets(door) == "unknown"
    door.put(known("p1", MRN, {"value": "17"}))
    assert platelets(door) == "met"


def test_an_identifier_is_that_of_its_own_hospital(door: Door) -> None:
    door.kept(known())
    assert unlinked(door.at("north").put(by_identifier())) == "1"
    assert platelets(door) == "unknown"


def test_a_group_or_another_server_s_patient_can_never_be_linked(door: Door) -> None:
    nobody = (
        {"reference": "Group/g1"},
        {"reference": "https://elsewhere.example/fhir/Patient/p1"},
        {"type": "Group", "identifier": MRN},
        {"display": "the man in bed 3"},
    )
    door.kept(known())
    for number, subject in enumerate(nobody):
        one = lab(f"n{number}", subject=subject)
        assert unlinked(door.put(one)) == "1"
        refused = door.put(lab(f"s{number}", subject=subject), Prefer="handling=strict")
        assert refused.status_code == 422
        assert places(refused) == ["Observation.subject"]
    assert platelets(door) == "unknown"


def test_another_server_s_reference_with_an_identifier_is_linked_by_that(door: Door) -> None:
    there = {"reference": "https://elsewhere.example/fhir/Patient/9", "identifier": MRN}
    door.kept(known(), lab(subject=there))
    assert platelets(door) == "met"


def test_the_labs_inside_a_panel_are_linked_with_it(door: Door) -> None:
    inner = by_identifier("in")
    panel = by_identifier(
        "panel", code="58410-2", contained=[inner], hasMember=[{"reference": "#in"}]
    )
    del panel["valueQuantity"]
    door.kept(known(), panel)
    assert platelets(door) == "met"


def test_deleting_what_was_linked_by_identifier_leaves_nothing_behind(door: Door) -> None:
    door.kept(by_identifier())
    door.send("DELETE", "Observation/o1")
    door.kept(known())
    assert platelets(door) == "unknown"


def test_a_merge_decides_again_who_is_named_in_any_order(door: Door) -> None:
    other = {"system": "urn:mrn", "value": "18"}
    to_q = {"link": [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]}
    both = {"reference": "Patient/p1", "identifier": other}
    door.kept(known("p1"), known("p2", other), lab("before", subject=both))
    assert (platelets(door, "p1"), platelets(door, "p2")) == ("unknown", "unknown")
    door.put(known("p1", **to_q))
    assert platelets(door, "p2") == "met"
    door.put(lab("after", subject=both))
    assert door.put(known("p1", active=True)).status_code == 200
    assert (platelets(door, "p1"), platelets(door, "p2")) == ("unknown", "unknown")


def test_a_merge_further_down_a_chain_is_looked_at_too(door: Door) -> None:
    def into(one: str) -> Json:
        return {"link": [{"other": {"reference": f"Patient/{one}"}, "type": "replaced-by"}]}

    other = {"system": "urn:mrn", "value": "18"}
    door.kept(known("p1", **into("p2")), known("p2", other), known("p3"), by_identifier())
    assert platelets(door, "p3") == "unknown"
    door.put(known("p2", other, **into("p3")))
    assert platelets(door, "p3") == "met"
    assert door.put(known("p2", other, active=True)).status_code == 200
    assert platelets(door, "p3") == "unknown"


def test_the_survivor_of_a_merge_that_is_deleted_holds_nothing(door: Door) -> None:
    merged = {"link": [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]}
    door.kept(known("p1", **merged), known("p2"), by_identifier())
    door.send("DELETE", "Patient/p2")
    found = matches(door.get("Observation?patient=p1"))
    assert [it["id"] for it in found] == ["o1"]


def test_a_reference_to_no_patient_is_not_made_one_by_an_identifier(door: Door) -> None:
    group = {"resourceType": "Group", "id": "c", "type": "person", "actual": True}
    inside = known("c", {"system": "urn:mrn", "value": "other"})
    cases: list[tuple[Json, list[Json]]] = [
        ({"reference": "Group/1", "identifier": MRN}, []),
        ({"reference": "https://o.example/Device/3", "identifier": MRN}, []),
        ({"reference": "#c", "identifier": MRN}, [group]),
        ({"reference": "#c", "identifier": MRN}, [inside]),
    ]
    door.kept(known())
    for number, (subject, contained) in enumerate(cases):
        one = lab(f"n{number}", value=20, subject=subject)
        if contained:
            one["contained"] = contained
        assert unlinked(door.put(one)) == "1", subject
    assert platelets(door) == "unknown"


def test_a_patient_who_is_not_here_is_told_until_she_comes(door: Door) -> None:
    first = door.put(lab(), Prefer="return=OperationOutcome")
    assert (first.status_code, unlinked(first)) == (201, "1")
    assert "until that one arrives" in said(first)
    again = door.put(lab(), Prefer="return=OperationOutcome, handling=strict")
    assert (again.status_code, unlinked(again)) == (200, "1")
    assert "until that one arrives" in said(again)
    sent = transaction(lab(), lab("o2"))
    assert unlinked(door.post("", sent)) == "2"
    assert unlinked(door.post("", sent)) == "2"
    door.put(patient())
    assert unlinked(door.put(lab())) == "0"
    assert unlinked(door.post("", sent)) == "0"


# Conditional references


CONDITION = "Patient?identifier=urn:mrn|17"


@pytest.mark.parametrize(
    "reference", [CONDITION, f"http://localhost/fhir/{CONDITION}", CONDITION.replace("|", "%7C")]
)
@pytest.mark.parametrize("where", ["store", "bundle", "created"])
def test_a_conditional_reference_means_the_one_that_is_found(
    door: Door, reference: str, where: str
) -> None:
    one = entry(lab(subject={"reference": reference}))
    if where == "store":
        door.put(known())
        answer = door.post("", bundle("transaction", one))
    else:
        new = known()
        if where == "created":
            del new["id"]
        first = entry(new, "POST" if where == "created" else "PUT")
        answer = door.post("", bundle("transaction", one, first))
    assert answer.status_code == 200, answer.text
    subject = content(door.get("Observation/o1"))["subject"]["reference"]
    assert subject.startswith("Patient/")
    assert platelets(door, subject.removeprefix("Patient/")) == "met"


@pytest.mark.parametrize("count", [0, 2])
def test_a_conditional_reference_to_none_or_several_fails(door: Door, count: int) -> None:
    door.kept(patient("p0"), *(known(f"p{n + 1}") for n in range(count)))
    conditional = lab(subject={"reference": CONDITION})
    before = door.state()
    whole = door.post("", transaction(lab("o9"), conditional))
    assert whole.status_code == 412
    assert places(whole) == ["Bundle.entry[1].resource.subject.reference"]
    assert door.state() == before
    parts = door.post("", batch(lab("o9"), conditional))
    assert statuses(parts) == ["201 Created", "412 Precondition Failed"]
    assert door.put(conditional).status_code == 412


def test_a_conditional_reference_follows_what_the_bundle_itself_changes(door: Door) -> None:
    door.kept(known("p1"))
    moved = transaction(patient("p1"), known("p2"), lab(subject={"reference": CONDITION}))
    assert door.post("", moved).status_code == 200
    assert content(door.get("Observation/o1"))["subject"]["reference"] == "Patient/p2"
    deletion = {"request": {"method": "DELETE", "url": "Patient/p2"}}
    sent = bundle("transaction", deletion, entry(lab("o2", subject={"reference": CONDITION})))
    assert door.post("", sent).status_code == 412


@pytest.mark.parametrize("search", ["name=Anna", "identifier=17", "_id=p1"])
def test_other_conditional_references_are_refused_with_what_is_understood(
    door: Door, search: str
) -> None:
    door.put(known())
    answer = door.put(lab(subject={"reference": f"Patient?{search}"}))
    assert answer.status_code == 422
    assert "Type?identifier=system|value" in said(answer)


def test_conditional_references_to_what_is_not_read_are_left_alone(door: Door) -> None:
    performer = [{"reference": "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9"}]
    assert door.post("", transaction(patient(), lab(performer=performer))).status_code == 200
    assert content(door.get("Observation/o1"))["performer"] == performer


def test_a_medication_is_found_by_a_conditional_reference(door: Door) -> None:
    product = DRUG_OF_MEDICATION | {"identifier": [{"system": "urn:lot", "value": "7"}]}
    given = medicine("a1", medicationReference={"reference": "Medication?identifier=urn:lot|7"})
    del given["medicationCodeableConcept"]
    door.kept(patient(), given, product)
    assert door.verdicts()["EX09"] == "met"


# References to entries


def test_a_relative_reference_is_below_the_server_of_its_own_entry(door: Door) -> None:
    def made(resource: Json, server: str) -> Json:
        address = f"http://{server}.example/fhir/{resource['resourceType']}/{resource['id']}"
        return {**entry(resource, "POST"), "fullUrl": address}

    door.kept(patient("1"))
    patients = [made(patient("1", gender=g), s) for g, s in (("male", "a"), ("female", "b"))]
    labs = [made(lab("9", value=v, of="1"), s) for v, s in ((200, "a"), (20, "b"))]
    sent = bundle("transaction", *labs, *patients)
    answer = door.post("", sent)
    assert (answer.status_code, unlinked(answer)) == (200, "0")
    ids = [
        it["response"]["location"].split("/_history")[0].rpartition("/")[2]
        for it in content(answer)["entry"]
    ]
    assert [platelets(door, one) for one in (*ids[2:], "1")] == ["met", "not-met", "unknown"]
    alone = door.post("", bundle("transaction", made(lab("8", of="1"), "a")))
    assert unlinked(alone) == "1"
    assert platelets(door, "1") == "unknown"
    nowhere = entry(lab("7", of="1"), "POST")
    refused = door.post("", bundle("transaction", *patients, nowhere))
    assert refused.status_code == 422
    assert places(refused) == ["Bundle.entry[2].resource.subject.reference"]
    own = entry(lab("6", of="1")) | {"fullUrl": "http://a.example/fhir/Observation/6"}
    assert unlinked(door.post("", bundle("transaction", own))) == "0"
    assert platelets(door, "1") == "met"


@pytest.mark.parametrize("reference", [URN, "urn:oid:1.2.3"])
def test_a_reference_to_no_entry_fails(door: Door, reference: str) -> None:
    hanging = lab(subject={"reference": reference})
    whole = door.post("", transaction(patient(), hanging))
    assert whole.status_code == 422
    assert places(whole) == ["Bundle.entry[1].resource.subject.reference"]
    assert door.rows()["resources"] == 0
    parts = door.post("", batch(patient(), hanging))
    assert statuses(parts) == ["201 Created", "422 Unprocessable Entity"]
    assert door.put(hanging).status_code == 422


def test_what_refers_to_a_failed_entry_fails_with_it(door: Door) -> None:
    bad = entry(patient(gender="banana"), "POST") | {"fullUrl": URN}
    member = entry(lab("o1", subject={"reference": URN})) | {"fullUrl": "urn:uuid:2"}
    panel = entry(lab("o2", derivedFrom=[{"reference": "urn:uuid:2"}]))
    answer = door.post("", bundle("batch", bad, member, panel, entry(lab("o3"))))
    assert [one[:3] for one in statuses(answer)] == ["422", "422", "422", "201"]
    outcome = content(answer)["entry"][2]["response"]["outcome"]
    assert "mend that one" in outcome["issue"][0]["details"]["text"]


def test_issues_about_links_show_nothing_of_the_patient(door: Door) -> None:
    secret = {"system": "urn:mrn", "value": "SECRET-17"}
    door.kept(known("p1", secret), known("p2", secret))
    reference = {"reference": "Patient?identifier=urn:mrn|SECRET-17"}
    for answer in (
        door.put(by_identifier(identifier=secret), Prefer="return=OperationOutcome"),
        door.put(lab(subject=reference)),
        door.put(lab(subject={"reference": "urn:uuid:SECRET-17"})),
    ):
        assert issues(answer)
        assert "SECRET" not in answer.text
