from __future__ import annotations

import json

import pytest

from refnot_fhir import errors
from refnot_fhir.fhir import gate, outcome
from refnot_fhir.fhir.versions import Version
from tests.fhir.published_builders import VERSIONS, assert_valid

ERRORS = (
    errors.BadInput("no"),
    errors.NotFound("no"),
    errors.Gone("no"),
    errors.Conflict("no"),
    errors.PreconditionFailed("no"),
    errors.NotSupported("no"),
    errors.TooLarge("no"),
    errors.Forbidden("no"),
    errors.Busy("no"),
    errors.StoreFull("no"),
    errors.BadMapping("no"),
    errors.RefnotError("no"),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_becomes_a_valid_outcome_under_its_own_code(error, version):
    written = outcome.from_error(error)
    assert_valid(written, version)
    assert written["issue"] == [
        {"severity": "error", "code": error.code, "details": {"text": "no"}}
    ]


def test_every_problem_is_an_issue_with_its_place():
    problems = (
        errors.Problem("value", "not a date", "Patient.birthDate"),
        errors.Problem("required", "is missing", "Observation.status"),
    )
    written = outcome.from_error(errors.BadInput("two problems", problems))
    assert [(i["code"], i["expression"]) for i in written["issue"]] == [
        ("value", ["Patient.birthDate"]),
        ("required", ["Observation.status"]),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_problems_of_the_gate_are_reported_as_they_are(version):
    problems = gate.problems({"resourceType": "Patient", "gender": "banana"}, version)
    written = outcome.refused(problems)
    assert_valid(written, version)
    assert written["issue"][0]["expression"] == ["Patient.gender"]


@pytest.mark.parametrize("version", VERSIONS)
def test_information_warnings_and_faults_are_valid(version):
    written = outcome.write(
        [
            outcome.information("kept"),
            outcome.information("not kept", expression="Bundle.entry[2].resource"),
            outcome.warning("not understood", code="not-supported", expression="http.name"),
        ]
    )
    assert_valid(written, version)
    assert [i["severity"] for i in written["issue"]] == ["information", "information", "warning"]
    assert_valid(outcome.internal_error("1f3a"), version)


def test_an_outcome_without_issues_says_that_all_is_well():
    assert outcome.write([])["issue"] == [
        {"severity": "information", "code": "informational", "details": {"text": "All OK"}}
    ]


def test_a_fault_shows_the_incident_and_nothing_else_of_it():
    written = outcome.internal_error("1f3a")
    assert written["issue"][0]["severity"] == "fatal"
    assert "1f3a" in json.dumps(written)


def test_a_severity_of_its_own_can_be_given_to_problems():
    found = outcome.issues([errors.Problem("not-found", "gone")], severity="warning")
    assert found[0]["severity"] == "warning"
    assert "expression" not in found[0]
    assert_valid(outcome.write(found), Version.R4)
