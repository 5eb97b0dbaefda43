"""Whether a drug of a class was given within a window before the date of assessment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import date
from typing import NamedTuple

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.evidence import of_dated, of_dose
from refnot_fhir.core.criteria.moments import Dated, source_key
from refnot_fhir.core.criteria.newest import (
    Opinion,
    Question,
    answer,
    back,
    last_day,
    silent,
    turning_days,
)
from refnot_fhir.core.days import shifted
from refnot_fhir.core.facts import Dose, Measurement, Outcome
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role
from refnot_fhir.core.rules import About, Criterion, Rule
from refnot_fhir.core.translate.study import names, of_another_study
from refnot_fhir.core.values import DaySpan, Reason
from refnot_fhir.core.verdict import CriterionKind, RuleKind, Verdict

_HAPPENED = frozenset({Outcome.GIVEN, Outcome.PARTIAL})

_NAMED = 10
"""So many drugs are named at most where administrations are counted."""

_MAY_COUNT = {
    **dict.fromkeys(_HAPPENED, ""),
    Outcome.UNKNOWN: ReasonCode.OUTCOME_UNKNOWN,
    Outcome.PENDING: ReasonCode.IN_PROGRESS,
}
"""Outcomes of what happened or may have, with the reason for doubt; the others never count."""


class _Given(NamedTuple):
    """An administration on record and what bearing it has on the class."""

    dose: Dose
    began: DaySpan | None
    ended: DaySpan | None
    """None when and only when `began` is."""
    doubt: str | None
    """Empty: it is of the class; None: it is of another one; else the reason for doubt."""

    @property
    def days(self) -> DaySpan | None:
        """Every day on which it may have been given."""
        if self.began is None or self.ended is None:
            return None
        return DaySpan(self.began.first, self.ended.last, self.began.text)

    @property
    def happened(self) -> bool:
        """Whether it was surely given, all or part."""
        return self.dose.outcome in _HAPPENED


class _Said(NamedTuple):
    verdict: Verdict
    reason: str
    resting_on: tuple[_Given, ...] = ()
    answers: tuple[Dated, ...] = ()

    @property
    def of_doses(self) -> bool:
        """Whether it is administrations that decide, or leave open, what is asked."""
        return bool(self.resting_on) and self.resting_on[0].doubt is not None


@record
class DrugAnswer:
    """A person's documented answer to whether a drug of a class was given within the window."""

    labs: tuple[str, ...]
    given: frozenset[str]
    not_given: frozenset[str]
    within_days: int
    """For so many days a negative answer stands; it covers the window that ends on its own day."""


@record
class DrugRule(Rule):
    """Whether a drug of a class was given within a window before the date of assessment."""

    kind = RuleKind.DRUG

    drug_class: str
    within_days: int
    study_drug: str
    """The protocol's own drug: its trial doses do not count."""
    answer: DrugAnswer | None = None
    """What alone shows that none was given; without it the criterion is never not met."""
    about: About = field(init=False, repr=False, compare=False)
    """Of every reason: the class, how far back, who is asked."""

    def __post_init__(self) -> None:
        """Put the parameters together once: every result has them."""
        days = ("within-days", f"{self.within_days}")
        labs = (("lab", lab) for lab in self.reads)
        object.__setattr__(self, "about", (("class", self.drug_class), days, *labs))

    @property
    def reads(self) -> tuple[str, ...]:
        """Every lab that it looks at."""
        return () if self.answer is None else self.answer.labs

    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """Whether an administration of the class is inside the window.

        Only a person's documented answer shows that none was; no record, and no lack of one, does.
        """
        window = back(as_of, self.within_days)
        chart = case.chart
        if not chart.doses and chart.all_doses is None and case.is_silent_on(criterion):
            return silent(criterion.id, criterion.kind, self.kind, self.about, window)
        on_record = _on_record(self, case)
        answers = case.of(self.reads)
        said = _said(on_record, answers, self, as_of)
        if said.reason == ReasonCode.NO_EVIDENCE and _sends_all(case, window):
            said = said._replace(reason=ReasonCode.NONE_ON_RECORD)
        return CriterionResult(
            criterion=criterion.id,
            kind=criterion.kind,
            rule=self.kind,
            verdict=said.verdict,
            reason=Reason(said.reason, (*self.about, *_of_feed(said, case))),
            evidence=tuple(_evidence(said)),
            window=window,
            holds_until=last_day(
                as_of,
                said.verdict,
                _turning_days(on_record, answers, self),
                lambda day: _said(on_record, answers, self, day).verdict,
            ),
        )


def _evidence(said: _Said) -> Iterator[Evidence]:
    if said.of_doses:
        of_doses, of_answers = Role.GOVERNS, Role.BESIDE
        doses = said.resting_on
    else:
        of_doses, of_answers = Role.ASIDE, Role.GOVERNS
        doses = said.resting_on[:_NAMED]
    for given in doses:
        yield of_dose(given.dose, given.days, of_doses)
    for it in said.answers:
        yield of_dated(it, of_answers)


def _of_feed(said: _Said, case: Case) -> Iterator[tuple[str, str]]:
    """What the hospital states of its feed, and what it sent, where that is all that is known."""
    feed = case.chart.all_doses
    if feed is None or said.of_doses or said.answers:
        return
    yield "since", f"{feed.since}"
    yield "stated-by", feed.stated_by
    if said.reason == ReasonCode.NONE_ON_RECORD:
        names = Counter(it.dose.shown or it.dose.drug for it in said.resting_on)
        yield "sent", f"{len(said.resting_on)}"
        for name, count in names.most_common(_NAMED):
            yield "drug", f"{count} {name}"
        if len(names) > _NAMED:
            yield "other-drugs", f"{len(names) - _NAMED}"


def _turning_days(
    on_record: Sequence[_Given], answers: Iterable[Dated], rule: DrugRule
) -> Iterator[date]:
    """Days on which something may enter the window, leave it, or cease to stand."""
    for given in on_record:
        for span in (given.began, given.ended):
            if span is not None:
                yield from turning_days(span.first, span.last, rule.within_days)
    stands = rule.answer.within_days if rule.answer is not None else 0
    for it in answers:
        yield shifted(it.last, 1)
        yield from turning_days(it.first, it.last, rule.within_days)
        yield from turning_days(it.first, it.last, stands)


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


def _ended(dose: Dose, began: DaySpan, case: Case) -> DaySpan:
    """The days on which it may have ended, never before it began."""
    if dose.ended is not None:
        ended = dose.ended.days(case.chart.zone)
        return DaySpan(max(began.first, ended.first), max(began.last, ended.last), ended.text)
    if dose.outcome == Outcome.PENDING:
        return DaySpan(began.first, date.max, "")
    return began


def _doubt(dose: Dose, days: DaySpan | None, rule: DrugRule, case: Case) -> str | None:
    if not dose.resolved:
        return ReasonCode.UNRESOLVED_DRUG
    if dose.drug == rule.study_drug and _trial_dose(dose, days, case) is None:
        return ReasonCode.TRIAL_DOSE_UNCLEAR
    if rule.drug_class in dose.classes:
        return _MAY_COUNT[dose.outcome]
    told = dose.classified or (dose.unclear and rule.drug_class not in dose.unclear)
    return None if told else ReasonCode.UNCLASSIFIED_DRUG


def _is_trial_dose(dose: Dose, days: DaySpan | None, rule: DrugRule, case: Case) -> bool:
    return dose.drug == rule.study_drug and _trial_dose(dose, days, case) is True


def _trial_dose(dose: Dose, days: DaySpan | None, case: Case) -> bool | None:
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


def _said(
    on_record: Sequence[_Given], answers: Iterable[Dated], rule: DrugRule, as_of: date
) -> _Said:
    """What speaks for an administration counts first, then what may, then what a person said."""
    certain: list[_Given] = []
    unsure: list[_Given] = []
    harmless: list[_Given] = []
    for given, place in _in_window(on_record, rule, as_of):
        doubt = given.doubt or place
        if given.doubt is None:
            harmless += [given] if given.happened and not place else []
        elif doubt:
            unsure.append(given._replace(doubt=doubt))
        else:
            certain.append(given)
    answered = _answered(answers, rule, as_of)
    if certain:
        return _Said(Verdict.MET, ReasonCode.GIVEN_WITHIN_WINDOW, tuple(certain), answered.answers)
    if answered.verdict is Verdict.MET:
        return answered
    if unsure:
        return _Said(Verdict.UNKNOWN, unsure[0].doubt or "", tuple(unsure), answered.answers)
    if answered.answers:
        return answered
    return answered._replace(resting_on=tuple(harmless))


def _in_window(
    on_record: Iterable[_Given], rule: DrugRule, as_of: date
) -> Iterator[tuple[_Given, str]]:
    """Administrations that may be inside the window, each with the doubt about its place."""
    start = shifted(as_of, -rule.within_days)
    for given in on_record:
        if given.began is not None and given.began.first > as_of:
            continue
        place = _place(given, start, as_of)
        if place != "outside":
            yield given, place


def _answered(answers: Iterable[Dated], rule: DrugRule, as_of: date) -> _Said:
    """What a person documented: the newest answer, as far as it reaches and no yes contradicts it.

    An answer is about the window that ended on its own day. A yes of an earlier day leaves open
    whether it was within the window of today; a no stands for a stated number of days.
    """
    asked = rule.answer
    if asked is None:
        return _Said(Verdict.UNKNOWN, ReasonCode.NO_EVIDENCE)
    question = Question(
        asked.labs,
        rule.within_days,
        CriterionKind.EXCLUSION,
        lambda reading: _judge(asked, reading),
    )
    newest = answer(question, answers, as_of)
    if newest.reason in (ReasonCode.NO_EVIDENCE, ReasonCode.OUTSIDE_WINDOW):
        return _Said(Verdict.UNKNOWN, ReasonCode.NO_EVIDENCE)
    said = _Said(newest.verdict, newest.reason, answers=newest.rivals)
    if said.verdict is Verdict.MET and any(it.first < as_of for it in newest.rivals):
        return said._replace(verdict=Verdict.UNKNOWN, reason=ReasonCode.ANSWER_EARLIER)
    window = shifted(as_of, -rule.within_days)
    yes = tuple(
        it
        for it in answers
        if it.first <= as_of and it.last >= window and _judge(asked, it.reading)[0] is Verdict.MET
    )
    if said.verdict is Verdict.NOT_MET and yes:
        both = (*sorted(yes, key=lambda it: source_key(it.reading.source)), *newest.rivals)
        return _Said(Verdict.UNKNOWN, ReasonCode.ANSWER_EARLIER, answers=both)
    stands_from = shifted(as_of, -asked.within_days)
    if said.verdict is Verdict.NOT_MET and any(it.first < stands_from for it in newest.rivals):
        return said._replace(verdict=Verdict.UNKNOWN, reason=ReasonCode.ANSWER_TOO_OLD)
    return said


def _judge(asked: DrugAnswer, reading: Measurement) -> Opinion:
    if reading.not_usable is not None:
        return Verdict.UNKNOWN, reading.not_usable.code
    if reading.answer in asked.given:
        return Verdict.MET, ReasonCode.ANSWER_MET
    if reading.answer in asked.not_given:
        return Verdict.NOT_MET, ReasonCode.ANSWER_NOT_MET
    return Verdict.UNKNOWN, ReasonCode.REVIEW


def _place(given: _Given, start: date, as_of: date) -> str:
    """Empty: surely inside the window; `outside`: surely not; else the reason for doubt."""
    if given.began is None or given.ended is None:
        return ReasonCode.NO_DATE
    if given.ended.last < start:
        return "outside"
    inside = given.began.last <= as_of and given.ended.first >= start
    return "" if inside else ReasonCode.WINDOW_UNCLEAR


def _sends_all(case: Case, window: tuple[date, date]) -> bool:
    feed = case.chart.all_doses
    return feed is not None and feed.since <= window[0]
