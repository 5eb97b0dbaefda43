"""Several hospitals at one service: their ids, their versions of FHIR, their records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.door import (
    FHIR_JSON,
    SITES,
    Door,
    Json,
    content,
    lab,
    matches,
    medicine,
    no_immunotherapy,
    open_door,
    patient,
    said,
    small_rulebook,
    statuses,
    transaction,
)


@pytest.fixture
def both(door: Door) -> Door:
    door.kept(patient("p1", birthDate="1970-03-01"), lab(value=200), medicine("m1", "L03AB03"))
    other = patient("p1", birthDate="1930-03-01")
    door.at("north").kept(other, lab(value=100), medicine("m1"), no_immunotherapy())
    return door


def test_the_same_id_at_two_hospitals_is_two_patients_everywhere(both: Door) -> None:
    north = both.at("north")
    assert content(both.get("Patient/p1"))["birthDate"] == "1970-03-01"
    assert content(north.get("Patient/p1"))["birthDate"] == "1930-03-01"
    assert content(north.get("Observation/o1"))["valueQuantity"]["value"] == 100
    assert len(matches(north.get("Observation?patient=p1&code=777-3"))) == 1
    assert both.subject()["id"] != north.subject()["id"]
    assert both.verdicts()["IN07B"] == "met"
    assert north.verdicts() | {"IN03": "not-met", "IN07B": "not-met", "EX09": "not-met"} == (
        north.verdicts()
    )
    rows = content(both.get("/records/eligibility-labs?site=*"))
    found = {(row["source"]["site"], row["patient"], row["subject"]) for row in rows}
    assert found == {
        ("default", "Patient/p1", f"ResearchSubject/{both.subject()['id']}"),
        ("north", "Patient/p1", f"ResearchSubject/{north.subject()['id']}"),
    }


def test_what_is_of_another_hospital_is_not_there(both: Door) -> None:
    north = both.at("north")
    other = both.subject()["id"]
    for path in (
        f"ResearchSubject/{other}",
        f"ResearchSubject/{other}/_history/1",
        f"ResearchSubject/{other}/$screening-report",
        f"ResearchSubject/{other}/$dosing-record",
    ):
        assert both.get(path).status_code == 200
        assert north.get(path).status_code == 404
    assert matches(north.get(f"ResearchSubject?_id={other}")) == []
    assert [it["id"] for it in matches(north.get("ResearchSubject"))] == [north.subject()["id"]]


def test_a_resource_deleted_at_one_hospital_stays_at_the_other(both: Door) -> None:
    both.send("DELETE", "Patient/p1")
    assert both.get("Patient/p1").status_code == 410
    assert both.at("north").get("Patient/p1").status_code == 200


def test_links_and_locations_are_those_of_the_hospital_s_own_base(both: Door) -> None:
    north = both.at("north")
    answer = north.post("", transaction(lab("o9")))
    place = content(answer)["entry"][0]["response"]["location"]
    assert place == "http://localhost/north/fhir/Observation/o9/_history/1"
    found = content(
        north.get("Observation?patient=http://localhost/north/fhir/Patient/p1&_count=1")
    )
    for link in found["link"]:
        assert link["url"].startswith("http://localhost/north/fhir/Observation?")
    assert found["entry"][0]["fullUrl"] == "http://localhost/north/fhir/Observation/o1"


def r5_dose(id: str = "m1", **more: object) -> Json:
    given = medicine(id)
    concept, moment = given.pop("medicationCodeableConcept"), given.pop("effectiveDateTime")
    return given | {"medication": {"concept": concept}, "occurenceDateTime": moment} | more


def test_a_hospital_that_speaks_r5_is_gated_and_read_as_r5(door: Door) -> None:
    fifth = door.at("fifth")
    answer = fifth.post("", transaction(patient(), r5_dose(), lab(), no_immunotherapy()))
    assert statuses(answer) == ["201 Created"] * 4
    assert "fhirVersion=5.0" in answer.content_type
    assert fifth.verdicts()["EX09"] == "not-met"
    refused = fifth.post("", transaction(medicine("m2")))
    assert refused.status_code == 422
    assert door.post("", transaction(r5_dose())).status_code == 422


@pytest.mark.parametrize(
    ("site", "version", "status"),
    [
        ("fifth", "", 200),
        ("fifth", "5.0", 200),
        ("fifth", "5.0.0", 200),
        ("fifth", "4.0", 200),
        ("fifth", "4.3", 200),
        ("fifth", "3.0", 406),
        ("default", "", 200),
        ("default", "4.0", 200),
        ("default", "4.3", 200),
        ("default", "5.0", 200),
    ],
)
def test_what_was_received_is_served_in_every_version_in_which_it_is_valid(
    door: Door, site: str, version: str, status: int
) -> None:
    own = door.at(site)
    own.put(patient())
    accept = f"{FHIR_JSON}; fhirVersion={version}" if version else FHIR_JSON
    for path in ("Patient/p1", "Patient/p1/_history/1", "Patient?_id=p1"):
        answer = own.get(path, Accept=accept)
        assert answer.status_code == status
        if status == 406:
            assert "fhirVersion 4.0, 4.3 or 5.0" in said(answer)
        else:
            spoken = version[:3] or ("5.0" if site == "fifth" else "4.0")
            assert f"fhirVersion={spoken}" in answer.content_type


@pytest.mark.parametrize(("site", "plain"), [("fifth", "5.0"), ("default", "4.0")])
def test_without_a_version_everything_is_served_in_the_one_the_hospital_speaks(
    door: Door, site: str, plain: str
) -> None:
    own = door.at(site)
    own.put(patient())
    subject = matches(own.get("ResearchSubject"))[0]["id"]
    for path in (
        "metadata",
        "Patient/p1",
        "ResearchSubject",
        f"ResearchSubject/{subject}",
        f"ResearchSubject/{subject}/$screening-report",
        f"ResearchSubject/{subject}/$dosing-record",
        "ResearchStudy",
        "ResearchStudy/r2",
        "CodeSystem",
    ):
        answer = own.get(path)
        assert f"fhirVersion={plain}" in answer.content_type, path


def test_a_patient_who_is_not_valid_in_another_version_is_not_included_there(door: Door) -> None:
    fifth = door.at("fifth")
    made = fifth.put(patient(photo=[{"url": "http://hospital.example/p1", "width": 100}]))
    assert made.status_code == 201, made.text
    query = "ResearchSubject?patient=p1&_include=ResearchSubject:patient"
    modes = {
        version: [
            it["search"]["mode"]
            for it in content(fifth.get(query, Accept=f"{FHIR_JSON}; fhirVersion={version}"))[
                "entry"
            ]
        ]
        for version in ("4.0", "5.0")
    }
    assert modes == {"4.0": ["match", "outcome"], "5.0": ["match", "include"]}


def test_a_hospital_may_have_everything_kept(tmp_path: Path) -> None:
    sites = SITES | {"default": replace(SITES["default"], keep="all")}
    with open_door(tmp_path, rulebook=small_rulebook(sites=sites)) as door:
        encounter = {"resourceType": "Encounter", "id": "e1", "status": "odd"}
        other = lab("x1", 5, code="4548-4", unit="%")
        sent = transaction(patient(), other, encounter)
        assert statuses(door.post("", sent)) == ["201 Created"] * 3
        assert [it["id"] for it in matches(door.get("Observation?patient=p1"))] == ["x1"]
        assert door.rows()["resources"] == 3
        assert content(door.get("Encounter/e1"))["status"] == "odd"
        for query in ("Encounter?patient=p1", "Nonsense?_id=1"):
            assert door.get(query).status_code in (400, 404)
        before = door.state()
        door.post("", sent)
        assert door.state() == before
        assert statuses(door.at("north").post("", sent)) == [
            "201 Created", "202 Accepted", "202 Accepted",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("propose", "sent", "proposed"),
    [
        ("all", [patient()], 1),
        ("with-readings", [patient()], 0),
        ("with-readings", [patient(), lab()], 1),
        ("none", [patient(), lab()], 0),
    ],
)
def test_a_hospital_says_who_is_proposed(
    tmp_path: Path, propose: str, sent: list[Json], proposed: int
) -> None:
    sites = SITES | {"default": replace(SITES["default"], propose=propose)}
    with open_door(tmp_path, rulebook=small_rulebook(sites=sites)) as door:
        door.kept(*sent)
        assert len(matches(door.get("ResearchSubject"))) == proposed
        assert all(row["subject"] is None for row in content(door.get("/records/eligibility-labs"))
                   if not proposed)  # fmt: skip


def test_what_another_server_says_of_its_patient_is_not_ours(door: Door) -> None:
    door.put(patient())
    for base in (
        "https://other.example/fhir/",
        "http://localhost/north/fhir/",
        "../",
        "/",
        "evil/",
    ):
        foreign = lab("foreign", 50) | {"subject": {"reference": f"{base}Patient/p1"}}
        door.put(foreign)
        assert door.verdicts()["IN07B"] == "unknown", base
    ours = lab("ours") | {"subject": {"reference": "http://localhost/fhir/Patient/p1"}}
    door.put(ours)
    assert door.verdicts()["IN07B"] == "met"


def test_a_hospital_may_refer_to_its_own_server_by_its_address(tmp_path: Path) -> None:
    own = replace(SITES["default"], base_urls=("https://his.example/r4",))
    with open_door(tmp_path, rulebook=small_rulebook(sites=SITES | {"default": own})) as door:
        door.put(patient())
        door.put(lab() | {"subject": {"reference": "https://his.example/r4/Patient/p1"}})
        assert door.verdicts()["IN07B"] == "met"


def test_the_first_page_shows_one_hospital_and_leads_to_the_others(both: Door) -> None:
    mine, theirs = both.subject()["id"], both.at("north").subject()["id"]
    first = both.get("/")
    assert first.headers["Cache-Control"] == "no-store"
    assert mine in first.text
    assert theirs not in first.text
    assert 'href="/?site=north"' in first.text
    other = both.get("/?site=north")
    assert theirs in other.text
    assert mine not in other.text
    assert "/records/dosing?_format=csv&amp;site=north" in other.text
    assert both.get("/?site=nowhere").status_code == 404
