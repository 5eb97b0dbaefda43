"""Whether a drug of a class was given within a window before the date of assessment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from refnot_fhir.core.case import Case
from refnot_fhir.core.days import shifted
from refnot_fhir.core.evidence import dose_text, of_dose
from refnot_fhir.core.findings import Finding
from refnot_fhir.core.moments import source_key
from refnot_fhir.core.newest import last_day, turning_days
from refnot_fhir.core.records import DaySpan, DoseGiven
from refnot_fhir.core.rules import Criterion, DrugRule, Protocol
from refnot_fhir.core.verdict import Verdict

_ON_RECORD = frozenset({"given", "partial", "unknown"})
"""Outcomes of what happened or may have; the others never count, not even as a record."""

_DOUBTS = {
    "unresolved-drug": "what was given is not known; the Medication it refers to",
    "unclassified-drug": "its codes do not say which class it is of; a standard code",
    "outcome-unknown": "it is not known whether it was given; a corrected status",
    "trial-dose-unclear": "whether it was a trial dose is not known; the date of enrolment",
    "no-date": "its date is not known; the date",
    "window-unclear": "its date is not precise enough; the full date",
}
"""Why an administration may or may not count, and what would settle it."""


class _Given(NamedTuple):
    """An administration on record and what bearing it has on the class."""

    dose: DoseGiven
    days: DaySpan | None
    doubt: str | None
    """Empty: it is of the class; None: it has no bearing; else the reason for doubt."""


class _Said(NamedTuple):
    verdict: Verdict
    reason: str
    resting_on: tuple[_Given, ...] = ()


def drug_finding(criterion: Criterion, rule: DrugRule, case: Case, as_of: date) -> Finding:
    """Whether an administration of the class is inside the window; silence proves nothing."""
    on_record = _on_record(rule, case)
    said = _said(on_record, rule, as_of)
    window = (shifted(as_of, -rule.within_days), as_of)
    days = (
        day
        for given in on_record
        if given.days is not None
        for day in turning_days(given.days.first, given.days.last, rule.within_days)
    )
    return Finding(
        criterion=criterion.id,
        kind=criterion.kind,
        verdict=said.verdict,
        reason=said.reason,
        why=_why(said, rule, window),
        evidence=tuple(of_dose(given.dose, given.days) for given in said.resting_on),
        window=window,
        holds_until=last_day(
            as_of, said.verdict, days, lambda day: _said(on_record, rule, day).verdict
        ),
    )


def _on_record(rule: DrugRule, case: Case) -> list[_Given]:
    """Administrations that happened or may have, newest first, undated ones before all.

    Trial doses are left out: that they were given says nothing about what was given before them.
    """
    zone = case.chart.zone
    found = []
    for dose in case.chart.doses:
        days = dose.given.days(zone) if dose.given is not None else None
        if dose.outcome in _ON_RECORD and not _is_trial_dose(dose, days, rule, case):
            found.append(_Given(dose, days, _doubt(dose, days, rule, case)))
    found.sort(key=lambda given: source_key(given.dose.source))
    found.sort(key=lambda given: given.days.last if given.days else date.max, reverse=True)
    return found


def _doubt(dose: DoseGiven, days: DaySpan | None, rule: DrugRule, case: Case) -> str | None:
    if not dose.resolved:
        return "unresolved-drug"
    if dose.drug == rule.study_drug and _trial_dose(dose, days, case) is None:
        return "trial-dose-unclear"
    if rule.drug_class in dose.classes:
        return "outcome-unknown" if dose.outcome == "unknown" else ""
    told = dose.classified or (dose.unclear and rule.drug_class not in dose.unclear)
    return None if told else "unclassified-drug"


def _is_trial_dose(dose: DoseGiven, days: DaySpan | None, rule: DrugRule, case: Case) -> bool:
    return dose.drug == rule.study_drug and _trial_dose(dose, days, case) is True


def _trial_dose(dose: DoseGiven, days: DaySpan | None, case: Case) -> bool | None:
    """Whether a dose of the study drug belongs to the trial; None: it cannot be told."""
    if any(_names(reference, case.protocol) for reference in dose.studies):
        return True
    enrolled = case.chart.enrolled_on
    if enrolled is None or days is None:
        return None
    if days.first >= enrolled:
        return True
    return False if days.last < enrolled else None


def _names(reference: str, protocol: Protocol) -> bool:
    """Whether a reference ends in the study's id or one of its registered identifiers."""
    last = reference.rstrip("/").rpartition("/")[2]
    return last == protocol.id or last in {value for _, value in protocol.identifiers}


def _said(on_record: Sequence[_Given], rule: DrugRule, as_of: date) -> _Said:
    seen = [it for it in on_record if it.days is None or it.days.first <= as_of]
    start = shifted(as_of, -rule.within_days)
    certain: list[_Given] = []
    unsure: list[_Given] = []
    for given in seen:
        place = _place(given, start, as_of)
        if given.doubt is None or place == "outside":
            continue
        doubt = given.doubt or place
        (unsure if doubt else certain).append(given._replace(doubt=doubt))
    if certain:
        return _Said(Verdict.MET, "given-within-window", tuple(certain))
    if unsure:
        return _Said(Verdict.UNKNOWN, unsure[0].doubt or "", tuple(unsure))
    if not seen:
        return _Said(Verdict.UNKNOWN, "no-evidence")
    of_class = [given for given in seen if given.doubt is not None]
    return _Said(Verdict.NOT_MET, "none-within-window", tuple((of_class or seen)[:1]))


def _place(given: _Given, start: date, as_of: date) -> str:
    """Empty: surely inside the window; `outside`: surely not; else the reason for doubt."""
    if given.days is None:
        return "no-date"
    if given.days.last < start:
        return "outside"
    inside = start <= given.days.first and given.days.last <= as_of
    return "" if inside else "window-unclear"


def _why(said: _Said, rule: DrugRule, window: tuple[date, date]) -> str:
    between = f"from {window[0]} to {window[1]}"
    if not said.resting_on:
        return (
            f"No administration but trial doses is on record up to {window[1]}, which proves "
            f"nothing. The record of what was given {between} would settle it."
        )
    first = said.resting_on[0]
    newest = dose_text(first.dose, first.days)
    if said.verdict is Verdict.MET:
        return f"{newest} is {rule.drug_class}, given {between}."
    if said.verdict is Verdict.NOT_MET:
        return f"No {rule.drug_class} is on record {between}; what was given last is {newest}."
    return (
        f"{newest} may be {rule.drug_class} given {between}: "
        f"{_DOUBTS[said.reason]} would settle it."
    )
