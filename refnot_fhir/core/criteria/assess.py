"""May this patient be in the trial, and why (not): every criterion, on one date of assessment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.attested import with_statements
from refnot_fhir.core.criteria.case import lay_out
from refnot_fhir.core.results import Assessment, CriterionResult
from refnot_fhir.core.rules import Protocol
from refnot_fhir.core.verdict import Eligibility, Verdict


def assess(protocol: Protocol, chart: Chart, as_of: date) -> Assessment:
    """Every criterion of the protocol for one patient, as of a date in the site's time zone.

    Nothing collected or given after that date is seen. The order of the chart does not matter.
    """
    case = lay_out(protocol, chart)
    results = tuple([one.rule.decide(one, case, as_of) for one in protocol.criteria])
    if chart.attestations:
        results = with_statements(case, as_of, results)
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
    is_in = True
    for result in results:
        if result.verdict is Verdict.UNKNOWN:
            is_in = False
        elif result.speaks_against:
            return Eligibility.INELIGIBLE
    return Eligibility.ELIGIBLE if is_in else Eligibility.UNDECIDED
