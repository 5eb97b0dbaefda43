"""What was received is given back as it was sent."""

from __future__ import annotations

import pytest

from refnot_fhir.fhir import wire
from tests.door import Door, Json, content, lab, matches, medicine, patient, said

NUMBERS = ["1.10", "19", "1E2", "0.30000000000000004", "-0.0", "1" * 40, "0." + "3" * 40, "1e-9"]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_come_back_digit_for_digit(door: Door, number: str) -> None:
    sent = wire.encode(lab()).replace(b'"value":200', b'"value":' + number.encode())
    assert door.send("PUT", "Observation/o1", sent).status_code == 201
    assert b'"value":' + number.encode() + b"," in door.get("Observation/o1").data
    found = door.get("Observation?patient=p1").data
    if number not in ("1E2", "1e-9", "-0.0"):
        assert number.encode() in found
    else:
        assert matches(door.get("Observation?patient=p1"))[0]["valueQuantity"]["value"] == (
            wire.decode(number.encode())
        )


ODD = (
    b'{ "status":"final" ,\n "resourceType":"Observation",'
    b' "code":{"text":"\\u0413\xd1\x80\xd0\xb0\\nx \\"q\\" \\/","coding":'
    b'[{"code":"777-3","system":"http://loinc.org"}]},\t"subject":{"reference" : "Patient/p1"},'
    b' "note":[{"text":"\xf0\x9f\x98\x80 urn:uuid:not-a-reference"}],'
    b' "valueQuantity":{"value":2.50,"unit":"10*9/L"} }'
)
MEMBERS = [
    b'"code":{"text":"\\u0413\xd1\x80\xd0\xb0\\nx \\"q\\" \\/","coding":'
    b'[{"code":"777-3","system":"http://loinc.org"}]}',
    b'"subject":{"reference" : "Patient/p1"}',
    b'"note":[{"text":"\xf0\x9f\x98\x80 urn:uuid:not-a-reference"}]',
    b'"valueQuantity":{"value":2.50,"unit":"10*9/L"}',
]


def test_members_come_back_byte_for_byte_in_their_order(door: Door) -> None:
    made = door.send("POST", "Observation", ODD)
    place = made.headers["Location"].split("/fhir/")[1].split("/_history")[0]
    text = door.get(place).data
    found = [text.index(member) for member in MEMBERS]
    assert found == sorted(found)
    read = wire.decode(text)
    assert set(read) - set(wire.decode(ODD)) == {"id", "meta"}


def test_only_id_and_meta_are_ours_and_the_rest_of_meta_is_kept(door: Door) -> None:
    profile = ["http://example.org/StructureDefinition/x"]
    sent = lab(meta={"versionId": "77", "lastUpdated": "2020-01-01T00:00:00Z", "profile": profile})
    door.put(sent)
    read = content(door.get("Observation/o1"))
    assert read["meta"] == {
        "versionId": "1",
        "lastUpdated": "2026-05-20T09:00:00+00:00",
        "profile": profile,
    }
    assert {**read, "meta": None} == {**sent, "meta": None}
    alone = door.post("Observation", sent)
    assert alone.headers["Location"].split("/")[-3] != "o1"


def test_every_version_can_be_read(door: Door) -> None:
    for value in (100, 200, 300):
        door.put(lab(value=value))
        door.clock.move(hours=1)
    for number, value in enumerate((100, 200, 300), start=1):
        answer = door.get(f"Observation/o1/_history/{number}")
        read = content(answer)
        assert read["valueQuantity"]["value"] == value
        assert read["meta"]["versionId"] == str(number)
        assert answer.headers["ETag"] == f'W/"{number}"'
    moments = [
        content(door.get(f"Observation/o1/_history/{n}"))["meta"]["lastUpdated"] for n in (1, 2)
    ]
    assert moments == ["2026-05-20T09:00:00+00:00", "2026-05-20T10:00:00+00:00"]
    for wrong in ("0", "4", "x", "9" * 30, "-1"):
        assert door.get(f"Observation/o1/_history/{wrong}").status_code == 404


@pytest.mark.parametrize(
    ("etag", "status"),
    [('W/"2"', 304), ('"2"', 304), ('W/"1", W/"2"', 304), ("*", 304), ('W/"1"', 200), ("", 200)],
)
def test_an_unchanged_resource_is_not_sent_again(door: Door, etag: str, status: int) -> None:
    door.put(lab())
    door.put(lab(value=210))
    answer = door.get("Observation/o1", If_None_Match=etag)
    assert answer.status_code == status
    assert answer.headers["ETag"] == 'W/"2"'
    assert bool(answer.data) is (status == 200)


@pytest.fixture
def filled(door: Door) -> Door:
    """Two patients of the first hospital with labs, and one of the same id at another."""
    mrn = [{"system": "urn:mrn", "value": "17"}, {"value": "bare"}]
    door.kept(
        patient("p1", identifier=mrn),
        patient("p2"),
        lab("o1", days_ago=2, identifier=[{"system": "urn:lab", "value": "A|1"}]),
        lab("o2", 210, days_ago=9),
        lab("o3", 220, of="p2"),
        lab("o4", 40, code="1742-6", unit="U/L", status="preliminary"),
        medicine("m1"),
    )
    door.at("north").kept(patient("p1"), lab("n1"))
    return door


SEARCHES: list[tuple[str, list[str]]] = [
    ("Observation?patient=p1", ["o1", "o2", "o4"]),
    ("Observation?patient=Patient/p1", ["o1", "o2", "o4"]),
    ("Observation?patient:Patient=p1", ["o1", "o2", "o4"]),
    ("Observation?patient=http://localhost/fhir/Patient/p1", ["o1", "o2", "o4"]),
    ("Observation?patient=http://elsewhere.example/fhir/Patient/p1", []),
    ("Observation?subject=Patient/p1", ["o1", "o2", "o4"]),
    ("Observation?subject:Patient=p1", ["o1", "o2", "o4"]),
    ("Observation?patient=p1,p2", ["o1", "o2", "o4", "o3"]),
    ("Observation?patient=p1&patient=p2", []),
    ("Observation?patient=nobody", []),
    ("Observation?patient.identifier=urn:mrn|17", ["o1", "o2", "o4"]),
    ("Observation?subject:Patient.identifier=urn:mrn|17", ["o1", "o2", "o4"]),
    ("Observation?patient.identifier=urn:mrn|18", []),
    ("Observation?patient=p1&code=1742-6", ["o4"]),
    ("Observation?patient=p1&code=http://loinc.org|777-3", ["o1", "o2"]),
    ("Observation?patient=p1&status=preliminary", ["o4"]),
    ("Observation?patient=p1&status:not=preliminary", ["o1", "o2"]),
    ("Observation?patient=p1&date=ge2026-05-15", ["o1", "o4"]),
    ("Observation?patient=p1&date=2026-05-11", ["o2"]),
    ("Observation?patient=p1&value-quantity=gt205", ["o2"]),
    ("Observation?patient=p1&_lastUpdated=ge2026-05-21", []),
    ("Observation?_id=o1", ["o1"]),
    ("Observation?_id=o3,o1,none", ["o3", "o1"]),
    ("Observation?_id=o1&patient=p2", []),
    ("Observation?identifier=urn:lab|A\\|1", ["o1"]),
    ("Observation?identifier=A\\|1", ["o1"]),
    ("Patient?_id=p1", ["p1"]),
    ("Patient?identifier=urn:mrn|17", ["p1"]),
    ("Patient?identifier=17", ["p1"]),
    ("Patient?identifier=|bare", ["p1"]),
    ("Patient?identifier=|17", []),
    ("Patient?identifier=urn:other|17", []),
    ("Patient?identifier=urn:mrn|17&gender=female", []),
    ("Patient?_id=p1&birthdate=1970", ["p1"]),
    ("MedicationAdministration?patient=p1&status=completed", ["m1"]),
    ("MedicationAdministration?subject=p1&effective-time=lt2026-05-01", []),
    ("Medication?_id=none", []),
]


@pytest.mark.parametrize(("query", "ids"), SEARCHES)
def test_a_search_finds_what_it_asks_for_by_get_and_by_post(
    filled: Door, query: str, ids: list[str]
) -> None:
    got = filled.get(query)
    assert [it["id"] for it in matches(got)] == ids
    type_, _, text = query.partition("?")
    posted = filled.send(
        "POST", f"{type_}/_search", text, content_type="application/x-www-form-urlencoded"
    )
    assert content(posted) == content(got)


@pytest.mark.parametrize(
    "query",
    [
        "Observation",
        "Observation?code=777-3",
        "Observation?status=final&date=2026",
        "Observation?patient:missing=true",
        "Observation?patient.birthdate=1970-03-01",
        "Patient",
        "Patient?gender=male",
        "Medication?code=x",
    ],
)
def test_a_search_that_names_no_patient_id_or_identifier_is_refused(
    filled: Door, query: str
) -> None:
    answer = filled.get(query)
    assert answer.status_code == 400
    assert "names a patient, an _id or an identifier" in said(answer)


def test_an_update_is_found_by_its_new_identifier_only(filled: Door) -> None:
    filled.put(patient("p1", identifier=[{"system": "urn:mrn", "value": "18"}]))
    assert matches(filled.get("Patient?identifier=urn:mrn|17")) == []
    assert len(matches(filled.get("Patient?identifier=urn:mrn|18"))) == 1
    filled.send("DELETE", "Patient/p1")
    assert matches(filled.get("Patient?identifier=urn:mrn|18")) == []


def pages(door: Door, query: str) -> list[list[str]]:
    """The ids on each page, following the next links as they are."""
    found, url = [], query
    while url:
        answer = door.get(url)
        found.append([it["id"] for it in matches(answer)])
        links = {link["relation"]: link["url"] for link in content(answer)["link"]}
        url = links.get("next", "")
        assert len(found) < 20
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_give_every_match_once(door: Door, size: int) -> None:
    door.kept(patient(), *(lab(f"o{n}", 200 + n) for n in range(7)))
    found = pages(door, f"Observation?patient=p1&_count={size}")
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
    assert [id_ for page in found for id_ in page] == [f"o{n}" for n in range(7)]


def test_pages_of_a_filtered_search_give_every_match_once(door: Door) -> None:
    door.kept(patient(), *(lab(f"o{n}", 200 + n) for n in range(7)))
    found = pages(door, "Observation?patient=p1&value-quantity=gt201&_count=2")
    assert [id_ for page in found for id_ in page] == [f"o{n}" for n in range(2, 7)]


def test_a_total_is_given_when_it_is_known(filled: Door) -> None:
    assert content(filled.get("Observation?patient=p1"))["total"] == 3
    assert "total" not in content(filled.get("Observation?patient=p1&_count=1"))
    counted = content(filled.get("Observation?patient=p1&_summary=count"))
    assert (counted["total"], counted.get("entry")) == (3, None)
    assert content(filled.get("Observation?patient=p1&_count=0"))["total"] == 3


@pytest.mark.parametrize("marker", ["x", "-1", "1.5", ""])
def test_a_page_marker_that_is_not_ours_is_refused(filled: Door, marker: str) -> None:
    answer = filled.get(f"Observation?patient=p1&_after={marker}")
    assert answer.status_code == (400 if marker else 200)


@pytest.mark.parametrize("path", ["Observation?patient=p1&banana=1", "ResearchSubject?banana=1"])
def test_an_unknown_parameter_is_told_or_refused_as_the_sender_prefers(
    filled: Door, path: str
) -> None:
    lenient = filled.get(path)
    assert lenient.status_code == 200
    body = content(lenient)
    outcomes = [it["resource"] for it in body["entry"] if it["search"]["mode"] == "outcome"]
    assert "banana" in outcomes[0]["issue"][0]["details"]["text"]
    assert outcomes[0]["issue"][0]["severity"] == "warning"
    link = {it["relation"]: it["url"] for it in body["link"]}["self"]
    assert "banana" not in link
    assert link.startswith(f"http://localhost/fhir/{path.partition('?')[0]}")
    strict = filled.get(path, Prefer="handling=strict")
    assert strict.status_code == 400
    assert "banana" in said(strict)


@pytest.mark.parametrize(
    "query", ["patient=p1&date=yesterday", "patient=p1&code:in=x", "patient=p1&_count=many"]
)
def test_a_parameter_that_cannot_be_meant_is_refused_always(filled: Door, query: str) -> None:
    assert filled.get(f"Observation?{query}").status_code == 400


def test_a_search_by_post_has_a_form(filled: Door) -> None:
    answer = filled.post("Observation/_search", {"patient": "p1"})
    assert answer.status_code == 415
    assert "application/x-www-form-urlencoded" in said(answer)


def test_included_patients_are_given_as_they_are_read(filled: Door) -> None:
    found: Json = content(filled.get("Observation?_id=o1&_include=Observation:patient"))
    included = [it["resource"] for it in found["entry"] if it["search"]["mode"] == "include"]
    assert included == [content(filled.get("Patient/p1"))]


def numbered(number: int, system: str) -> Json:
    return patient(f"p{number}", identifier=[{"system": system, "value": str(number)}])


def test_a_system_of_identifiers_finds_everything_that_has_one_in_it(door: Door) -> None:
    two = numbered(5, "urn:a")
    two["identifier"].append({"system": "urn:a", "value": "50"})
    door.kept(*(numbered(n, "urn:a") for n in range(1, 5)), two, numbered(6, "urn:b"))
    assert pages(door, "Patient?identifier=urn:a|&_count=2") == [["p1", "p2"], ["p3", "p4"], ["p5"]]
    assert pages(door, "Patient?identifier=urn:b|,urn:a|3") == [["p6", "p3"]]
    assert pages(door, "Patient?identifier=urn:c|") == [[]]
    assert matches(door.at("north").get("Patient?identifier=urn:a|")) == []
    door.send("DELETE", "Patient/p1")
    counted = content(door.get("Patient?identifier=urn:a|&_summary=count"))
    assert counted["total"] == 4


def test_a_system_of_identifiers_narrows_what_a_patient_or_a_chain_finds(door: Door) -> None:
    own = [{"system": "urn:lab", "value": "1"}]
    door.kept(numbered(1, "urn:a"), lab("o1", identifier=own), lab("o2"), lab("o3", of="p9"))
    for query, ids in (
        ("Observation?patient=p1&identifier=urn:lab|", ["o1"]),
        ("Observation?identifier=urn:lab|", ["o1"]),
        ("Observation?patient.identifier=urn:a|", ["o1", "o2"]),
        ("Observation?patient.identifier=urn:b|", []),
    ):
        assert [it["id"] for it in matches(door.get(query))] == ids
    assert len(matches(door.get("ResearchSubject?patient.identifier=urn:a|"))) == 1
    assert matches(door.get("ResearchSubject?patient.identifier=urn:b|")) == []


def test_an_outcome_among_the_entries_of_a_search_has_a_full_url_of_its_own(door: Door) -> None:
    door.kept(patient())
    first, second = (content(door.get("Patient?_id=p1&banana=1")) for _ in range(2))
    found = [entry["fullUrl"] for entry in first["entry"] + second["entry"]]
    told = [url for url in found if url.startswith("urn:uuid:")]
    assert len(found) == 4
    assert len(set(told)) == 2
