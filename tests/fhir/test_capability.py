from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from refnot_fhir.fhir import capability
from refnot_fhir.fhir.capability import Offer, Operation, TypeOffer
from refnot_fhir.fhir.search.parameters import includes, parameters
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import operation_definitions
from tests.fhir.published_builders import BASE, CANONICAL, VERSIONS, assert_valid

REPORT = Operation("screening-report", operation_definitions.url(CANONICAL, "screening-report"))
SUBJECTS = TypeOffer(
    "ResearchSubject",
    ("read", "vread", "search-type"),
    operations=(REPORT,),
    read_history=True,
)
PATIENTS = TypeOffer(
    "Patient",
    ("create", "read", "update", "delete"),
    update_create=True,
    conditional_create=True,
    reference_policy=("literal",),
)
OFFER = Offer(
    name="refnot-fhir",
    software_version="0.1.0",
    released=date(2026, 5, 1),
    base=BASE,
    description="Eligibility and dosing of the trial R-2.",
    types=(SUBJECTS, PATIENTS),
    interactions=("transaction", "batch"),
)


def rest(version=Version.R4, offer=OFFER):
    (found,) = capability.write(offer, version)["rest"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_the_statement_is_valid_in_every_version(version):
    assert_valid(capability.write(OFFER, version), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_secured_offer_is_valid_and_says_how(version):
    offer = replace(
        OFFER,
        security="Bearer tokens of SMART Backend Services.",
        security_services=("SMART-on-FHIR",),
        cors=False,
        publisher="The trial",
        documentation="Searches on received types name a patient.",
        operations=(REPORT,),
    )
    assert_valid(capability.write(offer, version), version)
    security = rest(version, offer)["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert security["cors"] is False
    assert "security" not in rest(version)


@pytest.mark.parametrize(
    ("version", "number"), [(Version.R4, "4.0.1"), (Version.R4B, "4.3.0"), (Version.R5, "5.0.0")]
)
def test_the_version_is_named_in_full(version, number):
    assert capability.write(OFFER, version)["fhirVersion"] == number


@pytest.mark.parametrize("version", VERSIONS)
def test_types_and_interactions_are_those_registered(version):
    found = {
        resource["type"]: [each["code"] for each in resource["interaction"]]
        for resource in rest(version)["resource"]
    }
    assert found == {offer.type: list(offer.interactions) for offer in OFFER.types}
    assert [each["code"] for each in rest(version)["interaction"]] == ["transaction", "batch"]


@pytest.mark.parametrize("version", VERSIONS)
def test_search_parameters_are_those_that_searches_understand(version):
    subjects, patients = rest(version)["resource"]
    names = [parameter["name"] for parameter in subjects["searchParam"]]
    assert names == list(parameters("ResearchSubject", version))
    assert subjects["searchInclude"] == list(includes("ResearchSubject", version))
    assert "searchParam" not in patients
    assert "searchInclude" not in patients


@pytest.mark.parametrize("version", VERSIONS)
def test_another_name_of_a_parameter_is_said_to_be_one(version):
    found = {p["name"]: p for p in rest(version)["resource"][0]["searchParam"]}
    other = found["individual" if version is Version.R5 else "subject"]
    assert "definition" not in other
    assert other["documentation"].startswith("Another name for ")
    assert found["study"]["definition"] == (
        "http://hl7.org/fhir/SearchParameter/ResearchSubject-study"
    )
    assert "study.identifier" in found["study"]["documentation"]


def test_what_is_not_registered_is_denied():
    subjects, patients = rest()["resource"]
    assert subjects["updateCreate"] is False
    assert subjects["conditionalCreate"] is False
    assert subjects["conditionalDelete"] == "not-supported"
    assert patients["updateCreate"] is True
    assert patients["readHistory"] is False
    assert "operation" not in patients
    assert subjects["operation"] == [{"name": REPORT.name, "definition": REPORT.definition}]
    assert "operation" not in rest()


def test_nothing_is_offered_where_nothing_is_registered():
    statement = capability.write(replace(OFFER, types=(), interactions=()), Version.R4)
    assert statement["rest"] == [{"mode": "server"}]
    assert statement["format"] == ["application/fhir+json", "json"]
