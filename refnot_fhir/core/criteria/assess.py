"""May this patient be in the trial, and why (not): every criterion, on one date of assessment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.answer import answer_result
from refnot_fhir.core.criteria.case import Case, lay_out
from refnot_fhir.core.criteria.condition import condition_result
from refnot_fhir.core.criteria.drug import drug_result
from refnot_fhir.core.criteria.lab import lab_result
from refnot_fhir.core.criteria.person import age_result, person_result
from refnot_fhir.core.results import Assessment, CriterionResult
from refnot_fhir.core.rules import (
    AgeRule,
    AnswerRule,
    ConditionRule,
    Criterion,
    DrugRule,
    LabRule,
    Protocol,
)
from refnot_fhir.core.verdict import Eligibility


def assess(protocol: Protocol, chart: Chart, as_of: date) -> Assessment:
    """Every criterion of the protocol for one patient, as of a date in the site's time zone.

    Nothing collected or given after that date is seen. The order of the chart does not matter.
    """
    case = lay_out(protocol, chart)
    results = tuple(_result(criterion, case, as_of) for criterion in protocol.criteria)
    ends = [it.holds_until for it in results if it.holds_until is not None]
    return Assessment(
        site=chart.site,
        patient=chart.patient,
        protocol=protocol.id,
        protocol_version=protocol.version,
        digest=protocol.digest,
        as_of=as_of,
        results=results,
        standing=standing(results),
        holds_until=min(ends, default=None),
    )


def standing(results: Iterable[CriterionResult]) -> Eligibility:
    """Ineligible if any result speaks against, eligible if all speak for, else undecided."""
    found = tuple(results)
    if any(result.speaks_against for result in found):
        return Eligibility.INELIGIBLE
    is_in = all(result.speaks_for for result in found)
    return Eligibility.ELIGIBLE if is_in else Eligibility.UNDECIDED


def _result(criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
    match criterion.rule:
        case AgeRule() as rule:
            return age_result(criterion, rule, case, as_of)
        case LabRule() as rule:
            return lab_result(criterion, rule, case, as_of)
        case AnswerRule() as rule:
            return answer_result(criterion, rule, case, as_of)
        case DrugRule() as rule:
            return drug_result(criterion, rule, case, as_of)
        case ConditionRule() as rule:
            return condition_result(criterion, rule, case, as_of)
        case rule:
            return person_result(criterion, rule)
