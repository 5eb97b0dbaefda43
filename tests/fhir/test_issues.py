from __future__ import annotations

import json

import pytest

from refnot_fhir.errors import Problem
from refnot_fhir.fhir import gate, issues
from refnot_fhir.fhir.issues import Severity, information, issue, outcome
from refnot_fhir.fhir.versions import Version
from tests.fhir.published_builders import VERSIONS, assert_valid


def test_every_problem_is_an_issue_with_its_place():
    problems = (
        Problem("value", "not a date", "Patient.birthDate"),
        Problem("required", "is missing", "Observation.status"),
    )
    written = issues.refused(problems)
    assert [(i["code"], i["expression"]) for i in written["issue"]] == [
        ("value", ["Patient.birthDate"]),
        ("required", ["Observation.status"]),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_problems_of_the_gate_are_reported_as_they_are(version):
    problems = gate.problems({"resourceType": "Patient", "gender": "banana"}, version)
    written = issues.refused(problems)
    assert_valid(written, version)
    assert written["issue"][0]["expression"] == ["Patient.gender"]


@pytest.mark.parametrize("version", VERSIONS)
def test_information_warnings_and_faults_are_valid(version):
    written = outcome(
        [
            information("kept"),
            issue(
                Problem("informational", "not kept", "Bundle.entry[2].resource"),
                Severity.INFORMATION,
            ),
            issue(Problem("not-supported", "not understood", "http.name"), Severity.WARNING),
        ]
    )
    assert_valid(written, version)
    assert [i["severity"] for i in written["issue"]] == ["information", "information", "warning"]
    assert_valid(issues.internal_error("1f3a"), version)


def test_an_outcome_without_issues_says_that_all_is_well():
    assert outcome([])["issue"] == [
        {"severity": "information", "code": "informational", "details": {"text": "All OK"}}
    ]


def test_a_fault_shows_the_incident_and_nothing_else_of_it():
    written = issues.internal_error("1f3a")
    assert written["issue"][0]["severity"] == "fatal"
    assert "1f3a" in json.dumps(written)


def test_a_severity_of_its_own_can_be_given_to_problems():
    found = issue(Problem("not-found", "gone"), Severity.WARNING)
    assert found["severity"] == "warning"
    assert "expression" not in found
    assert_valid(outcome([found]), Version.R4)
