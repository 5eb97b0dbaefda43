"""The whole path with the mapping files that are shipped: R-2, as its users walk it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from refnot_fhir.rulebook.load import load
from tests.door import (
    FHIR_JSON,
    Door,
    content,
    dose,
    eligible,
    lab,
    matches,
    open_door,
    statuses,
    transaction,
)

VERSIONS = ("4.0", "4.3", "5.0")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    rulebook = load(Path(__file__).parents[1] / "mappings")
    with open_door(tmp_path_factory.mktemp("r2"), rulebook=rulebook) as opened:
        opened.kept(*eligible(), dose("d1", days_ago=3), dose("d2", days_ago=1))
        yield opened


def accept(version: str) -> str:
    return f"{FHIR_JSON}; fhirVersion={version}"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_study_is_found_by_its_registry_number(door: Door, version: str) -> None:
    query = "ResearchStudy?identifier=NCT05898451"
    found = matches(door.get(query, Accept=accept(version)))
    assert [it["id"] for it in found] == ["refnot-r2"]
    assert "Refnot" in found[0]["title"]
    assert found[0]["status"] == ("active" if version == "5.0" else "completed")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_patient_who_had_the_drug_outside_the_trial_is_not_eligible(
    door: Door, version: str
) -> None:
    """The doses name no study, and nobody enrolled the patient: EX09 is met."""
    query = "ResearchSubject?patient=Patient/p1&study=ResearchStudy/refnot-r2&_include=*"
    found = content(door.get(query, Accept=accept(version)))
    subject = found["entry"][0]["resource"]
    if version == "5.0":
        states = [it["subjectState"]["coding"][0]["code"] for it in subject["progress"]]
        assert states[-1] == "ineligible"
    else:
        assert subject["status"] == "ineligible"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("operation", ["$screening-report", "$dosing-record"])
def test_why_and_what_was_given_are_told(door: Door, operation: str, version: str) -> None:
    id_ = door.subject()["id"]
    answer = door.get(f"ResearchSubject/{id_}/{operation}", Accept=accept(version))
    kinds = [it["resource"]["resourceType"] for it in content(answer)["entry"]]
    expected = {"$screening-report": ("Observation", 23), "$dosing-record": (
        "MedicationAdministration", 2)}[operation]  # fmt: skip
    assert kinds.count(expected[0]) == expected[1]


def test_every_criterion_that_data_decide_is_decided(door: Door) -> None:
    verdicts = door.verdicts()
    decided = {name for name, verdict in verdicts.items() if verdict != "unknown"}
    assert decided >= {
        "IN03", "IN04", "IN07A", "IN07B", "IN08A", "IN08B", "IN08C", "IN08D", "EX04",
    }  # fmt: skip
    assert len(verdicts) == 23


def test_the_records_are_complete(door: Door) -> None:
    labs = content(door.get("/records/eligibility-labs"))
    assert all(row["usable"] for row in labs)
    assert {row["analyte"] for row in labs} >= {"platelets", "granulocytes", "alt", "who-status"}
    doses = content(door.get("/records/dosing"))
    assert [(row["course"], row["dose_number"], row["dose_iu"]) for row in doses] == [
        (1, 1, 400000), (1, 2, 400000),
    ]  # fmt: skip


def test_a_resend_changes_nothing(door: Door) -> None:
    sent = transaction(*eligible(), dose("d1", days_ago=3), dose("d2", days_ago=1))
    before = door.state()
    assert door.post("", sent).headers["X-Replayed"] == "true"
    assert statuses(door.post("", transaction(lab("p1-plt")))) == ["200 OK"]
    assert door.state() == before


def test_every_address_of_the_first_page_answers(door: Door) -> None:
    text = door.get("/").text
    links = {part.split('"')[0] for part in text.split('href="')[1:]}
    assert len(links) >= 7
    for link in links:
        assert door.get(link.replace("&amp;", "&")).status_code == 200, link
