"""Transactions and batches: what is kept, what is refused, what each entry is told."""

from __future__ import annotations

from typing import Any

import pytest

from refnot_fhir.fhir import wire
from tests.door import (
    Door,
    Json,
    batch,
    bundle,
    content,
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

NOT_VALID: list[tuple[str, Json, str]] = [
    ("a code outside its value set", lab("o2", status="banana"), "status"),
    ("a reference to the wrong type", lab("o2", subject={"reference": "Encounter/1"}), "subject"),
    ("an empty array", lab("o2", note=[]), "note"),
    ("two values", lab("o2", valueString="200"), "value"),
    ("a day that is in no calendar", patient("p2", birthDate="2023-02-30"), "birthDate"),
]


@pytest.mark.parametrize(("what", "wrong", "where"), NOT_VALID)
def test_one_bad_entry_undoes_a_transaction_and_is_named(
    door: Door, what: str, wrong: Json, where: str
) -> None:
    before = door.rows()
    answer = door.post("", transaction(patient(), lab(), wrong, lab("o9")))
    assert answer.status_code == 422, what
    assert places(answer)[0].startswith(f"Bundle.entry[2].resource.{where}")
    assert door.rows() == before
    assert door.get("Patient/p1").status_code == 404


def test_every_bad_entry_of_a_transaction_is_named(door: Door) -> None:
    wrong = [lab("o1", status="banana"), patient(), lab("o3", status="apple")]
    answer = door.post("", transaction(*wrong))
    assert places(answer) == [
        "Bundle.entry[0].resource.status",
        "Bundle.entry[2].resource.status",
    ]
    assert answer.headers["X-Entries-Failed"] == "3"


def test_a_batch_keeps_what_is_sound_and_tells_each_entry(door: Door) -> None:
    answer = door.post("", batch(patient(), lab("o1", status="banana"), lab("o2")))
    assert answer.status_code == 200
    assert content(answer)["type"] == "batch-response"
    assert statuses(answer) == ["201 Created", "422 Unprocessable Entity", "201 Created"]
    assert answer.headers["X-Entries-Failed"] == "1"
    failed = content(answer)["entry"][1]["response"]["outcome"]["issue"]
    assert failed[0]["expression"] == ["Bundle.entry[1].resource.status"]
    assert failed[0]["severity"] == "error"
    assert door.get("Observation/o1").status_code == 404
    assert door.get("Observation/o2").status_code == 200


@pytest.mark.parametrize("prefer", ["handling=strict", "return=minimal; handling = strict"])
def test_under_strict_handling_a_batch_with_a_failed_entry_has_an_error_status(
    door: Door, prefer: str
) -> None:
    answer = door.post("", batch(patient(), lab(status="banana")), Prefer=prefer)
    assert answer.status_code == 422
    assert content(answer)["type"] == "batch-response"
    assert statuses(answer) == ["201 Created", "422 Unprocessable Entity"]
    assert door.get("Patient/p1").status_code == 200
    assert door.post("", batch(patient()), Prefer=prefer).status_code == 200


REQUESTS: list[tuple[str, Json, str, str]] = [
    ("a method that is not offered", entry(patient(), "PATCH"), "not-supported", "request.method"),
    ("an id that is not the one of the url",
     entry(patient("p2")) | {"request": {"method": "PUT", "url": "Patient/p3"}}, "invalid",
     "resource.id"),
    ("a url of another type",
     {"resource": patient(), "request": {"method": "POST", "url": "Observation"}}, "invalid",
     "resource"),
    ("a put without a name",
     {"resource": patient(), "request": {"method": "PUT", "url": "Patient"}}, "value",
     "request.url"),
    ("a post without a resource", {"request": {"method": "POST", "url": "Patient"}}, "required",
     "resource"),
    ("an etag that is none", entry(patient(), ifMatch="first"), "value", "request.ifMatch"),
    ("a condition on a birth date",
     entry(patient(), "POST", ifNoneExist="birthdate=1970-03-01"), "not-supported",
     "request.ifNoneExist"),
    ("a conditional delete",
     {"request": {"method": "DELETE", "url": "Patient?identifier=urn:mrn|1"}}, "not-supported",
     "request.url"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "wrong", "code", "where"), REQUESTS)
def test_a_request_that_cannot_be_meant_fails_alone_in_a_batch_and_all_in_a_transaction(
    door: Door, what: str, wrong: Json, code: str, where: str
) -> None:
    sound = entry(lab())
    answer = door.post("", bundle("batch", sound, wrong))
    assert answer.status_code == 200, what
    first, second = content(answer)["entry"]
    assert first["response"]["status"] == "201 Created"
    assert second["response"]["status"].startswith("422")
    issue = second["response"]["outcome"]["issue"][0]
    assert (issue["code"], issue["expression"]) == (code, [f"Bundle.entry[1].{where}"])
    refused = door.post("", bundle("transaction", entry(patient("p9")), wrong))
    assert 400 <= refused.status_code < 500
    assert f"Bundle.entry[1].{where}" in places(refused)
    assert door.get("Patient/p9").status_code == 404


def test_entries_of_a_transaction_that_write_one_resource_are_refused(door: Door) -> None:
    answer = door.post("", transaction(patient(), patient()))
    assert answer.status_code == 400
    assert places(answer) == ["Bundle.entry[1].request.url"]


def test_a_batch_writes_one_resource_twice_in_the_order_sent(door: Door) -> None:
    answer = door.post("", batch(lab(value=100), patient(), lab(value=200)))
    assert statuses(answer) == ["201 Created", "201 Created", "200 OK"]
    assert content(door.get("Observation/o1"))["meta"]["versionId"] == "2"
    assert door.verdicts()["IN07B"] == "met"
    before = door.state()
    again = door.post("", batch(lab(value=100), patient(), lab(value=200)))
    assert again.headers["X-Replayed"] == "true"
    assert statuses(again) == ["200 OK"] * 3
    assert door.state() == before


URN = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
DRUG = "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"


@pytest.mark.parametrize(
    "name", [URN, "http://hospital.example/fhir/Patient/17", "https://x.example/Patient/p-1"]
)
def test_references_between_entries_become_literal_and_nothing_else_changes(
    door: Door, name: str
) -> None:
    given = medicine(id="a1", subject={"reference": name, "display": "Иван \\u0418"})
    del given["id"], given["medicationCodeableConcept"]
    given |= {
        "contained": [{"resourceType": "Observation", "id": "c", "status": "final",
                       "code": {"text": "x"}, "subject": {"reference": name}}],
        "reasonReference": [{"reference": "#c"}],
        "medicationReference": {"reference": DRUG},
        "note": [{"text": f"about {name}, not a reference"}],
    }  # fmt: skip
    drug = {"resourceType": "Medication", "code": {"coding": [{"system": "urn:x", "code": "1"}]}}
    man = patient()
    del man["id"]
    sent = bundle(
        "transaction",
        {**entry(given, "POST"), "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
        {**entry(man, "POST"), "fullUrl": name},
        {**entry(drug, "POST"), "fullUrl": DRUG},
    )
    answer = door.post("", sent)
    assert answer.status_code == 200, answer.text
    where = [it["response"]["location"].split("/fhir/")[1] for it in content(answer)["entry"]]
    who, what = (place.removesuffix("/_history/1") for place in where[1:])
    read = content(door.get(where[0].removesuffix("/_history/1")))
    assert read["subject"] == {"reference": who, "display": "Иван \\u0418"}
    assert read["contained"][0]["subject"]["reference"] == who
    assert read["medicationReference"]["reference"] == what
    assert read["note"] == given["note"]
    assert read["reasonReference"] == given["reasonReference"]
    assert [it["id"] for it in matches(door.get(f"MedicationAdministration?patient={who}"))]
    before = door.state()
    assert door.post("", sent).headers["X-Replayed"] == "true"
    assert door.state() == before


def test_a_reference_in_a_contained_resource_of_another_delivery_is_left_alone(door: Door) -> None:
    door.kept(patient(), lab(subject={"reference": "Patient/p1"}, note=[{"text": URN}]))
    assert URN.encode() in door.get("Observation/o1").data


def created(answer: Any) -> str:
    """`Patient/…` of the first entry of a response, or of a single create."""
    if "Location" in answer.headers:
        place = answer.headers["Location"]
    else:
        place = content(answer)["entry"][0]["response"]["location"]
    return str(place).split("/fhir/")[1].split("/_history")[0]


def nameless(resource: Json) -> Json:
    """Without an id, as engines create."""
    return {name: value for name, value in resource.items() if name != "id"}


def test_the_same_create_in_another_bundle_or_alone_is_the_same_resource(door: Door) -> None:
    one, two = entry(nameless(patient()), "POST"), entry(nameless(lab()), "POST")
    first = created(door.post("", bundle("transaction", one)))
    before = door.state()
    other = door.post("", bundle("batch", one, entry(lab("o5", subject={"reference": first}))))
    assert statuses(other)[0] == "200 OK"
    assert created(other) == first
    alone = door.post("Patient", nameless(patient()))
    assert (alone.status_code, created(alone)) == (200, first)
    assert door.rows()["patients"] == before[0]["patients"]
    assert created(door.post("", bundle("batch", two))) != first


def test_a_transaction_and_then_a_batch_of_its_entries_change_nothing_more(door: Door) -> None:
    entries = [
        entry(patient()),
        entry(nameless(lab(value=100)), "POST"),
        {**entry(nameless(medicine()), "POST"), "fullUrl": URN},
    ]
    door.post("", bundle("transaction", *entries))
    before = door.state()
    answer = door.post("", bundle("batch", *entries))
    assert statuses(answer) == ["200 OK"] * 3
    rows = door.rows()
    assert (rows, door.state()[1]) == (before[0], before[1])


def test_two_entries_with_one_full_url_are_refused(door: Door) -> None:
    one, two = ({**entry(lab(id_)), "fullUrl": URN} for id_ in ("o1", "o2"))
    answer = door.post("", bundle("transaction", one, two))
    assert answer.status_code in (400, 422)
    assert any(place.startswith("Bundle") for place in places(answer))
    assert door.rows()["resources"] == 0


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("Patient/p1", "200 OK"),
        ("Patient?_id=p1", "200 OK"),
        ("ResearchSubject?patient=p1&status=candidate", "200 OK"),
        ("ResearchStudy/r2", "200 OK"),
        ("Patient/nobody", "404 NOT FOUND"),
        ("Encounter/e1", "404 NOT FOUND"),
        ("Patient", "400 BAD REQUEST"),
    ],
)
def test_a_read_in_a_batch_is_answered_as_it_is_alone(
    door: Door, asked: str, expected: str
) -> None:
    door.kept(patient())
    host = {"base_url": "https://localhost/"}
    read = {"request": {"method": "GET", "url": asked}}
    answer = door.send("POST", "", bundle("batch", read, entry(lab())), **host)
    found = content(answer)["entry"][0]
    assert found["response"]["status"] == expected
    alone = door.send("GET", asked, **host)
    shown = found.get("resource") or found["response"]["outcome"]
    assert shown == content(alone)
    assert found["response"].get("etag") == alone.headers.get("ETag")


def test_reads_of_a_batch_see_what_the_batch_wrote_at_its_own_hospital(door: Door) -> None:
    reads = [{"request": {"method": "GET", "url": url}} for url in ("Patient/p1", "Patient/p2")]
    answer = door.at("north").post("", bundle("batch", reads[0], entry(patient()), reads[1]))
    assert statuses(answer) == ["200 OK", "201 Created", "404 NOT FOUND"]
    assert door.at("north").get("Patient/p1").status_code == 200
    assert door.get("Patient/p1").status_code == 404


def test_a_read_in_a_transaction_is_refused(door: Door) -> None:
    read = {"request": {"method": "GET", "url": "Patient/p1"}}
    answer = door.post("", bundle("transaction", read))
    assert answer.status_code == 400
    assert places(answer) == ["Bundle.entry[0].request.method"]


@pytest.mark.parametrize(
    ("type_", "help_"),
    [
        ("collection", "send them as a transaction"),
        ("message", "send the resources as a transaction"),
        ("document", "transaction"),
        ("searchset", "transaction"),
        ("history", "transaction"),
        ("transaction-response", "answer"),
        ("batch-response", "answer"),
    ],
)
def test_other_bundles_are_refused_with_the_way_out(door: Door, type_: str, help_: str) -> None:
    answer = door.post("", {"resourceType": "Bundle", "type": type_})
    assert answer.status_code in (400, 422)
    if answer.status_code == 400:
        assert help_ in said(answer)
        assert places(answer) == ["Bundle.type"]


def test_a_bundle_that_is_itself_not_valid_is_refused_with_its_places(door: Door) -> None:
    answer = door.post("", {"resourceType": "Bundle", "type": "transaction", "total": "many"})
    assert answer.status_code == 422
    assert places(answer) == ["Bundle.total"]


def test_an_entry_without_a_request_makes_the_whole_bundle_invalid(door: Door) -> None:
    answer = door.post("", bundle("batch", entry(patient()), {"resource": lab()}))
    assert answer.status_code == 422
    assert places(answer)[0].startswith("Bundle.entry[1]") or "request" in said(answer)


@pytest.mark.parametrize("entries", [5, "all", {"resource": {}}, [None], [5], [[]], True])
def test_entries_of_the_wrong_shape_are_refused(door: Door, entries: object) -> None:
    sent = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = door.post("", sent)
    assert answer.status_code == 422
    assert places(answer)[0].startswith("Bundle.entry")


def test_an_empty_bundle_is_answered_empty(door: Door) -> None:
    answer = door.post("", {"resourceType": "Bundle", "type": "transaction"})
    assert answer.status_code == 200
    assert content(answer) == {"resourceType": "Bundle", "type": "transaction-response"}


def test_what_a_delivery_did_to_the_criteria_is_told_once(door: Door) -> None:
    answer = door.post("", transaction(patient(), lab("o1"), lab("o2", 210)))
    told = [
        issue["details"]["text"]
        for it in content(answer)["entry"]
        for issue in it["response"]["outcome"]["issue"]
        if "IN07B" in issue["details"]["text"]
    ]
    assert len(told) == 1
    assert "unknown → met" in told[0]


def test_why_a_value_cannot_be_used_is_told_with_its_place(door: Door) -> None:
    answer = door.post("", transaction(patient(), lab(unit="furlong")))
    issue = content(answer)["entry"][1]["response"]["outcome"]["issue"][0]
    assert issue["severity"] == "warning"
    assert issue["expression"] == ["Bundle.entry[1].resource"]
    assert "platelets" in issue["details"]["text"]


def test_locations_are_those_of_the_address_that_clients_see(door: Door) -> None:
    answer = door.send("POST", "", transaction(patient()), base_url="https://localhost/")
    place = content(answer)["entry"][0]["response"]["location"]
    assert place == "https://localhost/fhir/Patient/p1/_history/1"


def test_absolute_request_urls_below_the_base_are_understood(door: Door) -> None:
    one = entry(patient()) | {
        "request": {"method": "PUT", "url": "http://localhost/fhir/Patient/p1"}
    }
    assert statuses(door.post("", bundle("transaction", one))) == ["201 Created"]


def test_issues_name_places_and_never_the_patient(door: Door) -> None:
    secret = patient(name=[{"family": "Secretov", "use": "banana"}])
    answer = door.post("", transaction(secret))
    assert answer.status_code == 422
    assert b"Secretov" not in answer.data
    assert issues(answer)


def test_numbers_of_a_bundle_are_kept_as_they_were_sent(door: Door) -> None:
    raw = wire.encode(transaction(patient(), lab())).replace(b'"value":200', b'"value":2.0E2')
    assert door.post("", raw).status_code == 200
    assert b'"value":2.0E2' in door.get("Observation/o1").data


@pytest.mark.parametrize("type_", ["Bundle", "ResearchStudy", "ResearchSubject"])
def test_what_would_be_lost_behind_a_success_is_refused(door: Door, type_: str) -> None:
    resources = {
        "Bundle": {"resourceType": "Bundle", "type": "batch"},
        "ResearchStudy": {"resourceType": "ResearchStudy", "status": "completed"},
        "ResearchSubject": {"resourceType": "ResearchSubject", "status": "candidate"},
    }
    answer = door.post("", bundle("batch", entry(resources[type_], method="POST")))
    (status,) = statuses(answer)
    assert status.startswith("422")
    assert answer.headers["X-Entries-Failed"] == "1"


def test_a_version_can_be_read_in_a_batch_and_not_written(door: Door) -> None:
    door.put(lab(value=100))
    door.put(lab(value=110))
    of_first = "Observation/o1/_history/1"
    answer = door.post("", bundle("batch", {"request": {"method": "GET", "url": of_first}}))
    assert content(answer)["entry"][0]["resource"]["valueQuantity"]["value"] == 100
    for method in ("DELETE", "PUT"):
        one = {"request": {"method": method, "url": of_first}}
        if method == "PUT":
            one["resource"] = lab()
        assert door.post("", bundle("transaction", one)).status_code == 400
    assert door.rows()["versions"] == 2


def test_a_malformed_id_fails_its_entry_of_a_batch_alone(door: Door) -> None:
    answer = door.post("", batch(patient("bad id"), patient()))
    assert [one[:3] for one in statuses(answer)] == ["422", "201"]
    assert door.post("", transaction(patient("bad id"), patient())).status_code == 422


def test_the_text_of_an_issue_names_the_place_in_the_bundle(door: Door) -> None:
    (issue,) = issues(door.post("", transaction(patient(gender="X"))))
    assert issue["expression"] == ["Bundle.entry[0].resource.gender"]
    assert issue["details"]["text"].startswith("Bundle.entry[0].resource.gender: ")
