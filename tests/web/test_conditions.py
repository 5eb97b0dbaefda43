"""Conditional creates and updates, If-Match, and the life of one resource."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.door import (
    Door,
    Json,
    bundle,
    content,
    entry,
    issues,
    lab,
    matches,
    open_door,
    patient,
    places,
    said,
    statuses,
)

MRN = [{"system": "urn:mrn", "value": "17"}]
CONDITION = "identifier=urn:mrn|17"


def nameless(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name != "id"}


PERSON = nameless(patient(identifier=MRN))


def place_of(answer: object) -> str:
    location: str = answer.headers["Location"]  # type: ignore[attr-defined]
    return location.split("/fhir/")[1].split("/_history")[0]


@pytest.mark.parametrize("condition", [CONDITION, f"?{CONDITION}", "identifier=urn%3Amrn%7C17"])
def test_a_conditional_create_finds_the_one_that_is_there(door: Door, condition: str) -> None:
    first = door.post("Patient", PERSON, If_None_Exist=condition)
    assert first.status_code == 201
    other = door.post("Patient", PERSON | {"gender": "female"}, If_None_Exist=condition)
    assert other.status_code == 200
    assert place_of(other) == place_of(first)
    assert content(door.get(place_of(first)))["gender"] == "male"
    assert door.rows()["versions"] == 1


SPELLINGS = [
    CONDITION,
    f"?{CONDITION}",
    f"Patient?{CONDITION}",
    f"/Patient?{CONDITION}",
    f"http://localhost/fhir/Patient?{CONDITION}",
    "http://localhost/fhir/Patient?identifier=urn%3Amrn%7C17&_format=json",
]


@pytest.mark.parametrize("condition", SPELLINGS)
def test_a_condition_is_a_query_or_the_address_of_one_here(door: Door, condition: str) -> None:
    door.put(patient(identifier=MRN))
    alone = door.post("Patient", PERSON, If_None_Exist=condition)
    assert (alone.status_code, place_of(alone)) == (200, "Patient/p1")
    bundled = door.post("", bundle("batch", entry(PERSON, "POST", ifNoneExist=condition)))
    assert statuses(bundled) == ["200 OK"]
    assert door.rows()["resources"] == 1


def test_a_condition_may_have_a_question_mark_in_its_value(door: Door) -> None:
    odd = nameless(patient(identifier=[{"system": "urn:mrn", "value": "1?7"}]))
    for condition in ("identifier=urn:mrn|1?7", "Patient?identifier=urn:mrn|1?7"):
        answer = door.post("Patient", odd, If_None_Exist=condition)
        assert answer.status_code in (200, 201)
    assert door.rows()["resources"] == 1


@pytest.mark.parametrize(
    ("condition", "way_out"),
    [
        (f"Observation?{CONDITION}", "Patient?identifier=system|value"),
        (f"http://localhost/fhir/Observation?{CONDITION}", "Patient?identifier=system|value"),
        (f"http://elsewhere.example/fhir/Patient?{CONDITION}", "another server"),
        (f"http://localhost/fhirPatient?{CONDITION}", "another server"),
        (f"http://localhost/north/fhir/Patient?{CONDITION}", "another server"),
        (f"Patient/1?{CONDITION}", "another server"),
        ("Patient?", "identifier=system|value"),
        ("birthdate=1970-03-01", "identifier=system|value"),
    ],
)
def test_a_condition_of_another_type_or_server_is_refused_with_the_way_out(
    door: Door, condition: str, way_out: str
) -> None:
    alone = door.post("Patient", PERSON, If_None_Exist=condition)
    assert (alone.status_code, way_out in said(alone)) == (400, True)
    bundled = door.post("", bundle("transaction", entry(PERSON, "POST", ifNoneExist=condition)))
    assert (bundled.status_code, way_out in said(bundled)) == (400, True)
    assert places(bundled) == ["Bundle.entry[0].request.ifNoneExist"]
    assert door.rows()["resources"] == 0


def test_a_condition_is_known_by_the_address_that_clients_see(tmp_path: Path) -> None:
    with open_door(tmp_path, public_url="https://fhir.hospital.example") as door:
        door.put(patient(identifier=MRN))
        for root in ("https://fhir.hospital.example", "http://localhost"):
            found = door.post("Patient", PERSON, If_None_Exist=f"{root}/fhir/Patient?{CONDITION}")
            assert (found.status_code, content(found)["id"]) == (200, "p1")


def test_a_query_that_a_write_does_not_take_is_refused_and_not_ignored(door: Door) -> None:
    created = door.post(f"Patient?{CONDITION}", PERSON)
    assert (created.status_code, "If-None-Exist" in said(created)) == (400, True)
    one = bundle("transaction", {"resource": PERSON, "request": {
        "method": "POST", "url": f"Patient?{CONDITION}"}})  # fmt: skip
    bundled = door.post("", one)
    assert (bundled.status_code, "ifNoneExist" in said(bundled)) == (400, True)
    assert door.send("PUT", f"Patient/p1?{CONDITION}", patient()).status_code == 400
    assert door.send("DELETE", f"Patient/p1?{CONDITION}").status_code == 400
    assert door.post(f"?{CONDITION}", bundle("batch")).status_code == 400
    assert door.rows()["resources"] == 0


def test_how_an_answer_is_to_look_may_be_asked_of_a_write(door: Door) -> None:
    looks = "_format=json&_pretty=true"
    assert door.post(f"Patient?{looks}", PERSON).status_code == 201
    assert door.send("PUT", f"Patient/p1?{looks}", patient()).status_code == 201
    assert door.send("PUT", f"Patient?{CONDITION}&{looks}", PERSON).status_code == 200
    assert door.send("DELETE", f"Patient/p1?{looks}").status_code == 200


def test_a_conditional_create_finds_what_was_updated_under_another_id(door: Door) -> None:
    door.put(patient(identifier=MRN))
    answer = door.post("Patient", PERSON, If_None_Exist=CONDITION)
    assert (answer.status_code, place_of(answer)) == (200, "Patient/p1")


def test_many_conditional_creates_at_once_make_one_resource(door: Door) -> None:
    people = [PERSON | {"birthDate": f"19{50 + n}-01-01"} for n in range(16)]

    def create(person: Json) -> tuple[int, str]:
        answer = door.post("Patient", person, If_None_Exist=CONDITION)
        return answer.status_code, place_of(answer)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(create, people))
    assert sorted(status for status, _ in answers) == [200] * 15 + [201]
    assert len({place for _, place in answers}) == 1
    assert door.rows()["versions"] == 1


def test_many_conditional_updates_at_once_end_in_one_resource(door: Door) -> None:
    people = [PERSON | {"birthDate": f"19{50 + n}-01-01"} for n in range(6)]

    def update(person: Json) -> int:
        return door.send("PUT", f"Patient?{CONDITION}", person).status_code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(update, people))
    assert sorted(answers) == [200] * 5 + [201]
    found = matches(door.get(f"Patient?{CONDITION}"))
    assert [it["meta"]["versionId"] for it in found] == ["6"]


def test_conditions_work_inside_a_bundle(door: Door) -> None:
    urn = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    man = {**entry(PERSON, "POST", ifNoneExist=CONDITION), "fullUrl": urn}
    value = entry(nameless(lab(subject={"reference": urn})), "POST")
    first = door.post("", bundle("transaction", man, value))
    assert statuses(first) == ["201 Created", "201 Created"]
    update = {"resource": PERSON | {"birthDate": "1971-01-01"},
              "request": {"method": "PUT", "url": f"Patient?{CONDITION}"}}  # fmt: skip
    second = door.post("", bundle("batch", man, update))
    assert statuses(second) == ["200 OK", "200 OK"]
    found = matches(door.get(f"Patient?{CONDITION}"))
    assert [it["birthDate"] for it in found] == ["1971-01-01"]
    assert len(matches(door.get(f"Observation?patient={found[0]['id']}"))) == 1


def test_one_condition_twice_in_a_transaction_is_refused(door: Door) -> None:
    one = entry(PERSON, "POST", ifNoneExist=CONDITION)
    two = entry(PERSON | {"gender": "female"}, "POST", ifNoneExist=CONDITION)
    answer = door.post("", bundle("transaction", one, two))
    assert answer.status_code == 400
    assert places(answer) == ["Bundle.entry[0].resource", "Bundle.entry[1].resource"]
    assert door.rows()["resources"] == 0


def test_what_a_bundle_deletes_no_longer_meets_its_conditions(door: Door) -> None:
    door.put(patient(identifier=MRN))
    delete = {"request": {"method": "DELETE", "url": "Patient/p1"}}
    create = entry(PERSON, "POST", ifNoneExist=CONDITION)
    assert statuses(door.post("", bundle("transaction", create, delete))) == [
        "201 Created",
        "200 OK",
    ]
    found = matches(door.get(f"Patient?{CONDITION}"))
    assert [it["id"] == "p1" for it in found] == [False]


def test_two_entries_that_turn_out_to_write_one_resource_are_not_both_taken(door: Door) -> None:
    door.put(patient(identifier=MRN))
    named = entry(patient(identifier=MRN, birthDate="1980-01-01"))
    found = {"resource": PERSON | {"gender": "female"},
             "request": {"method": "PUT", "url": f"Patient?{CONDITION}"}}  # fmt: skip
    answer = door.post("", bundle("transaction", named, found))
    assert answer.status_code == 409
    assert places(answer) == ["Bundle.entry[1].resource"]
    assert content(door.get("Patient/p1"))["birthDate"] == "1970-03-01"
    half = door.post("", bundle("batch", named, found))
    assert statuses(half) == ["200 OK", "409 Conflict"]


def test_an_identifier_that_two_resources_carry_decides_nothing(door: Door) -> None:
    door.put(patient("p1", identifier=MRN))
    door.put(patient("p2", identifier=MRN))
    for answer in (
        door.post("Patient", PERSON, If_None_Exist=CONDITION),
        door.send("PUT", f"Patient?{CONDITION}", PERSON),
    ):
        assert answer.status_code == 412
        assert "2 resources" in said(answer)


def test_the_same_identifier_at_another_hospital_is_another_patient(door: Door) -> None:
    door.put(patient(identifier=MRN))
    assert door.at("north").post("Patient", PERSON, If_None_Exist=CONDITION).status_code == 201


@pytest.mark.parametrize(
    ("there", "id_", "status", "place"),
    [
        ([], "p7", 201, "Patient/p7"),
        (["p7"], "p7", 200, "Patient/p7"),
        (["p1"], "", 200, "Patient/p1"),
        (["p1"], "p7", 422, ""),
    ],
)
def test_an_update_by_identifier_agrees_with_the_id_that_it_carries(
    door: Door, there: list[str], id_: str, status: int, place: str
) -> None:
    for one in there:
        door.put(patient(one, identifier=MRN))
    person = (PERSON | {"id": id_} if id_ else PERSON) | {"birthDate": "1980-01-01"}
    answer = door.send("PUT", f"Patient?{CONDITION}", person)
    assert answer.status_code == status, answer.text
    if place:
        assert place_of(answer) == place
    else:
        assert places(answer) == ["Patient.id"]


@pytest.mark.parametrize(
    "condition", ["birthdate=1970-03-01", "identifier=17", "identifier=a|1&gender=male", "x"]
)
def test_other_conditions_are_refused_with_what_is_understood(door: Door, condition: str) -> None:
    for answer in (
        door.post("Patient", PERSON, If_None_Exist=condition),
        door.send("PUT", f"Patient?{condition}", PERSON),
    ):
        assert answer.status_code == 400
        assert "identifier=system|value" in said(answer)


def test_a_put_to_a_type_without_a_condition_is_refused(door: Door) -> None:
    answer = door.send("PUT", "Patient", PERSON)
    assert answer.status_code == 400
    assert "/Type/id" in said(answer)


# If-Match


@pytest.mark.parametrize(
    ("etag", "status"),
    [('W/"1"', 412), ('W/"2"', 200), ('"2"', 200), ("2", 200), ('W/"9"', 412), ("latest", 400)],
)
def test_an_update_with_a_version_is_carried_out_against_that_version_only(
    door: Door, etag: str, status: int
) -> None:
    door.put(lab(value=100))
    door.put(lab(value=110))
    answer = door.put(lab(value=120), If_Match=etag)
    assert answer.status_code == status
    version = content(door.get("Observation/o1"))["meta"]["versionId"]
    assert version == ("3" if status == 200 else "2")
    if status == 412:
        assert "newest version is 2" in said(answer)


def test_a_version_of_what_does_not_exist_fails(door: Door) -> None:
    answer = door.put(lab(), If_Match='W/"1"')
    assert answer.status_code == 412
    assert "no such resource" in said(answer)


def test_a_stale_version_in_a_bundle_fails_that_entry_or_the_transaction(door: Door) -> None:
    door.put(lab(value=100))
    stale = entry(lab(value=120), ifMatch='W/"7"')
    answer = door.post("", bundle("batch", entry(patient()), stale))
    assert statuses(answer) == ["201 Created", "412 Precondition Failed"]
    refused = door.post("", bundle("transaction", entry(patient("p2")), stale))
    assert refused.status_code == 412
    assert places(refused) == ["Bundle.entry[1].resource"]
    assert door.get("Patient/p2").status_code == 404


def test_a_delete_with_a_stale_version_is_refused(door: Door) -> None:
    door.put(lab())
    door.put(lab(value=210))
    assert door.send("DELETE", "Observation/o1", headers={"If-Match": 'W/"1"'}).status_code == 412
    assert door.send("DELETE", "Observation/o1", headers={"If-Match": 'W/"2"'}).status_code == 200


def test_of_many_updates_of_one_version_one_wins(door: Door) -> None:
    door.put(lab())

    def update(value: int) -> int:
        return door.put(lab(value=value), If_Match='W/"1"').status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(update, range(100, 108)))
    assert answers == [200] + [412] * 7
    assert door.rows()["versions"] == 2


# One resource's life


def test_a_resource_is_created_updated_deleted_and_raised_again(door: Door) -> None:
    made = door.put(lab(value=100))
    assert made.status_code == 201
    assert made.headers["ETag"] == 'W/"1"'
    assert made.headers["Location"] == "http://localhost/fhir/Observation/o1/_history/1"
    assert door.put(lab(value=100)).status_code == 200
    assert door.put(lab(value=110)).headers["ETag"] == 'W/"2"'
    gone = door.send("DELETE", "Observation/o1")
    assert (gone.status_code, gone.headers["ETag"]) == (200, 'W/"3"')
    assert issues(gone)[0]["severity"] == "information"
    after = door.get("Observation/o1")
    assert after.status_code == 410
    assert issues(after)[0]["code"] == "deleted"
    assert door.get("Observation/o1/_history/3").status_code == 410
    assert door.get("Observation/o1/_history/2").status_code == 200
    assert matches(door.get("Observation?_id=o1")) == []
    again = door.send("DELETE", "Observation/o1")
    assert (again.status_code, door.rows()["versions"]) == (200, 3)
    raised = door.put(lab(value=120))
    assert (raised.status_code, raised.headers["ETag"]) == (201, 'W/"4"')
    assert content(door.get("Observation/o1"))["valueQuantity"]["value"] == 120


def test_bringing_back_what_was_deleted_has_to_be_meant(door: Door) -> None:
    door.put(lab())
    door.send("DELETE", "Observation/o1")
    answer = door.put(lab())
    assert answer.status_code == 409
    assert "late resend" in said(answer)
    assert door.get("Observation/o1").status_code == 410
    meant = door.put(lab(), If_Match='W/"2"')
    assert meant.status_code == 201
    assert door.get("Observation/o1").status_code == 200


def test_the_deletion_of_what_never_was_changes_nothing(door: Door) -> None:
    answer = door.send("DELETE", "Observation/never")
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert set(door.rows().values()) == {0}


def test_deletions_in_a_bundle_are_carried_out(door: Door) -> None:
    door.kept(patient(), lab())
    delete = {"request": {"method": "DELETE", "url": "Observation/o1"}}
    assert statuses(door.post("", bundle("transaction", delete))) == ["200 OK"]
    assert door.get("Observation/o1").status_code == 410


def test_a_minimal_answer_has_no_body(door: Door) -> None:
    answer = door.put(patient(), Prefer="return=minimal")
    assert (answer.status_code, answer.data) == (201, b"")
    assert answer.headers["Location"].endswith("/Patient/p1/_history/1")
    assert door.put(patient(gender="man"), Prefer="return=minimal").data


def test_an_update_can_ask_that_nothing_is_there_yet(door: Door) -> None:
    assert door.put(lab(value=100), If_None_Match="*").status_code == 201
    before = door.state()
    assert door.put(lab(value=200), If_None_Match="*").status_code == 412
    asked = bundle("transaction", entry(lab(value=200), ifNoneMatch="*"))
    assert door.post("", asked).status_code == 412
    assert door.state() == before


@pytest.mark.parametrize("stated", ['W/"1"', "1"])
def test_another_condition_of_that_kind_is_not_dropped_silently(door: Door, stated: str) -> None:
    assert door.put(lab(), If_None_Match=stated).status_code == 400
    answer = door.post("", bundle("transaction", entry(lab(), ifNoneMatch=stated)))
    assert answer.status_code == 400
    assert places(answer) == ["Bundle.entry[0].request.ifNoneMatch"]


def test_a_moment_of_the_far_future_does_not_make_corrections_late(door: Door) -> None:
    door.kept(patient(), lab(value=100, meta={"lastUpdated": "9999-12-31T23:59:59Z"}))
    door.put(lab(value=200, meta={"lastUpdated": "2026-05-01T09:00:00Z"}))
    assert door.verdicts()["IN07B"] == "met"


def test_an_empty_condition_is_no_condition_and_is_refused(door: Door) -> None:
    for stated in ("", " "):
        answer = door.post("Patient", {"resourceType": "Patient"}, If_None_Exist=stated)
        assert answer.status_code == 400
    assert door.rows()["resources"] == 0
