"""What says that a drug was given or taken, or a procedure done, with the days it may have lasted.

An administration, a statement that a drug is taken and a procedure say that it happened; an order
and a dispense only that it may have.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, tzinfo
from typing import NamedTuple

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.facts import Dose, MedicationUse, Outcome, ProcedureDone, Use
from refnot_fhir.core.results import ReasonCode
from refnot_fhir.core.translate.study import names, of_another_study
from refnot_fhir.core.values import DaySpan

Fact = Dose | MedicationUse | ProcedureDone

HAPPENED = frozenset({Outcome.GIVEN, Outcome.PARTIAL})
"""Outcomes of what was done, all or part."""
MAY_COUNT = {
    **dict.fromkeys(HAPPENED, ""),
    Outcome.UNKNOWN: ReasonCode.OUTCOME_UNKNOWN,
    Outcome.PENDING: ReasonCode.IN_PROGRESS,
}
"""Outcomes of what happened or may have, with the reason for doubt; the others never count."""
MAY_BE_TAKEN = {
    Use.TAKEN: ReasonCode.ONLY_STATED,
    Use.SUPPLIED: ReasonCode.ONLY_SUPPLIED,
    Use.ORDERED: ReasonCode.ONLY_ORDERED,
    Use.UNKNOWN: ReasonCode.OUTCOME_UNKNOWN,
}
"""Uses that may count, with the reason for doubt of those that do not decide by themselves."""


class Lasted(NamedTuple):
    """The days on which something may have begun, and those on which it may have ended."""

    began: DaySpan
    ended: DaySpan

    @property
    def whole(self) -> DaySpan:
        """Every day on which it may have been."""
        return DaySpan(self.began.first, self.ended.last, self.began.text)


def lasted(fact: Fact, zone: tzinfo) -> Lasted | None:
    """How long something lasted; None if nothing is said of when."""
    if isinstance(fact, MedicationUse):
        return _used(fact, zone)
    began = fact.given if isinstance(fact, Dose) else fact.began
    if began is None:
        return None
    first = began.days(zone)
    if fact.ended is not None:
        return Lasted(first, _not_before(first, fact.ended.days(zone)))
    if fact.outcome == Outcome.PENDING:
        return Lasted(first, DaySpan(first.first, date.max, ""))
    return Lasted(first, first)


def _used(use: MedicationUse, zone: tzinfo) -> Lasted | None:
    """A use that is not said to be over surely lasts until it was said, and may go on."""
    said = None if use.recorded is None else use.recorded.days(zone)
    stated = None if use.ended is None else use.ended.days(zone)
    if use.began is not None:
        began = use.began.days(zone)
    else:
        known = stated or said
        if known is None:
            return None
        began = DaySpan(date.min, known.last, known.text)
    if stated is not None:
        still = stated.first if said is None or use.is_over else min(stated.first, said.first)
        ended = DaySpan(still, stated.last, stated.text)
    elif use.is_over:
        ended = DaySpan(began.first, date.max if said is None else said.last, "")
    else:
        # What was ordered or handed over is not known to be taken still.
        still = said.first if said is not None and use.use is Use.TAKEN else began.first
        ended = DaySpan(still, date.max, "")
    return Lasted(began, _not_before(began, ended))


def _not_before(began: DaySpan, ended: DaySpan) -> DaySpan:
    return DaySpan(max(began.first, ended.first), max(began.last, ended.last), ended.text)


def may_count(chart: Chart) -> Iterator[Dose | MedicationUse]:
    """Every administration, and every use beside them, that happened or may have."""
    yield from (dose for dose in chart.doses if dose.outcome in MAY_COUNT)
    yield from (use for use in chart.medications if use.use in MAY_BE_TAKEN)


def doubt_of(fact: Fact, deciding: frozenset[Use]) -> str:
    """Why it is not sure that it happened; empty if it is.

    `deciding` are the uses that count as if the drug had been administered.
    """
    if isinstance(fact, MedicationUse):
        return "" if fact.use in deciding else MAY_BE_TAKEN[fact.use]
    return MAY_COUNT[fact.outcome]


def is_of_trial(fact: Fact, days: Lasted | None, case: Case) -> bool | None:
    """Whether it belongs to the trial, being of its drug; None: it cannot be told.

    An order or a dispense that may reach into the patient's participation is taken for the trial's:
    it was made before the first dose.
    """
    if any(names(reference, case.protocol) for reference in fact.studies):
        return True
    if of_another_study(fact.studies, case.protocol):
        return False
    enrolled = case.chart.enrolled_on
    if enrolled is None or days is None:
        return None
    if may_be_for_later(fact):
        return days.ended.last >= enrolled
    if days.began.first >= enrolled:
        return True
    return False if days.began.last < enrolled else None


def may_be_for_later(fact: Fact) -> bool:
    """Whether what it tells of may have been used long after it was written."""
    return isinstance(fact, MedicationUse) and fact.use in (Use.ORDERED, Use.SUPPLIED)
