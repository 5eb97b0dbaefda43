from __future__ import annotations

import pytest

from refnot_fhir.core.verdict import Verdict
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import code_systems, operation_definitions
from tests.fhir.published_builders import CANONICAL, DRUG, PROTOCOL, VERSIONS, assert_valid

DEVIATIONS = {
    "wrong-dose",
    "dose-not-evaluable",
    "wrong-route",
    "wrong-site",
    "no-alternation",
    "short-interval",
    "long-interval",
    "missed-dose",
    "extra-dose",
    "course-overrun",
    "second-course-unconfirmed",
    "possible-duplicate",
    "dose-after-death",
    "dose-before-eligible",
    "dose-before-consent",
    "dose-before-enrolment",
    "dose-after-consent-withdrawn",
    "dose-after-off-study",
    "prohibited-medication",
    "eligibility-finding",
}


def everything(version=Version.R4):
    shared = code_systems.write_shared([PROTOCOL], (DRUG,), version)
    return (*code_systems.write(PROTOCOL, version), *shared)


def by_id():
    return {system["id"]: system for system in everything()}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_code_system_is_valid_in_every_version(version):
    for system in everything(version):
        assert_valid(system, version)


def test_the_code_systems_have_the_urls_that_the_reports_use():
    systems = by_id()
    assert sorted(systems) == [
        "refnot-deviations",
        "refnot-r2-criteria",
        "refnot-r2-report",
        "refnot-r2-verdicts",
        "study-drugs",
    ]
    for id, system in systems.items():
        assert system["url"] == f"{CANONICAL}/CodeSystem/{id}"
        assert system["content"] == "complete"
        assert system["count"] == len(system["concept"])


def test_every_code_has_a_display_and_a_definition():
    for system in by_id().values():
        for concept in system["concept"]:
            assert concept["display"]
            assert concept["definition"]


def test_criteria_are_defined_in_the_registrys_own_words():
    concepts = by_id()["refnot-r2-criteria"]["concept"]
    assert [concept["code"] for concept in concepts] == ["IN03", "IN08A", "EX04", "EX09"]
    assert concepts[1]["definition"] == "Creatinine <= 1.5 norms"
    kinds = [concept["property"][0]["valueCode"] for concept in concepts]
    assert kinds == ["inclusion", "inclusion", "exclusion", "exclusion"]


def test_verdicts_and_deviations_are_complete():
    systems = by_id()
    verdicts = {concept["code"] for concept in systems["refnot-r2-verdicts"]["concept"]}
    assert verdicts == {verdict.value for verdict in Verdict}
    deviations = {concept["code"] for concept in systems["refnot-deviations"]["concept"]}
    assert deviations == DEVIATIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_the_operations_are_valid_in_every_version(version):
    definitions = operation_definitions.write(CANONICAL, version, "0.1.0")
    for definition in definitions:
        assert_valid(definition, version)
    assert [definition["code"] for definition in definitions] == [
        "screening-report",
        "dosing-record",
        "missing",
        "attest",
    ]


def test_a_statement_is_an_operation_that_changes_something_and_names_its_parameters():
    *_, attest = operation_definitions.write(CANONICAL, Version.R4, "0.1.0")
    assert attest["affectsState"] is True
    needed = [p["name"] for p in attest["parameter"] if p["min"] == 1 and p["use"] == "in"]
    assert needed == ["criterion", "verdict", "reason", "role"]
    assert {p["name"]: p["max"] for p in attest["parameter"]}["evidence"] == "*"
    assert attest["parameter"][-1]["type"] == "Bundle"


def test_the_operations_take_a_date_and_return_a_bundle():
    *definitions, _attest = operation_definitions.write(CANONICAL, Version.R5, "0.1.0")
    for definition in definitions:
        returned = "Parameters" if definition["code"] == "missing" else "Bundle"
        at = [("at", "in", 0, "code")] if definition["code"] == "screening-report" else []
        assert [(p["name"], p["use"], p["min"], p["type"]) for p in definition["parameter"]] == [
            ("date", "in", 0, "date"),
            *at,
            ("return", "out", 1, returned),
        ]
        assert definition["instance"]
        assert not definition["type"]
        assert not definition["system"]
        assert definition["url"] == operation_definitions.url(CANONICAL, definition["code"])
