"""What is sent in another FHIR version than the site speaks is kept as what it is."""

from __future__ import annotations

import pytest

from tests.door import (
    FHIR_JSON,
    Door,
    Json,
    batch,
    bundle,
    content,
    dose,
    lab,
    matches,
    patient,
    said,
    statuses,
    transaction,
)


def of(version: str) -> str:
    return f"{FHIR_JSON}; fhirVersion={version}"


def r5_dose(id_: str = "d1") -> Json:
    sent = dose(id_)
    sent["medication"] = {"concept": sent.pop("medicationCodeableConcept")}
    sent["occurenceDateTime"] = sent.pop("effectiveDateTime")
    return sent


def version_of(answer: object) -> str:
    return answer.content_type.partition("fhirVersion=")[2]  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", ["3.0", "6.0", "banana", "4.1", ""])
def test_a_body_of_a_version_that_is_not_understood_is_refused(door: Door, version: str) -> None:
    for method, path, body in (
        ("PUT", "Patient/p1", patient()),
        ("POST", "Patient", patient()),
        ("POST", "", transaction(patient())),
    ):
        answer = door.send(method, path, body, content_type=of(version or '""'))
        assert (answer.status_code, "4.0, 4.3 or 5.0" in said(answer)) == (415, True)
    assert door.rows()["resources"] == 0


@pytest.mark.parametrize(("site", "version"), [("default", "5.0"), ("fifth", "4.0")])
@pytest.mark.parametrize("whole", [True, False])
def test_a_dose_of_another_version_is_read_and_kept_as_that(
    door: Door, site: str, version: str, whole: bool
) -> None:
    there = door.at(site) if site != "default" else door
    sent = r5_dose() if version == "5.0" else dose()
    there.kept(patient())
    if whole:
        made = there.send("POST", "", transaction(sent), content_type=of(version))
        assert statuses(made) == ["201 Created"]
    else:
        made = there.send("PUT", "MedicationAdministration/d1", sent, content_type=of(version))
        assert made.status_code == 201, made.text
    assert version_of(made) == version
    rows = door.send("GET", f"/records/dosing?_format=json&site={site}")
    assert '"deviations":[],"sources":["MedicationAdministration/d1/_history/1"]' in rows.text
    plain = there.get("MedicationAdministration/d1")
    assert (plain.status_code, version_of(plain)) == (200, version)
    other = "4.0" if version == "5.0" else "5.0"
    refused = there.get("MedicationAdministration/d1", Accept=of(other))
    assert (refused.status_code, version in said(refused)) == (406, True)
    found = content(there.get("MedicationAdministration?patient=p1", Accept=of(other)))
    [told] = found["entry"]
    assert told["search"]["mode"] == "outcome"
    assert version in told["resource"]["issue"][0]["details"]["text"]
    assert len(matches(there.get("MedicationAdministration?patient=p1", Accept=of(version)))) == 1


def test_what_is_valid_in_another_version_is_given_in_it(door: Door) -> None:
    door.kept(patient(), lab())
    for path in ("Patient/p1", "Observation/o1", "Patient/p1/_history/1"):
        answer = door.get(path, Accept=of("5.0"))
        assert (answer.status_code, version_of(answer)) == (200, "5.0")
    assert len(matches(door.get("Observation?patient=p1", Accept=of("5.0")))) == 1
    found = content(door.get("Observation?patient=p1&_include=*", Accept=of("5.0")))
    assert {it["resource"]["resourceType"] for it in found["entry"]} == {"Observation", "Patient"}
    both = content(door.get("ResearchSubject?_include=ResearchSubject:subject", Accept=of("5.0")))
    assert [it["search"]["mode"] for it in both["entry"]] == ["match", "include"]


def test_a_chain_is_followed_to_a_patient_that_cannot_be_given_in_the_version(door: Door) -> None:
    # The height of a picture is an element of R5.
    identifier = [{"system": "urn:mrn", "value": "17"}]
    picture = [{"url": "http://example.org/1", "height": 5}]
    sent = patient(identifier=identifier, photo=picture)
    assert door.send("PUT", "Patient/p1", sent, content_type=of("5.0")).status_code == 201
    door.kept(lab())
    assert door.get("Patient/p1", Accept=of("4.0")).status_code == 406
    for type_ in ("Observation", "ResearchSubject"):
        found = door.get(f"{type_}?patient.identifier=urn:mrn|17", Accept=of("4.0"))
        assert len(matches(found)) == 1, type_
    with_patient = door.get("Observation?patient=p1&_include=Observation:patient")
    assert [it["search"]["mode"] for it in content(with_patient)["entry"]] == ["match", "outcome"]


def test_a_read_inside_a_batch_is_in_the_version_of_the_answer(door: Door) -> None:
    door.kept(patient())
    door.send("PUT", "MedicationAdministration/d1", r5_dose(), content_type=of("5.0"))
    asked = bundle("batch", *(
        {"request": {"method": "GET", "url": url}}
        for url in (
            "ResearchSubject?_format=application/fhir%2Bjson;fhirVersion%3D5.0",
            "Patient/p1",
            "MedicationAdministration/d1",
        )
    ))  # fmt: skip
    four = door.post("", asked, Accept=FHIR_JSON)
    assert (version_of(four), [one[:3] for one in statuses(four)]) == ("4.0", ["200", "200", "406"])
    subject = content(four)["entry"][0]["resource"]["entry"][0]["resource"]
    assert "individual" in subject
    five = door.post("", asked, Accept=of("5.0"))
    assert (version_of(five), [one[:3] for one in statuses(five)]) == ("5.0", ["200", "200", "200"])


def test_an_answer_to_a_write_never_undoes_it_for_the_sake_of_accept(door: Door) -> None:
    answer = door.post("", batch(patient()), Accept="text/csv")
    assert statuses(answer) == ["201 Created"]
