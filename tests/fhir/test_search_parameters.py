from __future__ import annotations

import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.errors import BadInput
from refnot_fhir.fhir import search
from refnot_fhir.fhir.search.parameters import TYPES, Kind, along, includes, parameters
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.versions import Version
from tests.fhir import hl7_packages
from tests.fhir.published_builders import NOW, VERSIONS
from tools.npm_packages import resources

STUDY = "ResearchStudy"
SUBJECT = "ResearchSubject"
DEFINITIONS = {
    Version.R4: "hl7.fhir.r4.examples@4.0.1",
    Version.R4B: "hl7.fhir.r4b.core@4.3.0",
    Version.R5: "hl7.fhir.r5.core@5.0.0",
}


@cache
def standard_parameters(version):
    found = resources(hl7_packages.package(DEFINITIONS[version]), "SearchParameter")
    return {definition["url"]: definition for definition in found}


@pytest.mark.interop
@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_parameter_is_as_hl7_defines_it(version, type):
    defined = standard_parameters(version)
    for parameter in parameters(type, version).values():
        if parameter.definition:
            official = defined[parameter.definition]
            assert official["code"] == parameter.name
            assert official["type"] == parameter.kind
            assert {type, "Resource"} & set(official["base"])
        else:
            assert parameter.documentation.startswith("Another name for ")


@pytest.mark.interop
@pytest.mark.parametrize("type", [STUDY, SUBJECT])
@pytest.mark.parametrize("version", VERSIONS)
def test_no_standard_parameter_of_a_published_type_is_left_out(version, type):
    defined = standard_parameters(version).values()
    standard = {found["code"] for found in defined if type in found.get("base", ())}
    assert standard
    assert standard <= set(parameters(type, version))


@pytest.mark.parametrize("version", VERSIONS)
def test_includes_are_references_to_what_is_searched(version):
    assert "ResearchSubject:study" in includes(SUBJECT, version)
    assert "ResearchSubject:patient" in includes(SUBJECT, version)
    assert includes("Medication", version) == ()
    assert all(
        parameters(offer.split(":")[0], version)[offer.split(":")[1]].kind is Kind.REFERENCE
        for type in TYPES
        for offer in includes(type, version)
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("type", KINDS)
def test_every_received_type_can_be_found_by_what_is_indexed(type, version):
    found = set(parameters(type, version))
    assert {"_id", "identifier"} <= found
    assert "patient" in found or not KINDS[type].about_patient


def test_a_type_that_is_not_served_has_no_parameters():
    with pytest.raises(KeyError):
        parameters("Appointment", Version.R4)


def test_a_route_may_lead_through_some_of_the_elements_only():
    phones = along([["telecom", {"system": "phone"}], ["contact", "telecom"]])
    patient = {
        "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}, "3"],
        "contact": [{"telecom": [{"value": "4"}]}, {}],
    }
    assert [one["value"] for one in phones(patient)] == ["1", "4"]


SAMPLES = {
    Kind.TOKEN: "http://loinc.org|1,x,|y,s|",
    Kind.STRING: "a",
    Kind.DATE: "ge2013",
    Kind.REFERENCE: "Patient/example,f001,http://example.org/Patient/1",
    Kind.NUMBER: "gt5",
    Kind.QUANTITY: "lt7||mmol/l",
    Kind.URI: "http://example.org/fhir/CodeSystem/a,urn:oid:1.2.3",
}


@pytest.mark.interop
@pytest.mark.parametrize("version", VERSIONS)
def test_every_parameter_can_be_asked_of_every_example_of_hl7(version):
    matched = set()
    for body in hl7_packages.examples(version).values():
        resource = json.loads(body)
        type = resource["resourceType"]
        if type not in TYPES:
            continue
        for name, parameter in parameters(type, version).items():
            sample = SAMPLES.get(parameter.kind, "completed$true")
            if parameter.kind is Kind.COMPOSITE and len(parameter.parts) > 2:
                sample = "completed$ge2013$true"
            elif name.endswith("state-period"):
                sample = "completed$ge2013"
            asked = search.parse(type, [(name, sample)], version, now=NOW)
            present = search.parse(type, [(f"{name}:missing", "false")], version, now=NOW)
            if search.matches(asked, resource):
                matched.add((type, name))
                assert search.matches(present, resource)
    assert ("Observation", "date") in matched
    assert ("Observation", "patient") in matched


NAMES = sorted(
    {name for type in TYPES for version in VERSIONS for name in parameters(type, version)}
)
QUERY_NAMES = st.builds(
    lambda name, modifier, chain: name + modifier + chain,
    st.sampled_from([*NAMES, *search.CONTROLS, "x"]) | st.text(max_size=8),
    st.sampled_from(["", ":not", ":missing", ":exact", ":identifier", ":Patient", ":x"]),
    st.sampled_from(["", ".identifier", ".birthdate", ".x", "."]),
)
DATES = st.from_regex(
    r"(eq|ge|sa|ap|ne)?[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(Z|[ +-][0-9]{2}:[0-9]{2})?)?)?)?",
    fullmatch=True,
)
NUMBERS = st.from_regex(r"(ap|lt)?-?[0-9]{1,60}([.][0-9]{1,9})?(e[0-9]{1,4})?", fullmatch=True)
EXAMPLE = {
    "resourceType": "Observation",
    "id": "1",
    "meta": {"lastUpdated": "2026-05-04T10:00:00Z"},
    "status": "final",
    "subject": {"reference": "Patient/1", "identifier": {"value": "1"}},
    "effectivePeriod": {"end": "9999-12-31"},
    "valueQuantity": {"value": 5},
}


@given(
    st.sampled_from(TYPES),
    st.sampled_from(VERSIONS),
    st.lists(st.tuples(QUERY_NAMES, st.text(max_size=12) | DATES | NUMBERS), max_size=4),
)
def test_any_query_at_all_is_understood_ignored_or_refused(type, version, args):
    try:
        asked = search.parse(type, args, version, now=NOW)
    except BadInput:
        return
    assert len(asked.used) + len(asked.ignored) == len(args)
    assert search.matches(asked, EXAMPLE, resolve=lambda _: EXAMPLE) in (True, False)
    assert all(isinstance(found, str) for found in search.included(asked, EXAMPLE))


@pytest.mark.parametrize(
    "system", ["https://clinicaltrials.gov/nctid", "http://clinicaltrials.gov"]
)
def test_a_study_is_found_by_the_registrys_name_and_by_the_one_that_old_data_have(system):
    nct = {"system": "https://clinicaltrials.gov/nctid", "value": "NCT05898451"}
    study = {"resourceType": "ResearchStudy", "identifier": [nct]}
    asked = search.parse(
        "ResearchStudy", [("identifier", f"{system}|NCT05898451")], Version.R4, now=NOW
    )
    assert search.matches(asked, study)
