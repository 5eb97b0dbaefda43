"""May this patient be in the trial, and why (not): every criterion, on one date of assessment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.answer import answer_finding
from refnot_fhir.core.criteria.case import Case, lay_out
from refnot_fhir.core.criteria.drug import drug_finding
from refnot_fhir.core.criteria.lab import lab_finding
from refnot_fhir.core.criteria.person import age_finding, person_finding
from refnot_fhir.core.results import Assessment, Finding
from refnot_fhir.core.rules import AgeRule, AnswerRule, Criterion, DrugRule, LabRule, Protocol


def assess(protocol: Protocol, chart: Chart, as_of: date) -> Assessment:
    """Every criterion of the protocol for one patient, as of a date in the site's time zone.

    Nothing collected or given after that date is seen. The order of the chart does not matter.
    """
    case = lay_out(protocol, chart)
    findings = tuple(_finding(criterion, case, as_of) for criterion in protocol.criteria)
    ends = [it.holds_until for it in findings if it.holds_until is not None]
    return Assessment(
        site=chart.site,
        patient=chart.patient,
        protocol=protocol.id,
        protocol_version=protocol.version,
        digest=protocol.digest,
        as_of=as_of,
        findings=findings,
        standing=standing(findings),
        holds_until=min(ends, default=None),
    )


def standing(findings: Iterable[Finding]) -> str:
    """`ineligible` if any finding speaks against, `eligible` if all speak for, else `undecided`."""
    found = tuple(findings)
    if any(finding.speaks_against for finding in found):
        return "ineligible"
    return "eligible" if all(finding.speaks_for for finding in found) else "undecided"


def _finding(criterion: Criterion, case: Case, as_of: date) -> Finding:
    match criterion.rule:
        case AgeRule() as rule:
            return age_finding(criterion, rule, case, as_of)
        case LabRule() as rule:
            return lab_finding(criterion, rule, case, as_of)
        case AnswerRule() as rule:
            return answer_finding(criterion, rule, case, as_of)
        case DrugRule() as rule:
            return drug_finding(criterion, rule, case, as_of)
        case rule:
            return person_finding(criterion, rule)
