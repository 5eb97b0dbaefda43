"""One line, and all the steps, for each reading or dose that a verdict rests on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.moments import Dated, source_key
from refnot_fhir.core.exact import shown
from refnot_fhir.core.facts import Dose, Measurement
from refnot_fhir.core.intervals import shown_interval
from refnot_fhir.core.results import Evidence
from refnot_fhir.core.values import DaySpan, reason


def days_text(first: date, last: date) -> str:
    """`2026-05-04`, or `2026-05-01 to 2026-05-31` for a date known only within bounds.

    `since 2026-05-04` and `until 2026-05-04` for a period of which one end was not said.
    """
    if first == last:
        return f"{first}"
    # What has no end lasts for as long as the calendar does, in whichever time zone.
    begins, ends = first.year > date.min.year, last.year < date.max.year
    if begins and ends:
        return f"{first} to {last}"
    if begins:
        return f"since {first}"
    return f"until {last}" if ends else "at an unknown time"


def of_days(first: date, last: date) -> str:
    """`of 2026-05-04`, or `since 2026-05-04`."""
    text = days_text(first, last)
    return f"of {text}" if text[0].isdigit() else text


def amount(reading: Measurement) -> str:
    """The standardised value, score or answer, for a sentence."""
    if reading.answer:
        return reading.answer
    if reading.value is None:
        return "no usable value"
    return f"{shown_interval(reading.value)} {reading.unit}".rstrip()


def of_reading(found: Measurement, case: Case, days: DaySpan | None) -> Evidence:
    """A reading as evidence, with the reason when it could not be used."""
    notes = found.notes
    if found.not_usable is not None:
        why = found.not_usable
        notes = (*notes, reason("not-usable", "", why, of=why.code))
    return Evidence(
        source=found.source,
        shown=_line(found, case, days),
        original=found.original,
        value=found.value,
        unit=found.unit,
        uln=found.uln,
        multiple=found.multiple,
        when=found.collected,
        formula=found.formula,
        derived_from=found.derived_from,
        notes=notes,
    )


def _line(found: Measurement, case: Case, days: DaySpan | None) -> str:
    sent = f"{found.original.value} {found.original.unit}".strip()
    steps = [sent] if sent else []
    if found.not_usable is None and amount(found) != sent:
        steps.append(amount(found))
    parts = [f"{case.title(found.analyte)} {' = '.join(steps) or 'without a value'}"]
    if found.uln is not None and found.multiple is not None:
        times = shown_interval(found.multiple)
        parts.append(f"{times} × the upper limit of normal {shown(found.uln)} {found.unit}")
    if found.formula:
        parts.append(found.formula)
    parts.append("undated" if days is None else f"collected {days_text(days.first, days.last)}")
    return ", ".join(parts)


def of_dated(found: Dated, case: Case) -> Evidence:
    """A dated reading as evidence."""
    text = found.reading.collected.text if found.reading.collected is not None else ""
    return of_reading(found.reading, case, DaySpan(found.first, found.last, text))


def set_aside(case: Case, labs: Iterable[str], window: tuple[date, date]) -> tuple[Evidence, ...]:
    """Readings of these labs that were looked at and could not be used, withdrawn ones left out.

    Only those that may be from the window, or are undated: older ones would change nothing.
    """
    found: list[tuple[Measurement, DaySpan | None]] = []
    for lab in labs:
        found += _aside(case, lab, window)
    found.sort(key=lambda pair: source_key(pair[0].source))
    return tuple(of_reading(reading, case, days) for reading, days in found)


def _aside(
    case: Case, lab: str, window: tuple[date, date]
) -> Iterable[tuple[Measurement, DaySpan | None]]:
    for reading in case.aside.get(lab, ()):
        if reading.not_usable is not None and reading.not_usable.code == "retracted":
            continue
        days = reading.collected.days(case.chart.zone) if reading.collected is not None else None
        if days is None or (days.first <= window[1] and days.last >= window[0]):
            yield reading, days
    for found in case.readings.get(lab, ()):
        unusable = found.reading.not_usable is not None
        if unusable and found.first <= window[1] and found.last >= window[0]:
            yield found.reading, DaySpan(found.first, found.last, "")


def dose_text(dose: Dose, days: DaySpan | None) -> str:
    """The drug as the hospital calls it, and the day."""
    when = "on an unknown day" if days is None else of_days(days.first, days.last)
    return f"{dose.shown or dose.drug or 'a drug without a name'} {when}"


def of_dose(dose: Dose, days: DaySpan | None) -> Evidence:
    """An administration as evidence."""
    return Evidence(
        source=dose.source,
        shown=f"{dose_text(dose, days)}, {dose.outcome}",
        when=dose.given,
        notes=dose.notes,
    )
