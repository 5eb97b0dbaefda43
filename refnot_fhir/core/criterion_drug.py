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
from refnot_fhir.core.rules import Criterion, DrugRule
from refnot_fhir.core.study_tag import names, of_another_study
from refnot_fhir.core.verdict import Verdict

_HAPPENED = frozenset({"given", "partial"})
"""Outcomes that show that administrations are recorded: only beside these silence says no."""

_MAY_COUNT = {
    **dict.fromkeys(_HAPPENED, ""),
    "unknown": "outcome-unknown",
    "pending": "in-progress",
}
"""Outcomes of what happened or may have, with the reason for doubt; the others never count."""

_DOUBTS = {
    "unresolved-drug": "what was given is not known; the Medication it refers to",
    "unclassified-drug": "its codes do not say which class it is of; a standard code",
    "outcome-unknown": "it is not known whether it was given; a corrected status",
    "in-progress": "it is under way or on hold; its final status",
    "trial-dose-unclear": "whether it was a trial dose is not known; the date of enrolment",
    "no-date": "its date is not known; the date",
    "window-unclear": "its dates are not precise enough; full dates",
}
"""Why an administration may or may not count, and what would settle it."""


class _Given(NamedTuple):
    """An administration on record and what bearing it has on the class."""

    dose: DoseGiven
    began: DaySpan | None
    ended: DaySpan | None
    """None when and only when `began` is."""
    doubt: str | None
    """Empty: it is of the class; None: it has no bearing; else the reason for doubt."""

    @property
    def days(self) -> DaySpan | None:
        """Every day on which it may have been given."""
        if self.began is None or self.ended is None:
            return None
        return DaySpan(self.began.first, self.ended.last, self.began.text)


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
        for span in (given.began, given.ended)
        if span is not None
        for day in turning_days(span.first, span.last, rule.within_days)
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
    found = []
    for dose in case.chart.doses:
        began = dose.given.days(case.chart.zone) if dose.given is not None else None
        if dose.outcome in _MAY_COUNT and not _is_trial_dose(dose, began, rule, case):
            ended = None if began is None else _ended(dose, began, case)
            found.append(_Given(dose, began, ended, _doubt(dose, began, rule, case)))
    found.sort(key=lambda given: source_key(given.dose.source))
    found.sort(key=lambda given: given.began.first if given.began else date.max, reverse=True)
    found.sort(key=lambda given: given.ended.last if given.ended else date.max, reverse=True)
    return found


def _ended(dose: DoseGiven, began: DaySpan, case: Case) -> DaySpan:
    """The days on which it may have ended, never before it began."""
    if dose.ended is not None:
        ended = dose.ended.days(case.chart.zone)
        return DaySpan(max(began.first, ended.first), max(began.last, ended.last), ended.text)
    if dose.outcome == "pending":
        return DaySpan(began.first, date.max, "")
    return began


def _doubt(dose: DoseGiven, days: DaySpan | None, rule: DrugRule, case: Case) -> str | None:
    if not dose.resolved:
        return "unresolved-drug"
    if dose.drug == rule.study_drug and _trial_dose(dose, days, case) is None:
        return "trial-dose-unclear"
    if rule.drug_class in dose.classes:
        return _MAY_COUNT[dose.outcome]
    told = dose.classified or (dose.unclear and rule.drug_class not in dose.unclear)
    return None if told else "unclassified-drug"


def _is_trial_dose(dose: DoseGiven, days: DaySpan | None, rule: DrugRule, case: Case) -> bool:
    return dose.drug == rule.study_drug and _trial_dose(dose, days, case) is True


def _trial_dose(dose: DoseGiven, days: DaySpan | None, case: Case) -> bool | None:
    """Whether a dose of the study drug belongs to the trial; None: it cannot be told."""
    if any(names(reference, case.protocol) for reference in dose.studies):
        return True
    if of_another_study(dose, case.protocol):
        return False
    enrolled = case.chart.enrolled_on
    if enrolled is None or days is None:
        return None
    if days.first >= enrolled:
        return True
    return False if days.last < enrolled else None


def _said(on_record: Sequence[_Given], rule: DrugRule, as_of: date) -> _Said:
    seen = [it for it in on_record if it.began is None or it.began.first <= as_of]
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
    happened = [given for given in seen if given.dose.outcome in _HAPPENED]
    if not happened:
        return _Said(Verdict.UNKNOWN, "no-evidence")
    of_class = [given for given in happened if given.doubt is not None]
    return _Said(Verdict.NOT_MET, "none-within-window", tuple((of_class or happened)[:1]))


def _place(given: _Given, start: date, as_of: date) -> str:
    """Empty: surely inside the window; `outside`: surely not; else the reason for doubt."""
    if given.began is None or given.ended is None:
        return "no-date"
    if given.ended.last < start:
        return "outside"
    inside = given.began.last <= as_of and given.ended.first >= start
    return "" if inside else "window-unclear"


def _why(said: _Said, rule: DrugRule, window: tuple[date, date]) -> str:
    between = f"from {window[0]} to {window[1]}"
    if not said.resting_on:
        return (
            f"Nothing but trial doses is known to have been given up to {window[1]}, which proves "
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
