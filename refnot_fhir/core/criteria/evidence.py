"""The steps, from what was sent to what counted, of each fact that a result rests on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, tzinfo

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.moments import Dated, source_key
from refnot_fhir.core.facts import Condition, Dose, Measurement, MedicationUse, ProcedureDone
from refnot_fhir.core.results import Evidence, Role, Shows
from refnot_fhir.core.values import DaySpan, Reason, When, reason
from refnot_fhir.core.vocabulary import Unusable

_MEASUREMENT = Reason(Shows.MEASUREMENT)


def of_reading(found: Measurement, days: DaySpan | None, role: Role) -> Evidence:
    """A reading as evidence, with the reason when it could not be used."""
    return Evidence(
        source=found.source,
        shows=_MEASUREMENT,
        role=role,
        days=None if days is None else (days.first, days.last),
        lab=found.analyte,
        original=found.original,
        value=found.value,
        unit=found.unit,
        answer=found.answer,
        uln=found.uln,
        multiple=found.multiple,
        ulns=found.ulns,
        no_uln=found.no_uln,
        when=found.collected,
        formula=found.formula,
        derived_from=found.derived_from,
        notes=found.notes,
        not_usable=found.not_usable,
        recorded=found.issued or found.collected,
    )


def of_dated(found: Dated, role: Role = Role.GOVERNS) -> Evidence:
    """A dated reading as evidence."""
    return of_reading(found.reading, DaySpan(found.first, found.last, ""), role)


def set_aside(case: Case, labs: Iterable[str], window: tuple[date, date]) -> tuple[Evidence, ...]:
    """Readings of these labs that were looked at and could not be used, withdrawn ones left out.

    Only those that may be from the window, or are undated: older ones would change nothing.
    """
    found: list[tuple[Measurement, DaySpan | None]] = []
    for lab in labs:
        if lab in case.aside or lab in case.readings:
            found += _aside(case, lab, window)
    found.sort(key=lambda pair: source_key(pair[0].source))
    return tuple(of_reading(reading, days, Role.ASIDE) for reading, days in found)


def _aside(
    case: Case, lab: str, window: tuple[date, date]
) -> Iterable[tuple[Measurement, DaySpan | None]]:
    for reading in case.aside.get(lab, ()):
        if reading.not_usable is not None and reading.not_usable.code == Unusable.RETRACTED:
            continue
        days = reading.collected.days(case.chart.zone) if reading.collected is not None else None
        if days is None or (days.first <= window[1] and days.last >= window[0]):
            yield reading, days
    for found in case.readings.get(lab, ()):
        unusable = found.reading.not_usable is not None
        if unusable and found.first <= window[1] and found.last >= window[0]:
            yield found.reading, DaySpan(found.first, found.last, "")


def of_given(
    found: Dose | MedicationUse | ProcedureDone, days: DaySpan | None, role: Role
) -> Evidence:
    """What was given, taken or done as evidence, called as the hospital calls it."""
    return Evidence(
        source=found.source,
        shows=_shown(found),
        role=role,
        days=None if days is None else (days.first, days.last),
        when=found.given if isinstance(found, Dose) else found.began,
        notes=found.notes,
        recorded=_recorded(found),
    )


def _recorded(found: Dose | MedicationUse | ProcedureDone) -> When | None:
    if isinstance(found, Dose):
        return found.ended or found.given
    return found.recorded


def _shown(found: Dose | MedicationUse | ProcedureDone) -> Reason:
    if isinstance(found, MedicationUse):
        more = {"indication": found.indication} if found.indication else {}
        routes = [route for route in found.routes if route]
        return reason(Shows.USE, drug=found.shown, use=found.use, route=routes, **more)
    if isinstance(found, ProcedureDone):
        return reason(Shows.PROCEDURE, drug=found.shown, outcome=found.outcome)
    return reason(Shows.DOSE, drug=found.shown or found.drug, outcome=found.outcome)


def of_condition(found: Condition, role: Role, zone: tzinfo) -> Evidence:
    """A condition as evidence, since when it is there, or else when it was recorded."""
    when = found.onset or found.recorded
    span = None if when is None else when.days(zone)
    return Evidence(
        source=found.source,
        shows=reason(
            Shows.CONDITION,
            condition=found.shown or ", ".join(found.sets),
            state=found.state,
            verification=found.verification,
        ),
        role=role,
        days=None if span is None else (span.first, span.last),
        when=when,
        notes=found.notes,
        recorded=found.recorded,
    )
