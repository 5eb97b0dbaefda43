"""Whether a drug of a class was given within a window before the date of assessment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import date, tzinfo
from typing import NamedTuple

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.condition import DENIED
from refnot_fhir.core.criteria.evidence import of_condition, of_dated, of_given
from refnot_fhir.core.criteria.given import (
    HAPPENED,
    MAY_COUNT,
    Fact,
    Lasted,
    doubt_of,
    is_of_trial,
    lasted,
    may_be_for_later,
    may_count,
)
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
from refnot_fhir.core.facts import Condition, Dose, Measurement, MedicationUse, ProcedureDone, Use
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role
from refnot_fhir.core.rules import About, Criterion, Rule
from refnot_fhir.core.values import Reason
from refnot_fhir.core.verdict import CriterionKind, RuleKind, Verdict

_NAMED = 10
"""So many drugs are named at most where administrations are counted."""


class _Given(NamedTuple):
    """What is on record and what bearing it has on the class."""

    fact: Fact | Condition
    days: Lasted | None
    doubt: str | None
    """Empty: it is of the class; None: it is of another one; else the reason for doubt."""
    said_on: date | None = None
    """A negative answer of a later day settles the doubt; None: no answer does."""
    if_before: str | None = None
    """Of the study drug, while nobody is enrolled: the doubt once it surely was before that day."""

    def doubt_on(self, as_of: date) -> str | None:
        """The doubt on a date of assessment, which stands for that of an enrolment to come."""
        if self.if_before is None or self.days is None or isinstance(self.fact, Condition):
            return self.doubt
        last = self.days.ended if may_be_for_later(self.fact) else self.days.began
        return self.if_before if last.last < as_of else self.doubt

    @property
    def happened(self) -> bool:
        """Whether it is an administration that was surely given, all or part."""
        return isinstance(self.fact, Dose) and self.fact.outcome in HAPPENED


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
    uses: frozenset[Use] = frozenset()
    """What counts as an administration does, beside one."""
    procedures: frozenset[str] = frozenset()
    """Sets of procedures that count likewise."""
    review: frozenset[str] = frozenset()
    """Sets of conditions that leave it open, unless a later answer settles it."""
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

    @property
    def drug_classes(self) -> frozenset[str]:
        """The class that it asks about."""
        return frozenset({self.drug_class})

    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """Whether an administration of the class is inside the window.

        Only a person's documented answer shows that none was; no record, and no lack of one, does.
        """
        window = back(as_of, self.within_days)
        chart = case.chart
        given = chart.doses or chart.medications or chart.procedures or chart.conditions
        if not (given or chart.all_doses) and case.is_silent_on(criterion):
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
            evidence=tuple(_evidence(said, chart.zone)),
            window=window,
            holds_until=last_day(
                as_of,
                said.verdict,
                _turning_days(on_record, answers, self),
                lambda day: _said(on_record, answers, self, day).verdict,
            ),
        )


def _evidence(said: _Said, zone: tzinfo) -> Iterator[Evidence]:
    if said.of_doses:
        of_doses, of_answers = Role.GOVERNS, Role.BESIDE
        doses = said.resting_on
    else:
        of_doses, of_answers = Role.ASIDE, Role.GOVERNS
        doses = said.resting_on[:_NAMED]
    for given in doses:
        if isinstance(given.fact, Condition):
            yield of_condition(given.fact, of_doses, zone)
        else:
            yield of_given(given.fact, given.days.whole if given.days else None, of_doses)
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
        doses = (it.fact for it in said.resting_on if isinstance(it.fact, Dose))
        names = Counter(it.shown or it.drug for it in doses)
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
        for span in given.days or ():
            yield from (
                shifted(span.last, 1),
                *turning_days(span.first, span.last, rule.within_days),
            )
    stands = rule.answer.within_days if rule.answer is not None else 0
    for it in answers:
        yield shifted(it.last, 1)
        yield from turning_days(it.first, it.last, rule.within_days)
        yield from turning_days(it.first, it.last, stands)


def _on_record(rule: DrugRule, case: Case) -> list[_Given]:
    """What happened or may have, newest first, undated ones before all.

    Trial doses are left out: that they were given says nothing about what was given before them.
    """
    found = [it for fact in may_count(case.chart) if (it := _given(fact, rule, case))]
    found += (it for fact in case.chart.procedures if (it := _done(fact, rule, case)))
    found += (it for fact in case.chart.conditions if (it := _told(fact, rule, case)))
    found.sort(key=lambda given: source_key(given.fact.source))
    found.sort(key=lambda given: given.days.began.first if given.days else date.max, reverse=True)
    found.sort(key=lambda given: given.days.ended.last if given.days else date.max, reverse=True)
    return found


def _given(fact: Dose | MedicationUse, rule: DrugRule, case: Case) -> _Given | None:
    """What one administration or use says of the class; None where that is nothing."""
    days = lasted(fact, case.chart.zone)
    of_trial = is_of_trial(fact, days, case) if fact.drug == rule.study_drug else False
    if of_trial is True:
        return None
    doubt = _doubt(fact, rule) if of_trial is False else ReasonCode.TRIAL_DOSE_UNCLEAR
    nobody = of_trial is None and case.chart.enrolled_on is None
    if_before = _doubt(fact, rule) if nobody else None
    if isinstance(fact, Dose):
        return _Given(fact, days, doubt, if_before=if_before)
    if doubt is None:
        return None
    stated = fact.use is Use.TAKEN and rule.drug_class in fact.classes
    said = fact.recorded or fact.began
    said_on = None if stated or said is None else said.days(case.chart.zone).last
    return _Given(fact, days, doubt, said_on, if_before)


def _doubt(fact: Dose | MedicationUse, rule: DrugRule) -> str | None:
    if not fact.resolved:
        return ReasonCode.UNRESOLVED_DRUG
    if rule.drug_class in fact.classes:
        return doubt_of(fact, rule.uses)
    told = fact.classified or (fact.unclear and rule.drug_class not in fact.unclear)
    return None if told else ReasonCode.UNCLASSIFIED_DRUG


def _done(fact: ProcedureDone, rule: DrugRule, case: Case) -> _Given | None:
    """What one procedure says; one of the trial, or since the patient is in it, says nothing."""
    if rule.procedures.isdisjoint((*fact.sets, *fact.unclear)) or fact.outcome not in MAY_COUNT:
        return None
    days = lasted(fact, case.chart.zone)
    if is_of_trial(fact, days, case) is True:
        return None
    sure = not rule.procedures.isdisjoint(fact.sets)
    return _Given(fact, days, doubt_of(fact, rule.uses) if sure else ReasonCode.REVIEW)


def _told(fact: Condition, rule: DrugRule, case: Case) -> _Given | None:
    """What one condition tells of the class: that it may have been given when it began."""
    if rule.review.isdisjoint((*fact.sets, *fact.unclear)) or fact.verification in DENIED:
        return None
    when, zone = fact.onset or fact.recorded, case.chart.zone
    days = None if when is None else when.days(zone)
    said = fact.recorded or fact.onset
    said_on = None if said is None else said.days(zone).last
    return _Given(fact, None if days is None else Lasted(days, days), ReasonCode.REVIEW, said_on)


def _said(
    on_record: Sequence[_Given], answers: Iterable[Dated], rule: DrugRule, as_of: date
) -> _Said:
    """What speaks for an administration counts first, then what may, then what a person said."""
    certain: list[_Given] = []
    unsure: list[_Given] = []
    harmless: list[_Given] = []
    for given, place in _in_window(on_record, rule, as_of):
        known = given.doubt_on(as_of)
        doubt = known or place
        if known is None:
            harmless += [given] if given.happened and not place else []
        elif doubt:
            unsure.append(given._replace(doubt=doubt))
        else:
            certain.append(given._replace(doubt=known))
    answered = _answered(answers, rule, as_of)
    if certain:
        return _Said(Verdict.MET, ReasonCode.GIVEN_WITHIN_WINDOW, tuple(certain), answered.answers)
    if answered.verdict is Verdict.MET:
        return answered
    settled = [it._replace(doubt=None) for it in unsure if _is_settled(it, answered)]
    unsure = [it for it in unsure if not _is_settled(it, answered)]
    if unsure:
        return _Said(Verdict.UNKNOWN, unsure[0].doubt or "", tuple(unsure), answered.answers)
    if answered.answers:
        return answered._replace(resting_on=tuple(settled))
    return answered._replace(resting_on=tuple(harmless))


def _is_settled(given: _Given, answered: _Said) -> bool:
    """Whether a person said no after an order, or what else does not say that it was given."""
    said_on = given.said_on
    if said_on is None or answered.verdict is not Verdict.NOT_MET:
        return False
    return all(it.first > said_on for it in answered.answers)


def _in_window(
    on_record: Iterable[_Given], rule: DrugRule, as_of: date
) -> Iterator[tuple[_Given, str]]:
    """What may be inside the window, each with the doubt about its place."""
    start = shifted(as_of, -rule.within_days)
    for given in on_record:
        if given.days is not None and given.days.began.first > as_of:
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
    if given.days is None:
        return ReasonCode.NO_DATE
    began, ended = given.days
    if ended.last < start:
        return "outside"
    inside = began.last <= as_of and ended.first >= start
    return "" if inside else ReasonCode.WINDOW_UNCLEAR


def _sends_all(case: Case, window: tuple[date, date]) -> bool:
    feed = case.chart.all_doses
    return feed is not None and feed.since <= window[0]
