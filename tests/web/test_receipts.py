"""A 2xx says what now stands: resends, keys, equal creates, and what superseded them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from refnot_fhir.fhir import wire
from tests.door import (
    Door,
    Json,
    bundle,
    content,
    dose,
    entry,
    issues,
    lab,
    matches,
    open_door,
    patient,
    said,
    small_rulebook,
    statuses,
    transaction,
)


def nameless(resource: Json) -> Json:
    """Without an id, as engines create."""
    return {name: value for name, value in resource.items() if name != "id"}


def posted(*resources: Json, kind: str = "transaction") -> Json:
    return bundle(kind, *(entry(nameless(one), "POST") for one in resources))


def notes(answer: TestResponse) -> list[str]:
    """What the answer says of each entry."""
    return [
        "; ".join(issue["details"]["text"] for issue in it["response"]["outcome"]["issue"])
        for it in content(answer)["entry"]
    ]


def locations(answer: TestResponse) -> list[str]:
    return [
        it["response"]["location"].partition("/fhir/")[2].partition("/_history")[0]
        for it in content(answer)["entry"]
    ]


# The same delivery


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_resend_is_told_what_stands_and_does_nothing(door: Door, kind: str) -> None:
    sent = bundle(kind, entry(patient()), entry(nameless(lab()), "POST"))
    first = door.post("", sent)
    assert statuses(first) == ["201 Created"] * 2
    before = door.state()
    again = door.post("", sent)
    assert (again.status_code, again.headers["X-Replayed"]) == (200, "true")
    assert statuses(again) == ["200 OK"] * 2
    assert locations(again) == locations(first)
    assert all("version 1 still stands" in note for note in notes(again))
    assert door.state() == before


def test_a_keyed_resend_is_told_what_superseded_it_and_what_was_deleted(door: Door) -> None:
    sent = transaction(patient(), lab(value=80), lab("o2"))
    door.post("", sent, Idempotency_Key="k1")
    door.put(lab(value=90))
    door.put(lab(value=95))
    door.send("DELETE", "Observation/o2")
    before = door.state()
    again = door.post("", sent, Idempotency_Key="k1")
    assert (again.status_code, again.headers["X-Replayed"]) == (200, "true")
    assert statuses(again) == ["200 OK"] * 3
    told = notes(again)
    assert "version 1 still stands" in told[0]
    assert "version 1 is superseded by version 3" in told[1]
    assert "deleted since, by version 2" in told[2]
    etags = [it["response"]["etag"] for it in content(again)["entry"]]
    assert etags == ['W/"1"', 'W/"3"', 'W/"2"']
    assert door.state() == before


def test_without_a_key_a_bundle_of_what_was_deleted_is_ambiguous(door: Door) -> None:
    sent = posted(patient(), lab())
    place = locations(door.post("", sent))[1]
    door.send("DELETE", place)
    before = door.state()
    again = door.post("", sent)
    assert again.status_code == 409
    assert "Idempotency-Key" in said(again)
    assert 'If-Match: W/"2"' in said(again)
    assert "X-Replayed" not in again.headers
    assert door.get(place).status_code == 410
    assert door.state() == before


def test_bundles_with_80_90_and_80_again_do_not_pretend_that_80_stands(door: Door) -> None:
    for value in (80, 90):
        assert door.post("", transaction(patient(), lab(value=value))).status_code == 200
    before = door.state()
    third = door.post("", transaction(patient(), lab(value=80)))
    assert third.status_code == 409
    assert "version 2 replaced" in said(third)
    assert door.state() == before
    one_by_one = door.post("", bundle("batch", entry(lab(value=80)), entry(patient("p2"))))
    assert statuses(one_by_one) == ["409 Conflict", "201 Created"]


def test_what_an_unkeyed_resend_speaks_of_may_be_decided_by_its_moment(door: Door) -> None:
    old = lab(value=80, meta={"lastUpdated": "2026-05-01T08:00:00Z"})
    sent = transaction(patient(), old)
    door.post("", sent)
    door.put(lab(value=90, meta={"lastUpdated": "2026-05-02T08:00:00Z"}))
    again = door.post("", sent)
    assert statuses(again) == ["200 OK"] * 2
    assert "version 2 replaced it" in notes(again)[1]
    door.send("DELETE", "Observation/o1")
    again = door.post("", sent)
    assert "version 3 deleted it" in notes(again)[1]
    late = door.put(lab(value=85, meta={"lastUpdated": "2026-05-01T09:00:00Z"}))
    assert late.status_code == 202
    assert door.get("Observation/o1").status_code == 410


def test_a_deletion_that_was_undone_since_is_told_so(door: Door) -> None:
    door.kept(patient(), lab())
    deletion = {"request": {"method": "DELETE", "url": "Observation/o1"}}
    sent = bundle("transaction", deletion)
    door.post("", sent, Idempotency_Key="gone")
    assert "version 2 still stands" in notes(door.post("", sent, Idempotency_Key="gone"))[0]
    door.put(lab(), If_Match='W/"2"')
    again = door.post("", sent, Idempotency_Key="gone")
    assert "superseded by version 3" in notes(again)[0]
    assert door.get("Observation/o1").status_code == 200


def test_a_late_arrival_stays_late_in_a_resend(door: Door) -> None:
    door.put(lab(value=90, meta={"lastUpdated": "2026-05-02T08:00:00Z"}))
    sent = transaction(patient(), lab(value=80, meta={"lastUpdated": "2026-05-01T08:00:00Z"}))
    assert statuses(door.post("", sent)) == ["201 Created", "202 Accepted"]
    again = door.post("", sent)
    assert again.headers["X-Replayed"] == "true"
    assert "version 2 of the history; version 1 stands" in notes(again)[1]


# Keys


def test_the_same_key_with_other_content_is_refused(door: Door) -> None:
    door.post("", transaction(patient(), lab(value=80)), Idempotency_Key="k1")
    before = door.state()
    other = door.post("", transaction(patient(), lab(value=90)), Idempotency_Key="k1")
    assert other.status_code == 422
    assert "needs a new key" in said(other)
    single = door.put(lab(value=90), Idempotency_Key="k1")
    assert single.status_code == 422
    assert door.state() == before
    assert door.at("north").put(lab(value=90), Idempotency_Key="k1").status_code == 201


def test_of_two_contents_that_use_one_key_at_once_one_is_taken(door: Door) -> None:
    def put(number: int) -> int:
        sent = transaction(patient(f"p{number}"), lab(value=number))
        return door.post("", sent, Idempotency_Key="k").status_code

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(put, range(100, 106)))
    assert answers == [200] + [422] * 5
    assert door.rows()["patients"] == 2  # the one sent, and p1 of her lab


def test_what_failed_of_a_keyed_batch_is_tried_again_and_the_rest_is_told(door: Door) -> None:
    conditional = lab("o3", subject={"reference": "Patient?identifier=urn:mrn|17"})
    first_three = (entry(nameless(lab()), "POST"), entry(lab("o2")), entry(patient()))
    sent = bundle("batch", *first_three, entry(conditional))
    first = door.post("", sent, Idempotency_Key="k")
    assert [one[:3] for one in statuses(first)] == ["201", "201", "201", "412"]
    door.put(lab("o2", value=1))
    again = door.post("", sent, Idempotency_Key="k")
    assert [one[:3] for one in statuses(again)] == ["200", "200", "200", "412"]
    assert "superseded by version 2" in notes(again)[1]
    door.put(patient("p7", identifier=[{"system": "urn:mrn", "value": "17"}]))
    third = door.post("", sent, Idempotency_Key="k")
    assert [one[:3] for one in statuses(third)] == ["200", "200", "200", "201"]
    whole = door.post("", sent, Idempotency_Key="k")
    assert whole.headers["X-Replayed"] == "true"
    assert "version 1 still stands" in notes(whole)[0]
    assert "version 1 is superseded by version 2" in notes(whole)[1]
    repaired = bundle("batch", *sent["entry"][:3])
    assert door.post("", repaired, Idempotency_Key="k").status_code == 422


def test_either_name_of_a_delivery_is_enough_to_know_it_again(door: Door) -> None:
    door.kept(patient())
    called = {"identifier": {"system": "urn:engine", "value": "msg-1"}}
    sent = posted(dose(), dose()) | called
    for attempt in ("1", "2"):
        answer = door.post("", sent, Idempotency_Key=attempt)
    assert answer.headers["X-Replayed"] == "true"
    assert door.post("", sent).headers["X-Replayed"] == "true"
    assert len(matches(door.get("MedicationAdministration?patient=p1"))) == 2
    assert door.post("", posted(dose()), Idempotency_Key="1").status_code == 422
    assert door.post("", posted(dose()) | called).status_code == 422


def test_a_new_key_says_that_going_back_is_meant(door: Door) -> None:
    for key, value in (("0", 80), ("1", 90), ("2", 80)):
        sent = transaction(patient(), lab(value=value))
        assert door.post("", sent, Idempotency_Key=key).status_code == 200
    now = content(door.get("Observation/o1"))
    assert (now["meta"]["versionId"], now["valueQuantity"]["value"]) == ("3", 80)
    stale = door.post("", transaction(patient(), lab(value=90)), Idempotency_Key="1")
    assert "superseded by version 3" in notes(stale)[1]


def test_a_warning_of_the_first_answer_is_repeated(door: Door) -> None:
    mrn = [{"system": "urn:mrn", "value": "17"}]
    door.put(patient(identifier=mrn))
    other = nameless(patient(gender="female", identifier=mrn))
    for _ in range(2):
        answer = door.post(
            "Patient", other, If_None_Exist="identifier=urn:mrn|17", Idempotency_Key="k",
            Prefer="return=OperationOutcome",
        )  # fmt: skip
        assert answer.status_code == 200
        assert "content is not what was sent" in said(answer)
    assert answer.headers["X-Replayed"] == "true"


# Deletions, conditions and moments


def test_a_late_resend_of_a_deletion_deletes_nothing_newer(door: Door) -> None:
    door.put(lab(value=80))
    sent = bundle("transaction", {"request": {"method": "DELETE", "url": "Observation/o1"}},
                  entry(patient()))  # fmt: skip
    door.post("", sent)
    door.put(lab(value=90))
    again = door.post("", sent)
    assert again.status_code == 409
    assert 'If-Match: W/"3"' in said(again)
    assert door.send("DELETE", "Observation/o1").status_code == 409
    assert content(door.get("Observation/o1"))["valueQuantity"]["value"] == 90
    meant = door.send("DELETE", "Observation/o1", headers={"If-Match": 'W/"3"'})
    assert meant.status_code == 200
    assert door.get("Observation/o1").status_code == 410


def test_a_request_whose_answer_was_lost_is_answered_again(door: Door) -> None:
    door.put(lab(value=80))
    for condition in ({"If-Match": 'W/"1"'}, {"If-None-Match": "*"}):
        for _ in range(2):
            path, body = "Observation/o1", lab(value=90)
            if "If-None-Match" in condition:
                path, body = "Observation/new", lab("new")
            answer = door.send("PUT", path, body, headers=condition)
            assert answer.status_code in (200, 201)
    assert door.rows()["versions"] == 3
    for _ in range(2):
        gone = door.send("DELETE", "Observation/o1", headers={"If-Match": 'W/"2"'})
        assert gone.status_code == 200
    assert door.rows()["versions"] == 4


def test_a_late_version_does_not_bring_back_what_was_deleted(door: Door) -> None:
    door.put(lab(value=80, meta={"lastUpdated": "2026-05-03T08:00:00Z"}))
    door.send("DELETE", "Observation/o1")
    for day in ("01", "03", "19"):
        late = lab(value=70, meta={"lastUpdated": f"2026-05-{day}T08:00:00Z"})
        answer = door.put(late, Prefer="return=OperationOutcome")
        assert answer.status_code == 202
        assert "it stays deleted" in said(answer)
        assert door.get("Observation/o1").status_code == 410
    door.clock.move(hours=2)
    new = lab(value=70, meta={"lastUpdated": "2026-05-20T10:00:00Z"})
    assert door.put(new).status_code == 201


def test_following_the_way_out_lets_the_create_be_sent_again(door: Door) -> None:
    place = locations(door.post("", posted(lab())))[0]
    id_ = place.partition("/")[2]
    door.put(lab(id_, value=1))
    assert door.post("Observation", nameless(lab())).status_code == 409
    door.put(lab(id_), If_Match='W/"2"')
    assert door.post("Observation", nameless(lab())).status_code == 200


def test_a_create_whose_condition_finds_another_patient_now_changes_nothing(door: Door) -> None:
    mrn = [{"system": "urn:mrn", "value": "17"}]
    conditional = nameless(lab(subject={"reference": "Patient?identifier=urn:mrn|17"}))
    door.kept(patient("p1", identifier=mrn), patient("p2"))
    sent = bundle("transaction", entry(conditional, "POST"))
    assert statuses(door.post("", sent)) == ["201 Created"]
    assert statuses(door.post("", sent)) == ["200 OK"]
    door.kept(patient("p1"), patient("p2", identifier=mrn))
    for again in (door.post("", sent), door.post("Observation", conditional)):
        assert again.status_code == 409
        assert "finds another resource now" in said(again)
    assert len(matches(door.get("Observation?patient=p1"))) == 1
    assert matches(door.get("Observation?patient=p2")) == []


def test_a_bundle_identifier_is_a_key(door: Door) -> None:
    called = {"identifier": {"system": "urn:engine", "value": "msg-1"}}
    door.post("", transaction(patient()) | called)
    door.put(patient(gender="female"))
    again = door.post("", transaction(patient()) | called)
    assert (again.status_code, again.headers["X-Replayed"]) == (200, "true")
    assert "superseded by version 2" in notes(again)[0]
    assert door.post("", transaction(patient("p2")) | called).status_code == 422


def test_an_x_request_id_is_no_key(door: Door) -> None:
    door.post("Observation", nameless(lab()), X_Request_Id="1")
    assert door.post("Observation", nameless(lab()), X_Request_Id="2").status_code == 200
    assert door.post("Observation", nameless(lab(value=1)), X_Request_Id="2").status_code == 201


def test_deliveries_with_different_keys_make_different_resources(door: Door) -> None:
    door.kept(patient())
    sent = posted(dose())
    for key in ("monday", "wednesday", "monday"):
        door.post("", sent, Idempotency_Key=key)
    assert len(matches(door.get("MedicationAdministration?patient=p1"))) == 2
    single = [
        door.post("Observation", nameless(lab()), Idempotency_Key=key).status_code
        for key in ("a", "b", '"a"')
    ]
    assert single == [201, 201, 200]
    assert len(matches(door.get("Observation?patient=p1"))) == 2


def test_a_single_resend_with_a_key_is_marked(door: Door) -> None:
    door.put(lab(value=80), Idempotency_Key="k")
    door.put(lab(value=90))
    again = door.put(lab(value=80), Idempotency_Key="k", Prefer="return=OperationOutcome")
    assert (again.status_code, again.headers["X-Replayed"]) == (200, "true")
    assert again.headers["ETag"] == 'W/"2"'
    assert "superseded by version 2" in said(again)
    assert content(door.get("Observation/o1"))["valueQuantity"]["value"] == 90


def test_a_key_of_what_was_not_kept_is_remembered_too(door: Door) -> None:
    useless = transaction(lab(code="4548-4"))
    assert door.post("", useless, Idempotency_Key="k").status_code == 200
    assert door.post("", useless, Idempotency_Key="k").headers["X-Replayed"] == "true"
    assert door.post("", transaction(lab()), Idempotency_Key="k").status_code == 422


def test_fresh_uuids_do_not_make_another_content(door: Door) -> None:
    for urn in ("urn:uuid:1f4b5b60-0000-4000-8000-000000000001",
                "urn:uuid:1f4b5b60-0000-4000-8000-000000000002"):  # fmt: skip
        of_her = lab(subject={"reference": urn})
        sent = bundle(
            "transaction", entry(patient()) | {"fullUrl": urn}, entry(nameless(of_her), "POST")
        )
        answer = door.post("", sent, Idempotency_Key="k")
        assert answer.status_code == 200, answer.text
    assert answer.headers["X-Replayed"] == "true"
    assert door.rows()["resources"] == 2


@pytest.mark.parametrize("key", ["", '""', "x" * 256])
def test_a_key_that_is_none_is_refused(door: Door, key: str) -> None:
    assert door.put(lab(), Idempotency_Key=key).status_code == 400


# The same content


SPELLINGS = [
    lambda one: json.dumps(one),
    lambda one: json.dumps(one, indent=2),
    lambda one: json.dumps(dict(reversed(one.items()))),
    lambda one: json.dumps(one).replace('"completed"', '"\\u0063ompleted"'),
]


def test_one_administration_in_four_spellings_is_one_resource(door: Door) -> None:
    door.kept(patient())
    plain = nameless(dose())
    plain["dosage"]["dose"] = {"value": 400000, "unit": "IU", "code": "[iU]",
                               "system": "http://unitsofmeasure.org"}  # fmt: skip
    answers = [door.post("MedicationAdministration", one(plain)) for one in SPELLINGS]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
    found = matches(door.get("MedicationAdministration?patient=p1"))
    assert len(found) == 1
    assert "possible-duplicate" not in door.get("/records/dosing").text


def test_the_same_content_alone_and_beside_what_it_refers_to_is_the_same(door: Door) -> None:
    def there(resource: Json) -> Json:
        return entry(resource) | {
            "fullUrl": f"http://his.example/fhir/{resource['resourceType']}/{resource['id']}"
        }

    door.post("", bundle("transaction", there(patient()), there(lab())))
    assert door.put(lab()).status_code == 200
    assert statuses(door.post("", transaction(lab(), patient()))) == ["200 OK"] * 2
    assert door.rows()["versions"] == 2


def test_a_bundle_in_another_spelling_is_the_same_delivery(door: Door) -> None:
    sent: Any = {"resourceType": "Bundle", "type": "transaction", "entry": [entry(patient())]}
    door.post("", json.dumps(sent))
    again = door.post("", json.dumps(dict(reversed(sent.items())), indent=1))
    assert again.headers["X-Replayed"] == "true"
    assert door.rows()["versions"] == 1


def test_another_spelling_is_no_new_version_and_other_digits_are(door: Door) -> None:
    body = b'{"resourceType":"Patient","id":"p1","extension":[{"url":"urn:x","valueDecimal":%s}]}'
    put = [
        door.send("PUT", "Patient/p1", body % digits).status_code
        for digits in (b"1.0", b"1.00", b" 1.00 ")
    ]
    assert put == [201, 200, 200]
    assert door.rows()["versions"] == 2


def test_what_was_received_is_given_back_as_it_was_spelled(door: Door) -> None:
    body = b'{ "id": "p1", "resourceType": "Patient", "name": [ {"family": "\\u0041nna"} ] }'
    door.send("PUT", "Patient/p1", body)
    assert b'"name":[ {"family": "\\u0041nna"} ]' in door.get("Patient/p1").data


def test_a_reference_in_another_spelling_is_followed(door: Door) -> None:
    door.kept(patient())
    named = lab(subject={"reference": "http://localhost/fhir/Patient/p1"})
    escaped = wire.encode(named).replace(b"/", b"\\/")
    assert door.send("PUT", "Observation/o1", escaped).status_code == 201
    assert door.verdicts()["IN07B"] == "met"
    found = content(door.get("Observation/o1"))["subject"]["reference"]
    assert found == "Patient/p1"


# Creates


def test_four_equal_vials_in_one_bundle_are_four_and_stay_four(door: Door) -> None:
    door.kept(patient())
    sent = posted(dose(), dose(), dose(), dose())
    first = door.post("", sent)
    assert statuses(first) == ["201 Created"] * 4
    assert len(set(locations(first))) == 4
    for kind in ("transaction", "batch"):
        again = door.post("", posted(dose(), dose(), dose(), dose(), kind=kind))
        assert statuses(again) == ["200 OK"] * 4
        assert locations(again) == locations(first)
    assert len(matches(door.get("MedicationAdministration?patient=p1"))) == 4


def test_the_second_of_two_equal_creates_is_no_create_and_says_why(door: Door) -> None:
    assert door.post("Observation", nameless(lab())).status_code == 201
    again = door.post("Observation", nameless(lab()), Prefer="return=OperationOutcome")
    assert again.status_code == 200
    assert "the same content was created before" in said(again)
    assert issues(again)[0]["severity"] == "warning"
    assert "Idempotency-Key" in said(again)


@pytest.mark.parametrize("gone", [True, False])
def test_an_equal_create_of_what_no_longer_stands_is_ambiguous(door: Door, gone: bool) -> None:
    place = locations(door.post("", posted(lab())))[0]
    if gone:
        door.send("DELETE", place)
    else:
        door.put({**lab(value=1), "id": place.partition("/")[2]})
    before = door.state()
    assert door.post("Observation", nameless(lab())).status_code == 409
    assert door.state() == before
    assert door.post("Observation", nameless(lab()), Idempotency_Key="new").status_code == 201


# A site that writes as plain FHIR servers do


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Door]:
    rules = small_rulebook()
    sites = {name: replace(site, writes="fhir") for name, site in rules.sites.items()}
    with open_door(tmp_path, rulebook=small_rulebook(sites=sites)) as opened:
        yield opened


def test_on_a_plain_site_creates_always_create(plain: Door) -> None:
    for _ in range(2):
        assert plain.post("Observation", nameless(lab())).status_code == 201
        assert statuses(plain.post("", posted(lab()))) == ["201 Created"]
    assert plain.rows()["resources"] == 4


def test_on_a_plain_site_a_key_still_tells_a_resend(plain: Door) -> None:
    for replayed in (None, "true"):
        answer = plain.post("", posted(lab()), Idempotency_Key="k")
        assert answer.headers.get("X-Replayed") == replayed
    assert plain.rows()["resources"] == 1


def test_on_a_plain_site_every_put_is_the_newest_version(plain: Door) -> None:
    for value, status in ((80, 201), (90, 200), (80, 200), (80, 200)):
        assert plain.put(lab(value=value)).status_code == status
    assert content(plain.get("Observation/o1"))["meta"]["versionId"] == "3"
    old = {"lastUpdated": "2020-01-01T00:00:00Z"}
    assert plain.put(lab(value=70, meta=old)).headers["ETag"] == 'W/"4"'
    plain.send("DELETE", "Observation/o1")
    assert plain.put(lab(value=70, meta=old)).status_code == 201
    assert plain.get("Observation/o1").status_code == 200
