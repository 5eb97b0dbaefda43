"""Statements, orders, dispenses and procedures, from what was sent to the mapping files' words."""

from __future__ import annotations

from typing import Any

import pytest

from refnot_fhir.core.facts import Fact, MedicationUse, ProcedureDone
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.elements import Lookup
from refnot_fhir.fhir.types import Context, understand
from refnot_fhir.wording.readings import sentence

SYSTEMS = {
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "snomed": "http://snomed.info/sct",
    "ward": "urn:oid:1.2.643.5.1.13.3.99",
}


def coded(code: str = "", text: str = "") -> dict[str, Any]:
    system, _, value = code.partition("|")
    coding = [{"system": SYSTEMS.get(system, system), "code": value}] if code else []
    return {**({"coding": coding} if coding else {}), **({"text": text} if text else {})}


def statement(code: str = "", text: str = "", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationStatement",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": coded(code, text),
        **more,
    }


def fact(rulebook: Rulebook, resource: dict[str, Any], *known: dict[str, Any]) -> Fact | None:
    source = Source("default", resource["resourceType"], "x", "1")
    server = {f"{it['resourceType']}/{it['id']}": it for it in known}
    context = Context(rulebook.sites["default"], rulebook, lookup=Lookup(server.get))
    found = understand(resource, source, context)
    assert found.useful == bool(found.facts)
    return next(iter(found.facts), None)


def use(rulebook: Rulebook, resource: dict[str, Any], *known: dict[str, Any]) -> MedicationUse:
    found = fact(rulebook, resource, *known)
    assert isinstance(found, MedicationUse)
    return found


@pytest.mark.parametrize(
    ("code", "text", "classes", "unclear", "classified"),
    [
        ("atc|H02AB06", "", "systemic-corticosteroid", "", True),
        ("rxnorm|8638", "", "systemic-corticosteroid", "", True),
        ("rxnorm|312615", "", "systemic-corticosteroid", "", True),
        ("", "Преднизолон 5 мг таб.", "systemic-corticosteroid", "", True),
        ("rxnorm|199058", "", "immunosuppressant", "", True),
        ("rxnorm|1860480", "1 ML DOCEtaxel 20 MG/ML Injection", "chemotherapy", "", True),
        ("rxnorm|404630", "", "supportive systemic-corticosteroid", "", True),
        ("atc|L04AX03", "", "", "immunosuppressant", False),
        ("atc|L01BA01", "", "chemotherapy", "immunosuppressant", False),
        ("rxnorm|999999999", "a new drug", "", "", False),
        ("atc|L01FF01", "", "immunotherapy", "", True),
        ("", "Refnot", "immunotherapy", "", True),
    ],
)
def test_a_drug_is_of_the_classes_of_what_it_is_made_of(
    production: Rulebook, code: str, text: str, classes: str, unclear: str, classified: bool
) -> None:
    found = use(production, statement(code, text))
    assert " ".join(found.classes) == classes
    assert " ".join(found.unclear) == unclear
    assert found.classified == classified
    assert found.resolved


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("atc|N02BE01", ""),
        ("rxnorm|243670", ""),
        ("rxnorm|1049221", "Acetaminophen 325 MG / oxyCODONE Hydrochloride 5 MG Oral Tablet"),
        ("rxnorm|860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet"),
        ("", "Amlodipine 2.5 MG Oral Tablet"),
        ("atc|L03AA02", ""),
    ],
)
def test_a_drug_that_no_criterion_asks_about_is_no_fact(
    production: Rulebook, code: str, text: str
) -> None:
    assert fact(production, statement(code, text)) is None


def test_the_route_is_that_of_the_message_or_else_of_the_form(production: Rulebook) -> None:
    cream = statement("rxnorm|106256", "triamcinolone cream")
    found = use(production, cream)
    assert found.routes == ("topical",)
    assert [sentence(note) for note in found.notes] == [
        "route topical taken from the form of triamcinolone cream"
    ]
    oral, unknown = {"route": coded("snomed|26643006")}, {"route": coded(text="somehow")}
    said = use(production, cream | {"dosage": [oral, oral, {"text": "daily"}]})
    assert said.routes == ("oral", "topical")
    assert use(production, cream | {"dosage": [unknown]}).routes == ("",)
    assert use(production, statement("atc|H02AB06")).routes == ("",)


def test_a_medication_that_comes_later_says_what_it_is(production: Rulebook) -> None:
    by_name = statement()
    del by_name["medicationCodeableConcept"]
    by_name["medicationReference"] = {"reference": "Medication/m1"}
    waiting = use(production, by_name)
    assert (waiting.resolved, waiting.shown) == (False, "Medication/m1")
    tablet = {"resourceType": "Medication", "id": "m1", "code": coded("rxnorm|312615", "tablets")}
    known = use(production, by_name, tablet)
    assert (known.resolved, known.classes) == (True, ("systemic-corticosteroid",))
    made = {
        "resourceType": "Medication",
        "id": "m1",
        "ingredient": [{"itemCodeableConcept": coded(text="prednisone")}],
    }
    assert use(production, by_name, made).shown == "prednisone"
    harmless = tablet | {"code": coded("atc|N02BE01")}
    assert fact(production, by_name, harmless) is None


def test_what_it_is_for_is_kept_as_sent(production: Rulebook) -> None:
    found = use(
        production, statement("atc|H02AB06", reasonCode=[coded(text="asthma"), coded(text="gout")])
    )
    assert found.indication == "asthma; gout"


def procedure(code: str = "", text: str = "") -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "code": coded(code, text),
        "performedDateTime": "2026-01-02",
    }


def test_a_procedure_is_of_the_sets_that_list_its_code(production: Rulebook) -> None:
    for code, name in (
        ("367336001", "chemotherapy"),
        ("76334006", "immunotherapy"),
        ("86553008", "immunosuppressive-therapy"),
        ("236886002", "hysterectomy"),
    ):
        found = fact(production, procedure(f"snomed|{code}", "as they call it"))
        assert isinstance(found, ProcedureDone)
        assert (found.sets, found.unclear, found.shown) == ((name,), (), "as they call it")
    for other in (procedure("snomed|73761001"), procedure(text="chemotherapy")):
        assert fact(production, other) is None
    nameless = procedure()
    del nameless["code"]
    assert fact(production, nameless) is None
