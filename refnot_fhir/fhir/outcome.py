"""What went wrong, or is worth knowing, as OperationOutcome.

The shape is the same in R4, R4B and R5 (https://hl7.org/fhir/R4/operationoutcome.html). Texts come
from `Problem`, which names places and never repeats patient data.
"""

from __future__ import annotations

from collections.abc import Iterable

from refnot_fhir.errors import Problem, RefnotError
from refnot_fhir.fhir.write.published import Json, filled


def issue(
    severity: str, code: str, text: str, *, expression: str = "", diagnostics: str = ""
) -> Json:
    """One issue: `severity` is `fatal`, `error`, `warning` or `information`."""
    return filled(
        {
            "severity": severity,
            "code": code,
            "details": filled({"text": text}),
            "diagnostics": diagnostics,
            "expression": [expression] if expression else [],
        }
    )


def issues(problems: Iterable[Problem], *, severity: str = "error") -> list[Json]:
    """One issue for each problem."""
    return [
        issue(severity, problem.code, problem.message, expression=problem.expression)
        for problem in problems
    ]


def write(issues: Iterable[Json]) -> Json:
    """An OperationOutcome; without any issue it says that all went well."""
    found = list(issues) or [information("All OK")]
    return {"resourceType": "OperationOutcome", "issue": found}


def refused(problems: Iterable[Problem]) -> Json:
    """The outcome of a request that was refused for these reasons."""
    return write(issues(problems))


def from_error(error: RefnotError) -> Json:
    """The outcome of a request that ended in one of our own errors."""
    return refused(error.problems)


def internal_error(incident: str) -> Json:
    """The outcome of a fault of ours; `incident` finds it in the log, where the details are."""
    text = "The service failed; nothing of this request was kept. Sending it again is safe."
    return write([issue("fatal", "exception", text, diagnostics=f"incident {incident}")])


def information(text: str, *, code: str = "informational", expression: str = "") -> Json:
    """An issue that asks for nothing."""
    return issue("information", code, text, expression=expression)


def warning(text: str, *, code: str, expression: str = "") -> Json:
    """An issue that did not stop the request."""
    return issue("warning", code, text, expression=expression)
