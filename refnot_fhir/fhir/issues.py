"""What went wrong, or is worth knowing, as issues of an OperationOutcome.

The shape is the same in R4, R4B and R5 (https://hl7.org/fhir/R4/operationoutcome.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from refnot_fhir.errors import Problem
from refnot_fhir.fhir.write.published import Json


class Severity(StrEnum):
    """How severe an issue is (http://hl7.org/fhir/ValueSet/issue-severity)."""

    FATAL = "fatal"
    """The service failed."""
    ERROR = "error"
    """What was asked for was not done."""
    WARNING = "warning"
    """It was done, but perhaps not as it was meant."""
    INFORMATION = "information"
    """Nothing has to be done about it."""


def issue(problem: Problem, severity: Severity = Severity.ERROR, *, diagnostics: str = "") -> Json:
    """A problem as one issue."""
    found: Json = {"severity": str(severity), "code": problem.code}
    if problem.message:
        found["details"] = {"text": problem.message}
    if diagnostics:
        found["diagnostics"] = diagnostics
    if problem.expression:
        found["expression"] = [problem.expression]
    return found


def information(text: str) -> Json:
    """An issue that asks for nothing."""
    return issue(Problem("informational", text), Severity.INFORMATION)


def outcome(issues: Iterable[Json]) -> Json:
    """An OperationOutcome; without any issue it says that all went well."""
    return {"resourceType": "OperationOutcome", "issue": list(issues) or [information("All OK")]}


def refused(problems: Iterable[Problem]) -> Json:
    """The outcome of a request that was refused for these reasons."""
    return outcome(map(issue, problems))


def internal_error(incident: str) -> Json:
    """The outcome of a fault of ours; `incident` finds it in the log, where the details are."""
    said = "The service failed; nothing of this request was kept. Sending it again is safe."
    found = issue(Problem("exception", said), Severity.FATAL, diagnostics=f"incident {incident}")
    return outcome([found])
