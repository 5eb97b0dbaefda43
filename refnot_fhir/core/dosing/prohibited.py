"""Drugs beside the study drug that the arm of the patient does not allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.given import doubt_of, lasted, may_count
from refnot_fhir.core.days import shifted
from refnot_fhir.core.dosing.administrations import Occasion
from refnot_fhir.core.dosing.courses import days_of
from refnot_fhir.core.dosing.results import Deviation, DeviationCode, DosingReason
from refnot_fhir.core.facts import Dose, MedicationUse, Use
from refnot_fhir.core.rules import Prohibition, Protocol
from refnot_fhir.core.values import DaySpan, reason

_DECIDING = frozenset({Use.TAKEN})


def of_other_drugs(
    protocol: Protocol, chart: Chart, given: Sequence[Occasion], as_of: date
) -> Iterator[Deviation]:
    """Each drug that was surely given or taken while the arm of the patient did not allow it.

    `given` are the doses of the study drug. Nothing is said before the first of them, after the
    last day of the participation, or while the arm is not known.
    """
    if not given:
        return
    ends = as_of if chart.ended_on is None else min(as_of, chart.ended_on)
    begun = [days_of(one) for one in given]
    # The first dose may have been on any of these days: only what is sure for all of them counts.
    earliest, latest = min(first for first, _ in begun), min(last for _, last in begun)
    for one in protocol.dosing.prohibited:
        if one.arm != chart.arm:
            continue
        allowed = None if one.first_days is None else shifted(earliest, one.first_days)
        until = ends if allowed is None else min(ends, shifted(allowed, -1))
        for fact, began in _surely(one, protocol, chart, latest, until):
            about = {"drug": fact.shown, "arm": chart.arm}
            why = reason(DosingReason.PROHIBITED_IN_ARM, **about)
            if allowed is not None:
                why = reason(DosingReason.PROHIBITED_BEFORE, **about, bound=f"{allowed}")
            on = began.first if began.first == began.last else None
            yield Deviation(DeviationCode.PROHIBITED_MEDICATION, (why,), (fact.source,), on)


def _surely(
    prohibited: Prohibition, protocol: Protocol, chart: Chart, since: date, until: date
) -> Iterator[tuple[Dose | MedicationUse, DaySpan]]:
    """Drugs of the class that were surely in use on some day of a span, with when that began."""
    for fact in may_count(chart):
        dated = (fact.given if isinstance(fact, Dose) else fact.began) is not None
        days = lasted(fact, chart.zone) if dated else None
        counts = prohibited.drug_class in fact.classes and not doubt_of(fact, _DECIDING)
        if days is None or not counts or fact.drug == protocol.dosing.drug:
            continue
        if days.ended.first >= since and days.began.last <= until:
            yield fact, days.began
