"""The CapabilityStatement claims what works, and what works is claimed."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from refnot_fhir.fhir.types import KINDS
from tests.door import (
    FHIR_JSON,
    Door,
    Json,
    bundle,
    content,
    eligible,
    entry,
    lab,
    matches,
    medicine,
    patient,
    transaction,
)

BASES = [
    ("default", "4.0"), ("default", "4.3"), ("default", "5.0"),
    ("fifth", "4.0"), ("fifth", "4.3"), ("fifth", "5.0"),
]  # fmt: skip
ICD10 = "http://hl7.org/fhir/sid/icd-10"
STANDS = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
            "code": "active",
        }
    ]
}
CHEMOTHERAPY = {"coding": [{"system": "http://snomed.info/sct", "code": "367336001"}]}
MRN = [{"system": "urn:mrn", "value": "17"}]
OTHERS: list[Json] = [
    {"resourceType": "Specimen", "id": "s1"},
    {
        "resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"},
        "clinicalStatus": STANDS, "code": {"coding": [{"system": ICD10, "code": "I63.9"}]},
    },
    {
        "resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"},
        "code": {"text": "nickel"},
    },
    {
        "resourceType": "Consent", "id": "cn1", "status": "active",
        "patient": {"reference": "Patient/p1"},
        "scope": {"text": "research"}, "category": [{"text": "x"}], "policy": [{"uri": "urn:x"}],
    },
    {
        "resourceType": "QuestionnaireResponse", "id": "q1", "status": "completed",
        "questionnaire": "https://refnot-fhir.example.org/fhir/Questionnaire/r2-statements",
        "subject": {"reference": "Patient/p1"},
    },
    {
        "resourceType": "MedicationStatement", "id": "ms1", "status": "active",
        "subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": "x"},
    },
    {
        "resourceType": "MedicationRequest", "id": "mr1", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": "x"},
    },
    {
        "resourceType": "MedicationDispense", "id": "md1", "status": "completed",
        "subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": "x"},
    },
    {
        "resourceType": "Procedure", "id": "pr1", "status": "completed",
        "subject": {"reference": "Patient/p1"}, "code": CHEMOTHERAPY,
    },
    {
        "resourceType": "DiagnosticReport", "id": "d1", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"}, "result": [{"reference": "Observation/p1-plt"}],
    },
]  # fmt: skip


def r5(resource: Json) -> Json:
    """A resource of these tests as an R5 hospital sends it."""
    found = dict(resource)
    if resource["resourceType"] == "Consent":
        found["subject"] = found.pop("patient")
        del found["scope"], found["policy"]
    if "medicationCodeableConcept" in found:
        found["medication"] = {"concept": found.pop("medicationCodeableConcept")}
    if resource["resourceType"] == "MedicationAdministration":
        found["occurenceDateTime"] = found.pop("effectiveDateTime")
    if resource["resourceType"] == "MedicationStatement":
        found["status"] = "recorded"
    return found


@pytest.fixture(params=BASES, ids="-".join)
def claimed(door: Door, request: pytest.FixtureRequest) -> tuple[Door, str, Json]:
    """A hospital with data, a version of FHIR, and what is claimed there."""
    site, version = request.param
    own = door.at(site) if site != "default" else door
    drug = {"resourceType": "Medication", "id": "med1", "identifier": MRN}
    sent = [*eligible()[1:], patient(identifier=MRN), drug, *OTHERS]
    own.kept(*(map(r5, sent) if site == "fifth" else sent))
    answer = own.get("metadata", Accept=accept(version))
    assert answer.status_code == 200
    return own, version, content(answer)


def accept(version: str) -> str:
    return f"{FHIR_JSON}; fhirVersion={version}"


def offered(statement: Json) -> dict[str, Json]:
    return {it["type"]: it for it in statement["rest"][0]["resource"]}


def ids(door: Door) -> dict[str, str]:
    return {
        "Patient": "p1", "Observation": "p1-plt", "MedicationAdministration": "p1-med",
        "Medication": "med1", "Specimen": "s1", "Condition": "c1", "AllergyIntolerance": "a1",
        "DiagnosticReport": "d1", "MedicationStatement": "ms1", "MedicationRequest": "mr1",
        "MedicationDispense": "md1", "Procedure": "pr1",
        "Consent": "cn1", "QuestionnaireResponse": "q1", "ResearchStudy": "r2",
        "Questionnaire": "r2-statements",
        "ResearchSubject": str(matches(door.get("ResearchSubject"))[0]["id"]),
        "CodeSystem": "refnot-deviations", "OperationDefinition": "ResearchSubject-dosing-record",
        "StructureDefinition": "course-number",
    }  # fmt: skip


def sample(door: Door, type_: str) -> str:
    """The id of what these tests send, or know to be published, of a claimed type."""
    known = ids(door)
    assert type_ in known, f"{type_} is claimed: send one in OTHERS, and name it in ids()"
    return known[type_]


def named(type_: str) -> str:
    """What a search of a received type has to name."""
    return "_id=p1" if type_ in KINDS else ""


VALUES = {
    "token": "x", "string": "x", "date": "ge2000-01-01", "reference": "p1", "number": "5",
    "quantity": "gt5", "uri": "urn:x",
}  # fmt: skip


def test_the_statement_is_of_the_version_and_the_base_that_was_asked(
    claimed: tuple[Door, str, Json],
) -> None:
    door, version, statement = claimed
    assert statement["fhirVersion"].startswith(version)
    assert statement["implementation"]["url"] == f"http://localhost{door.base}"
    assert statement["format"] == ["application/fhir+json", "json"]
    for form in statement["format"]:
        assert door.get(f"metadata?_format={quote(form)}").status_code == 200


def other_elements(door: Door, type_: str, version: str) -> bool:
    """Whether what the hospital sent of a type is not valid in that version: the claim says so."""
    own = "5.0" if door.base != "/fhir" else "4.0"
    medicines = ("MedicationAdministration", "MedicationStatement", "MedicationRequest")
    differ = type_ in (*medicines, "MedicationDispense", "Consent")
    return differ and "5.0" in (own, version) and own != version


def test_every_claimed_read_is_answered(claimed: tuple[Door, str, Json]) -> None:
    door, version, statement = claimed
    for type_, claim in offered(statement).items():
        codes = {it["code"] for it in claim["interaction"]}
        path = f"{type_}/{sample(door, type_)}"
        answer = door.get(path, Accept=accept(version))
        if other_elements(door, type_, version):
            assert answer.status_code == 406
            continue
        assert (answer.status_code == 200) is ("read" in codes), path
        number = content(answer).get("meta", {}).get("versionId", "1")
        vread = door.get(f"{path}/_history/{number}", Accept=accept(version))
        assert (vread.status_code == 200) is ("vread" in codes), path
        etag = answer.headers.get("ETag", "none")
        again = door.get(path, Accept=accept(version), If_None_Match=etag)
        claims = claim.get("conditionalRead") == "not-match"
        assert (again.status_code == 304) is claims, path


def searches(claim: Json) -> Iterator[tuple[str, str]]:
    """A query for each claimed search parameter, chain and include, with the parameter's name."""
    must = named(claim["type"])
    for parameter in claim.get("searchParam", ()):
        value = VALUES.get(parameter["type"], "x")
        if parameter["type"] == "composite":
            count = parameter["name"].count("-") - 1
            value = "$".join(["x", "2011" if "period" in parameter["name"] else "x", "x"][:count])
        yield f"{must}&{parameter['name']}={value}", parameter["name"]
        chains = parameter.get("documentation", "").partition("Can be chained: ")[2].rstrip(".")
        for chain in filter(None, chains.split(", ")):
            text = "1970" if chain.endswith("birthdate") else "x"
            yield f"{must}&{chain}={text}", chain
    for include in claim.get("searchInclude", ()):
        yield f"{must}&_include={include}", "_include"


def test_every_claimed_search_parameter_is_understood(claimed: tuple[Door, str, Json]) -> None:
    door, version, statement = claimed
    for type_, claim in offered(statement).items():
        codes = {it["code"] for it in claim["interaction"]}
        must = named(type_)
        plain = door.get(f"{type_}?{must}", Accept=accept(version))
        assert (plain.status_code == 200) is ("search-type" in codes), type_
        form = {"content_type": "application/x-www-form-urlencoded"}
        posted = door.send("POST", f"{type_}/_search", must, {"Accept": accept(version)}, **form)
        assert (posted.status_code == 200) is ("search-type" in codes), type_
        for query, name in searches(claim):
            strict = {"Accept": accept(version), "Prefer": "handling=strict"}
            answer = door.get(f"{type_}?{query}", **strict)
            assert answer.status_code == 200, (type_, query, answer.text)
            link = content(answer)["link"][0]["url"]
            assert f"{name}=" in link, (type_, query)


def test_every_claimed_write_is_carried_out(claimed: tuple[Door, str, Json]) -> None:
    door, _, statement = claimed
    if "transaction" not in {it["code"] for it in statement["rest"][0].get("interaction", ())}:
        assert not {"Patient", "Observation"} & set(offered(statement))
        return
    assert door.post("", transaction(patient("t1"))).status_code == 200
    assert door.post("", bundle("batch", entry(patient("t2")))).status_code == 200
    drug = {"resourceType": "Medication", "id": "n1"}
    sent = [patient(), lab(), medicine(), drug, *OTHERS]
    new = {it["resourceType"]: {**it, "id": "n1"} for it in sent}
    for type_, claim in offered(statement).items():
        if type_ == "ResearchSubject":  # what may be written of it is checked: `test_life`
            continue
        codes = {it["code"] for it in claim["interaction"]}
        resource = new.get(type_, {"resourceType": type_, "id": "n1"})
        resource = r5(resource) if door.base != "/fhir" else resource
        path = f"{type_}/n1"
        other = {**resource, "language": "ru"}
        first = door.send("PUT", path, resource)
        assert (first.status_code == 201) is bool(claim.get("updateCreate")), path
        assert (door.send("PUT", path, other).status_code == 200) is ("update" in codes), path
        assert (door.post(type_, resource).status_code == 201) is ("create" in codes), path
        assert (door.send("DELETE", path).status_code == 200) is ("delete" in codes), path
        carried = {"system": "urn:n", "value": type_}
        is_single = type_ == "QuestionnaireResponse" and door.base == "/fhir"  # in R5 a list
        identified = {**resource, "identifier": carried if is_single else [carried]}
        named_ = f"identifier=urn:n|{type_}"
        made = door.post(type_, identified, If_None_Exist=named_).status_code
        assert (made == 201) is bool(claim.get("conditionalCreate")), path
        del identified["id"]
        put = door.send("PUT", f"{type_}?{named_}", {**identified, "language": "ru"})
        assert (put.status_code == 200) is bool(claim.get("conditionalUpdate")), path
        stale = door.send("PUT", path, other | {"language": "en"}, {"If-Match": 'W/"77"'})
        assert (stale.status_code == 412) is (claim["versioning"] == "versioned-update"), path


def test_every_claimed_operation_is_answered_and_defined(
    claimed: tuple[Door, str, Json],
) -> None:
    door, version, statement = claimed
    found = 0
    for type_, claim in offered(statement).items():
        for operation in claim.get("operation", ()):
            path = f"{type_}/{sample(door, type_)}/${operation['name']}"
            (definition,) = matches(
                door.get(
                    f"OperationDefinition?url={operation['definition']}", Accept=accept(version)
                )
            )
            assert definition["code"] == operation["name"]
            if definition["affectsState"]:
                # What it may not do to this subject is refused with what may be done.
                answer = door.post(path, {"resourceType": "Parameters"})
                assert answer.status_code in (200, 422), answer.text
                assert door.get(path).status_code == 405
            else:
                assert door.get(path, Accept=accept(version)).status_code == 200
            found += 1
    assert found == 4 + len(door.service.rulebook.life.verbs)


def test_what_works_is_claimed(claimed: tuple[Door, str, Json]) -> None:
    door, version, statement = claimed
    known = set(offered(statement))
    for type_, id_ in ids(door).items():
        answer = door.get(f"{type_}/{id_}", Accept=accept(version))
        expected = 406 if other_elements(door, type_, version) else 200
        assert type_ in known
        assert answer.status_code == expected, type_


def test_our_own_definitions_are_found_by_their_url(door: Door) -> None:
    for type_ in ("CodeSystem", "OperationDefinition"):
        everything = matches(door.get(type_))
        assert everything
        for one in everything:
            assert content(door.get(f"{type_}/{one['id']}")) == one
            assert matches(door.get(f"{type_}?url={quote(one['url'])}")) == [one]
            assert matches(door.get(f"{type_}?_id={one['id']}&url=urn:other")) == []
        assert door.get(f"{type_}?banana=x", Prefer="handling=strict").status_code == 400
        assert door.get(f"{type_}/none").status_code == 404
