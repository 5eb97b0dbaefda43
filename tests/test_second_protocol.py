"""Two protocols at once: R-2 and an invented one that is data alone, each with its own answers."""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from refnot_fhir.cli import main
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.errors import BadMapping
from refnot_fhir.fhir import wire
from refnot_fhir.rulebook.check import check
from refnot_fhir.rulebook.explain import explain
from refnot_fhir.rulebook.load import load
from tests.door import (
    FHIR_JSON,
    Door,
    amount,
    content,
    dose,
    eligible,
    lab,
    matches,
    medicine,
    open_door,
    patient,
)
from tests.small_rulebook import SNOMED
from tests.two_protocols import ID, both

Json = dict[str, Any]
R2 = "refnot-r2"
CANONICAL = "https://refnot-fhir.example.org/fhir"
VERSIONS = ("4.0", "4.3", "5.0")
PACKAGES = {"4.0": "fhir.resources.R4B", "4.3": "fhir.resources.R4B", "5.0": "fhir.resources"}
# fhir.resources has no R4; its R4B models have the same elements for these types.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return both(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def rulebook(folder: Path) -> Rulebook:
    return load(folder)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, rulebook: Rulebook) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("served"), rulebook=rulebook) as opened:
        opened.kept(*eligible("p1"), dose("d1", days_ago=3), *fit("p1"))
        opened.kept(
            infusion("i1", days_ago=15),
            infusion("i2", days_ago=7, dosage=into_a_vein("80000", "ug")),
            infusion("i3", days_ago=1, dosage=into_a_vein("40", "mg")),
        )
        opened.kept(patient("p2", birthDate="2000-01-01"))
        yield opened


def fit(of: str) -> list[Json]:
    """What the invented study wants of a patient besides age and platelets."""
    asked = lab(f"{of}-fasting", 0, of=of)
    asked["code"] = {"coding": [{"system": f"{CANONICAL}/CodeSystem/study-questions"}]}
    asked["code"]["coding"][0]["code"] = "fasting"
    del asked["valueQuantity"]
    no = {"coding": [{"system": SNOMED, "code": "373067005"}]}
    return [
        lab(f"{of}-clearance", 90, code="2164-2", unit="mL/min", of=of),
        lab(f"{of}-bilirubin", 10, code="14631-6", unit="umol/L", high=20, of=of),
        asked | {"valueCodeableConcept": no},
    ]


def infusion(id: str, *, days_ago: int, **more: object) -> Json:
    """A dose of the invented drug as its study wants it."""
    drug = {"system": f"{CANONICAL}/CodeSystem/study-drugs", "code": "imaginol"}
    given = medicine(id, days_ago=days_ago) | {"medicationCodeableConcept": {"coding": [drug]}}
    return given | {"dosage": into_a_vein("80", "mg"), **more}


def into_a_vein(value: str, unit: str) -> Json:
    route = {"coding": [{"system": SNOMED, "code": "47625008"}]}
    return {"dose": amount(value, unit), "route": route}


def subject_in(door: Door, study: str, of: str = "p1", version: str = "4.0") -> Json:
    """The one subject of a patient in a study."""
    query = f"ResearchSubject?patient=Patient/{of}&study=ResearchStudy/{study}"
    (found,) = matches(door.get(query, Accept=f"{FHIR_JSON}; fhirVersion={version}"))
    return found


def operation(door: Door, name: str, study: str, version: str = "4.0") -> list[Json]:
    """The resources of an operation's answer, valid also to fhir.resources."""
    id_ = subject_in(door, study)["id"]
    answer = door.get(
        f"ResearchSubject/{id_}/${name}", Accept=f"{FHIR_JSON}; fhirVersion={version}"
    )
    assert answer.status_code == 200, answer.text
    assert_read(json.loads(answer.data), version)
    return [entry["resource"] for entry in content(answer)["entry"]]


def assert_read(resource: Json, version: str) -> None:
    """fhir.resources reads it; that our gate finds nothing the door has made sure of."""
    name = resource["resourceType"]
    module = importlib.import_module(f"{PACKAGES[version]}.{name.lower()}")
    getattr(module, name).model_validate(resource)


def of_type(resources: list[Json], type_: str) -> list[Json]:
    return [one for one in resources if one["resourceType"] == type_]


# The files


def test_the_files_of_both_are_in_order_and_their_worked_patients_come_out(folder: Path) -> None:
    assert [str(one) for one in check(folder)] == []


def test_the_invented_protocol_is_explained_with_its_own_numbers(rulebook: Rulebook) -> None:
    text = explain(rulebook.protocols[ID], rulebook)

    assert "One dose is 80 mg of Imaginol, give or take 4 mg." in text
    assert "It is given intravenously.\n" in text
    assert "A course is 6 doses in 6 weeks, at most 1 in a week: 480 mg together." in text
    assert "The next dose is on schedule 6, 7 or 8 days after the last." in text
    assert "There are at most 3 courses." in text
    assert "progressed" not in text
    assert "alternates" not in text
    for code in ("wrong-site", "no-alternation", "second-course-unconfirmed"):
        assert f"`{code}`" not in text


def test_protocols_of_one_service_have_one_canonical_base(tmp_path: Path) -> None:
    folder = both(tmp_path)
    file = folder / "protocols" / ID / "protocol.toml"
    file.write_text(file.read_text("utf-8").replace(CANONICAL, "https://other.example.org"))

    with pytest.raises(BadMapping) as caught:
        load(folder)
    said = "protocols/refnot-r2/protocol.toml: canonical: must be that of fiction-1"
    assert said in str(caught.value)


def test_the_rules_of_the_first_protocol_are_those_that_it_has_alone(
    rulebook: Rulebook, production: Rulebook
) -> None:
    alone, beside = production.protocols[R2], rulebook.protocols[R2]

    assert (beside.criteria, beside.dosing, beside.labs) == (
        alone.criteria,
        alone.dosing,
        alone.labs,
    )


# Over HTTP


@pytest.mark.parametrize("version", VERSIONS)
def test_both_studies_are_published(door: Door, version: str) -> None:
    answer = door.get("ResearchStudy", Accept=f"{FHIR_JSON}; fhirVersion={version}")

    found = {study["id"]: study for study in matches(answer)}
    assert {R2, ID} <= set(found)
    for study in json.loads(answer.data)["entry"]:
        assert_read(study["resource"], version)
    (by_number,) = matches(door.get("ResearchStudy?identifier=FICTION-1"))
    assert by_number["id"] == ID


@pytest.mark.parametrize("version", VERSIONS)
def test_a_patient_is_a_subject_of_both_with_a_status_in_each(door: Door, version: str) -> None:
    first = subject_in(door, R2, version=version)
    second = subject_in(door, ID, version=version)

    assert first["id"] != second["id"]
    for one in (first, second):
        assert_read(json.loads(wire.encode(one)), version)
    if version != "5.0":
        assert (first["status"], second["status"]) == ("ineligible", "eligible")
    everybody = matches(door.get("ResearchSubject?patient=Patient/p1"))
    assert {one["id"] for one in everybody} == {first["id"], second["id"]}


def test_what_rules_out_of_one_study_says_nothing_about_the_other(door: Door) -> None:
    assert subject_in(door, ID, of="p2")["status"] == "ineligible"
    assert subject_in(door, R2, of="p2")["status"] == "candidate"
    found = matches(door.get(f"ResearchSubject?study=ResearchStudy/{ID}&status=ineligible"))
    assert [one["individual"]["reference"] for one in found] == ["Patient/p2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_has_a_screening_report_of_its_own_criteria(door: Door, version: str) -> None:
    found = operation(door, "screening-report", ID, version)

    observations = of_type(found, "Observation")
    codes = [one["code"]["coding"][0] for one in observations]
    assert [one["code"] for one in codes] == ["A1", "A2", "A3", "A4", "B1"]
    assert {one["system"] for one in codes} == {f"{CANONICAL}/CodeSystem/{ID}-criteria"}
    others = of_type(operation(door, "screening-report", R2, version), "Observation")
    assert len(others) == 23


@pytest.mark.parametrize("version", VERSIONS)
def test_each_has_a_dosing_record_of_its_own_drug_in_its_own_unit(door: Door, version: str) -> None:
    found = operation(door, "dosing-record", ID, version)

    doses = of_type(found, "MedicationAdministration")
    given = [one["dosage"]["dose"] for one in doses]
    assert [(one["value"], one["code"]) for one in given] == [(80, "mg"), (80, "mg"), (40, "mg")]
    assert doses[0]["dosage"]["route"] == {
        "coding": [{"system": SNOMED, "code": "47625008"}],
        "text": "intravenous",
    }
    issues = of_type(found, "DetectedIssue")
    assert [(one["code"]["coding"][0]["code"], one["detail"]) for one in issues] == [
        ("wrong-dose", "40 mg given, 80 mg is the dose"),
    ]
    (summary,) = of_type(found, "Observation")
    parts = {one["code"]["coding"][0]["code"]: one for one in summary["component"]}
    assert parts["cumulative-dose"]["valueQuantity"]["value"] == 200
    assert "cumulative-iu" not in parts
    others = of_type(operation(door, "dosing-record", R2, version), "MedicationAdministration")
    assert [one["dosage"]["dose"]["code"] for one in others] == ["[IU]"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_code_of_both_is_defined_once(door: Door, version: str) -> None:
    answer = door.get("CodeSystem?_count=50", Accept=f"{FHIR_JSON}; fhirVersion={version}")

    systems = matches(answer)
    ids = [one["id"] for one in systems]
    assert len(ids) == len(set(ids))
    assert {f"{ID}-criteria", f"{ID}-verdicts", f"{ID}-report", "imaginol-deviations"} <= set(ids)
    words = {one["id"]: {word["code"] for word in one["concept"]} for one in systems}
    assert words["study-drugs"] == {"imaginol", "refnot"}
    assert {"fasting", "immunotherapy-6-weeks"} <= words["study-questions"]
    assert "cumulative-dose" in words[f"{ID}-report"]
    assert "cumulative-iu" in words[f"{R2}-report"]
    (evaluable,) = [
        word["definition"]
        for one in systems
        if one["id"] == "imaginol-deviations"
        for word in one["concept"]
        if word["code"] == "dose-not-evaluable"
    ]
    assert evaluable == "The amount given is not known in mg."


def test_a_dose_that_cannot_be_one_says_so_in_the_unit_of_its_drug(door: Door) -> None:
    with_units = infusion("i4", days_ago=0, dosage=into_a_vein("80", "[IU]"))
    door.kept(with_units)
    found = operation(door, "dosing-record", ID)
    door.kept(with_units | {"status": "entered-in-error"})

    (last,) = [
        one
        for one in of_type(found, "MedicationAdministration")
        if one["supportingInformation"][0]["reference"].endswith("i4/_history/1")
    ]
    assert "“[IU]” counts neither mg, vials nor millilitres" in last["note"][0]["text"]


# Records and lists


def rows(door: Door, query: str) -> list[dict[str, str]]:
    answer = door.get(f"/records/{query}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_dosing_records_of_both_are_told_apart(door: Door) -> None:
    found = rows(door, "dosing?_format=csv&subject=Patient/p1")

    told = [
        (row["protocol"], row["subject"], row["dose"], row["dose_unit"], row["dose_iu"])
        for row in found
        if row["dose"]
    ]
    mine = f"ResearchSubject/{subject_in(door, ID)['id']}"
    theirs = f"ResearchSubject/{subject_in(door, R2)['id']}"
    assert sorted(told) == [
        (ID, mine, "40", "mg", ""),
        (ID, mine, "80", "mg", ""),
        (ID, mine, "80", "mg", ""),
        (R2, theirs, "400000", "[IU]", "400000"),
    ]


def test_the_records_of_a_subject_are_of_its_own_study(door: Door) -> None:
    mine = f"ResearchSubject/{subject_in(door, ID)['id']}"

    assert {row["protocol"] for row in rows(door, f"dosing?_format=csv&subject={mine}")} == {ID}
    labs = rows(door, f"eligibility-labs?_format=csv&subject={mine}")
    assert {row["subject"] for row in labs} == {mine}
    assert {row["protocol"] for row in labs} == {ID}
    assert {row["analyte"] for row in labs} == {
        "creatinine-clearance",
        "platelets",
        "bilirubin",
        "fasting",
    }


def test_a_lab_that_both_ask_for_is_listed_for_each(door: Door) -> None:
    found = rows(door, "eligibility-labs?_format=csv&subject=Patient/p1")

    platelets = [row for row in found if row["analyte"] == "platelets"]
    protocols = [row["protocol"] for row in platelets]
    assert {R2, ID} <= set(protocols)
    assert len({row["subject"] for row in platelets}) == len(protocols) == len(set(protocols))
    alt = {row["protocol"] for row in found if row["analyte"] == "alt"}
    assert R2 in alt
    assert ID not in alt


def test_the_first_page_names_both_studies_and_the_study_of_each_subject(door: Door) -> None:
    page = door.get("/").text

    assert "Imaginol Once a Week in People Who Do Not Exist" in page
    assert "Effect of Refnot on Immunity in Cancer Patients" in page
    for study in (R2, ID):
        assert f'<a href="/fhir/ResearchStudy/{study}">' in page
        assert page.count(f'<td class="id">{study}</td>') == 2


def test_the_commands_name_the_protocol_of_every_subject(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    resources = [*eligible("p1"), *fit("p1")]
    entries = [
        {
            "resource": one,
            "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
        }
        for one in resources
    ]
    bundle.write_bytes(
        wire.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    )
    options = ["--database", f"sqlite:///{tmp_path}/x.sqlite", "--mappings", str(folder)]
    assert CliRunner().invoke(main, ["ingest", str(bundle), *options]).exit_code == 0

    listed = CliRunner().invoke(main, ["subjects", "--json", *options])
    assert {row["protocol"] for row in json.loads(listed.output)} >= {R2, ID}
    screened = CliRunner().invoke(main, ["screen", *options])
    protocols = [line.split("\t")[1] for line in screened.output.splitlines()]
    assert len(protocols) == len(set(protocols))
    assert {R2, ID} <= set(protocols)
