"""A coded answer: a performance status, a pregnancy status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import date
from functools import partial
from typing import NamedTuple

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.condition import DENIED, of_sets, still_there
from refnot_fhir.core.criteria.condition import turning_days as record_days
from refnot_fhir.core.criteria.evidence import of_condition, of_dated, of_given
from refnot_fhir.core.criteria.given import MAY_COUNT, lasted
from refnot_fhir.core.criteria.moments import Dated, source_key
from refnot_fhir.core.criteria.newest import (
    Answer,
    Opinion,
    Question,
    answer,
    asked,
    back,
    last_day,
    least_favourable,
    newest_result,
    silent,
    turning_days,
)
from refnot_fhir.core.days import ages, birthday, shifted
from refnot_fhir.core.facts import Condition, Measurement, Person
from refnot_fhir.core.intervals import within
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role, Shows
from refnot_fhir.core.rules import About, Criterion, Rule
from refnot_fhir.core.translate.sex import agrees
from refnot_fhir.core.values import Reason
from refnot_fhir.core.verdict import RuleKind, Verdict
from refnot_fhir.core.vocabulary import Interpretation, Sex

_NO_ANSWER = frozenset({ReasonCode.NO_EVIDENCE, ReasonCode.OUTSIDE_WINDOW})


class _Said(NamedTuple):
    """A verdict, its reason, and what stands against the newest answer."""

    verdict: Verdict
    reason: str
    against: tuple[Dated, ...] = ()


@record
class AnswerRule(Rule):
    """A coded answer: WHO status, pregnancy."""

    kind = RuleKind.ANSWER

    labs: tuple[str, ...]
    met: frozenset[str]
    not_met: frozenset[str]
    within_days: int
    not_applicable_to: frozenset[str] = frozenset()
    """Administrative genders, when no other signal of sex contradicts them."""
    supporting: tuple[str, ...] = ()
    """Labs that make a person look closer: a quantitative hCG."""
    below_limit: frozenset[str] = frozenset()
    """Those of `supporting` that speak as `not_met` does below the laboratory's own limit."""
    recorded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """As in `RangeWords`: the codes that mean a sex wherever a patient's is recorded."""
    not_met_from_years: int | None = None
    """Age from which a female patient is taken as not meeting it; None: no age is."""
    contradicted_by: frozenset[str] = frozenset()
    """Sets of conditions of which one that is there leaves what would be favourable unknown."""
    records: frozenset[str] = frozenset()
    """Sets of conditions and procedures that are shown to a person, and decide nothing."""
    amounts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """`below_limit` in order."""
    about: About = field(init=False, repr=False, compare=False)
    """Of every reason: what is asked for, how far back."""

    def __post_init__(self) -> None:
        """Put together once what every result has."""
        object.__setattr__(self, "amounts", tuple(sorted(self.below_limit)))
        object.__setattr__(self, "about", asked(self.labs, self.within_days))

    @property
    def reads(self) -> tuple[str, ...]:
        """Every lab that it looks at, those that it asks for first."""
        return *self.labs, *self.supporting

    @property
    def by_upper_limit(self) -> tuple[str, ...]:
        """Labs that it compares with the upper limit of normal."""
        return self.amounts

    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """Whether the newest answer is one that is listed, and nothing contradicts it.

        Where the criterion does not apply, an answer that says otherwise still needs to be looked
        at.
        """
        found = self._decided(criterion, case, as_of)
        beside = tuple(_on_record(self.records, case, as_of))
        return replace(found, evidence=(*found.evidence, *beside)) if beside else found

    def _decided(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        records = of_sets(self.contradicted_by, case.chart.conditions)
        if not records:
            return self._answered(criterion, case, as_of)
        found = self._unless_there(criterion, case, as_of, records)
        zone = case.chart.zone
        days = (*self._lapses(criterion, case, as_of), *record_days(records, zone))
        until = last_day(
            as_of, found.verdict, days,
            lambda day: self._unless_there(criterion, case, day, records).verdict,
        )  # fmt: skip
        return replace(found, holds_until=until)

    def _lapses(self, criterion: Criterion, case: Case, as_of: date) -> Iterator[date]:
        """The days on which what the answers alone say changes."""
        until = self._answered(criterion, case, as_of).holds_until
        while until is not None and until < date.max:
            day = shifted(until, 1)
            yield day
            until = self._answered(criterion, case, day).holds_until

    def _unless_there(
        self, criterion: Criterion, case: Case, as_of: date, records: Sequence[Condition]
    ) -> CriterionResult:
        """What the answers say, unless a condition that contradicts it is there."""
        found = self._answered(criterion, case, as_of)
        zone = case.chart.zone
        there = still_there(records, zone, as_of)
        if not there:
            return found
        role = Role.AGAINST if found.speaks_for else Role.BESIDE
        evidence = (*found.evidence, *(of_condition(it, role, zone) for it in there))
        if not found.speaks_for:
            return replace(found, evidence=evidence)
        reason = Reason(ReasonCode.CONTRADICTED, self.about)
        return replace(found, verdict=Verdict.UNKNOWN, reason=reason, evidence=evidence)

    def _answered(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        person = case.chart.person
        if case.is_silent_on(criterion) and self.not_met_from_years is None:
            if person is not None and _does_not_apply(self, person):
                return _not_applicable(criterion, person, None)
            window = back(as_of, self.within_days)
            return silent(criterion.id, criterion.kind, self.kind, self.about, window)
        judge = partial(_judge, self)
        question = Question(self.labs, self.within_days, criterion.kind, judge, self.amounts)
        said = _said(self, question, case, as_of)
        until = _holds_until(self, question, case, said, as_of)
        if said.verdict is Verdict.NOT_APPLICABLE and person is not None:
            return _not_applicable(criterion, person, until)
        if said.reason == ReasonCode.BEYOND_AGE and person is not None:
            return _beyond_age(criterion, self, person, as_of, until)
        readings = _answers(self, case)
        found = newest_result(criterion, question, case, as_of, readings=readings, about=self.about)
        nearby = _usable(case, self.supporting, question.window(as_of))
        nearby = [it for it in nearby if not _clears(self, it.reading)]
        return _with(replace(found, holds_until=until), said, nearby)


def _on_record(sets: frozenset[str], case: Case, as_of: date) -> Iterator[Evidence]:
    """What is on record of these sets by that day, past or not, and not denied."""
    zone = case.chart.zone
    for it in of_sets(sets, case.chart.conditions):
        begun = it.onset or it.recorded
        known = begun is None or begun.days(zone).first <= as_of
        if known and it.verification not in DENIED:
            yield of_condition(it, Role.BESIDE, zone)
    for done in sorted(case.chart.procedures, key=lambda one: source_key(one.source)):
        days = lasted(done, zone)
        known = days is None or days.began.first <= as_of
        if known and done.outcome in MAY_COUNT and not sets.isdisjoint(done.sets):
            yield of_given(done, None if days is None else days.whole, Role.BESIDE)


def _with(found: CriterionResult, said: _Said, nearby: list[Dated]) -> CriterionResult:
    """The result with what speaks against the newest answer, and what is to be looked at."""
    reason = found.reason
    if said.reason != reason.code:
        reason = Reason(said.reason, (*reason.about, ("newest", reason.code)))
    known = {item.source for item in found.evidence}
    against = [it for it in said.against if it.reading.source not in known]
    more = (
        *(of_dated(it, Role.AGAINST) for it in against),
        *(of_dated(it, Role.BESIDE) for it in nearby if it not in against),
    )
    evidence = (*found.evidence, *more)
    return replace(found, verdict=said.verdict, reason=reason, evidence=evidence)


def _not_applicable(criterion: Criterion, person: Person, until: date | None) -> CriterionResult:
    recorded = Reason(Shows.RECORDED, (("gender", person.gender),))
    return CriterionResult(
        criterion=criterion.id,
        kind=criterion.kind,
        rule=criterion.rule.kind,
        verdict=Verdict.NOT_APPLICABLE,
        reason=Reason(ReasonCode.NOT_APPLICABLE, (("gender", person.gender),)),
        evidence=(Evidence(person.source, recorded),),
        holds_until=until,
    )


def _beyond_age(
    criterion: Criterion, rule: AnswerRule, person: Person, as_of: date, until: date | None
) -> CriterionResult:
    birth = person.birth
    recorded = (("gender", person.gender), ("born", "" if birth is None else birth.text))
    years = ("years", f"{rule.not_met_from_years}")
    return CriterionResult(
        criterion=criterion.id,
        kind=criterion.kind,
        rule=criterion.rule.kind,
        verdict=Verdict.NOT_MET,
        reason=Reason(ReasonCode.BEYOND_AGE, (*recorded, years, ("on", f"{as_of}"))),
        evidence=(
            Evidence(
                person.source,
                Reason(Shows.RECORDED_BORN, recorded),
                days=None if birth is None else (birth.first, birth.last),
            ),
        ),
        holds_until=until,
    )


def _is_old_enough(rule: AnswerRule, person: Person | None, as_of: date) -> bool:
    """Whether a female patient is surely of the age from which the rule takes it as not met."""
    if person is None or person.birth is None or rule.not_met_from_years is None:
        return False
    if (
        person.gender != Sex.FEMALE
        or not agrees(person, rule.recorded)
        or person.birth.last > as_of
    ):
        return False
    return ages(person.birth, as_of)[0] >= rule.not_met_from_years


def _does_not_apply(rule: AnswerRule, person: Person | None) -> bool:
    """Only where nothing recorded about the patient's sex casts doubt on it."""
    return (
        person is not None
        and person.gender in rule.not_applicable_to
        and agrees(person, rule.recorded)
    )


def _said(rule: AnswerRule, question: Question, case: Case, as_of: date) -> _Said:
    newest = answer(question, _answers(rule, case), as_of)
    said = _Said(newest.verdict, newest.reason)
    favourable = least_favourable(question.kind)[-1]
    if newest.verdict is favourable:
        said = _unless_contradicted(rule, question, case, as_of, newest)
    window, person = question.window(as_of), case.chart.person
    if _does_not_apply(rule, person):
        against = _against(rule, _usable(case, rule.labs, window), favourable)
        if not against:
            return _Said(Verdict.NOT_APPLICABLE, ReasonCode.NOT_APPLICABLE)
        if said.verdict is favourable:
            return _Said(Verdict.UNKNOWN, ReasonCode.CONFLICT, against)
    if said.reason in _NO_ANSWER and _is_old_enough(rule, person, as_of):
        nearby = _usable(case, (*rule.labs, *rule.supporting), window)
        if not _against(rule, nearby, favourable):
            return _Said(Verdict.NOT_MET, ReasonCode.BEYOND_AGE)
    return said


def _against(rule: AnswerRule, readings: Iterable[Dated], favourable: Verdict) -> tuple[Dated, ...]:
    return tuple(it for it in readings if _judge(rule, it.reading)[0] is not favourable)


def _answers(rule: AnswerRule, case: Case) -> tuple[Dated, ...]:
    """What can answer: every answer, and amounts that are below the laboratory's own limit."""
    amounts = (it for it in case.of(rule.amounts) if _clears(rule, it.reading))
    return (*case.of(rule.labs), *amounts)


def _clears(rule: AnswerRule, reading: Measurement) -> bool:
    """Whether it is surely below its laboratory's limit, and the laboratory says nothing else."""
    if reading.analyte not in rule.below_limit or reading.value is None:
        return False
    if reading.not_usable is not None or reading.interpretation == Interpretation.AGAINST:
        return False
    ulns = reading.ulns if reading.uln is None else (reading.uln,)
    return bool(ulns) and within(reading.value, min(ulns), inclusive=False) is Verdict.MET


def _unless_contradicted(
    rule: AnswerRule, question: Question, case: Case, as_of: date, newest: Answer
) -> _Said:
    """A favourable answer, unless evidence of another kind from the window says otherwise.

    Only a newer answer of the same lab takes one back that is not favourable.
    """
    window = question.window(as_of)
    against = [
        it
        for lab in (*rule.labs, *rule.amounts)
        for it in answer(
            replace(question, labs=(lab,)), _usable(case, (lab,), window), as_of
        ).rivals
        if _speaks_against(rule, it.reading, newest.verdict)
    ]
    if against:
        return _Said(Verdict.UNKNOWN, ReasonCode.CONFLICT, tuple(against))
    last = max(it.earliest for it in newest.rivals)
    supporting = _usable(case, rule.supporting, window)
    if any(it.latest >= last and not _clears(rule, it.reading) for it in supporting):
        return _Said(Verdict.UNKNOWN, ReasonCode.REVIEW)
    return _Said(newest.verdict, newest.reason)


def _speaks_against(rule: AnswerRule, reading: Measurement, favourable: Verdict) -> bool:
    """Whether an answer is not favourable, or an amount is beyond its laboratory's limit."""
    if reading.analyte not in rule.below_limit:
        return _judge(rule, reading)[0] is not favourable
    told = (
        reading.uln is not None or reading.ulns or reading.interpretation == Interpretation.AGAINST
    )
    return bool(told) and not _clears(rule, reading)


def _holds_until(
    rule: AnswerRule, question: Question, case: Case, said: _Said, as_of: date
) -> date | None:
    days = [
        day
        for it in case.of((*rule.labs, *rule.supporting))
        for day in turning_days(it.first, it.last, rule.within_days)
    ]
    birth = None if case.chart.person is None else case.chart.person.birth
    if birth is not None and rule.not_met_from_years is not None:
        reached = birthday(birth.last, rule.not_met_from_years)
        days += [] if reached is None else [reached]
    return last_day(as_of, said.verdict, days, lambda day: _said(rule, question, case, day).verdict)


def _judge(rule: AnswerRule, reading: Measurement) -> Opinion:
    if reading.not_usable is not None:
        return Verdict.UNKNOWN, reading.not_usable.code
    if reading.answer in rule.met:
        return Verdict.MET, ReasonCode.ANSWER_MET
    if (
        reading.answer in rule.not_met
        and rule.below_limit
        and reading.interpretation == Interpretation.AGAINST
    ):
        return Verdict.UNKNOWN, ReasonCode.REVIEW
    if reading.answer in rule.not_met:
        return Verdict.NOT_MET, ReasonCode.ANSWER_NOT_MET
    if _clears(rule, reading):
        return Verdict.NOT_MET, ReasonCode.BELOW_LIMIT
    return Verdict.UNKNOWN, ReasonCode.REVIEW


def _usable(case: Case, labs: tuple[str, ...], window: tuple[date, date]) -> list[Dated]:
    """Usable readings that may be from the window, newest first."""
    nearby = [
        it
        for it in case.of(labs)
        if it.reading.not_usable is None and it.first <= window[1] and it.last >= window[0]
    ]
    nearby.sort(key=lambda it: source_key(it.reading.source))
    nearby.sort(key=lambda it: it.latest, reverse=True)
    return nearby
