"""A coded answer: a performance status, a pregnancy status."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from typing import NamedTuple

from refnot_fhir.core.case import Case
from refnot_fhir.core.evidence import amount, of_dated, of_days
from refnot_fhir.core.findings import Evidence, Finding
from refnot_fhir.core.moments import Dated, source_key
from refnot_fhir.core.newest import (
    Answer,
    Opinion,
    Question,
    answer,
    last_day,
    least_favourable,
    turning_days,
)
from refnot_fhir.core.newest_finding import newest_finding
from refnot_fhir.core.records import LabResult, Person
from refnot_fhir.core.rules import AnswerRule, Criterion
from refnot_fhir.core.sex import agrees
from refnot_fhir.core.verdict import Verdict


class _Said(NamedTuple):
    """A verdict, its reason, and what stands against the newest answer."""

    verdict: Verdict
    reason: str
    against: tuple[Dated, ...] = ()


def answer_finding(criterion: Criterion, rule: AnswerRule, case: Case, as_of: date) -> Finding:
    """Whether the newest answer is one that the criterion lists, and nothing contradicts it.

    Where the criterion does not apply, an answer that says otherwise still needs to be looked at.
    """
    question = Question(rule.labs, rule.within_days, criterion.kind, partial(_judge, rule))
    person = case.chart.person
    said = _said(rule, question, case, as_of)
    until = _holds_until(rule, question, case, said, as_of)
    if said.verdict is Verdict.NOT_APPLICABLE and person is not None:
        return _not_applicable(criterion, person, until)
    found = newest_finding(criterion, question, case, as_of, say=partial(_say, case))
    found = replace(found, verdict=said.verdict, reason=said.reason, holds_until=until)
    return _with(found, said, _usable(case, rule.supporting, question.window(as_of)), case)


def _with(found: Finding, said: _Said, nearby: list[Dated], case: Case) -> Finding:
    """The finding with what speaks against the newest answer, and what is to be looked at."""
    why = found.why
    shown = {item.source for item in found.evidence}
    against = [it for it in said.against if it.reading.source not in shown]
    if against:
        why += f" But {_named(against, case)} says otherwise: a person's judgement would settle it."
    nearby = [it for it in nearby if it not in against]
    if nearby:
        why += f" Also on record, for a person to judge: {_named(nearby, case)}."
    more = tuple(of_dated(it, case) for it in (*against, *nearby))
    return replace(found, why=why, evidence=(*found.evidence, *more))


def _named(readings: list[Dated], case: Case) -> str:
    return ", ".join(
        f"{case.title(it.reading.analyte)} {amount(it.reading)} {of_days(it.first, it.last)}"
        for it in readings
    )


def _not_applicable(criterion: Criterion, person: Person, until: date | None) -> Finding:
    return Finding(
        criterion=criterion.id,
        kind=criterion.kind,
        verdict=Verdict.NOT_APPLICABLE,
        reason="not-applicable",
        why=f"It does not apply to a patient recorded as {person.gender}.",
        evidence=(Evidence(source=person.source, shown=f"recorded as {person.gender}"),),
        holds_until=until,
    )


def _does_not_apply(rule: AnswerRule, person: Person | None) -> bool:
    """Only where nothing recorded about the patient's sex casts doubt on it."""
    return person is not None and person.gender in rule.not_applicable_to and agrees(person)


def _said(rule: AnswerRule, question: Question, case: Case, as_of: date) -> _Said:
    newest = answer(question, case.of(question.labs), as_of)
    said = _Said(newest.verdict, newest.reason)
    favourable = least_favourable(question.kind)[-1]
    if newest.verdict is favourable:
        said = _unless_contradicted(rule, question, case, as_of, newest)
    if not _does_not_apply(rule, case.chart.person):
        return said
    against = [
        it
        for it in _usable(case, rule.labs, question.window(as_of))
        if _judge(rule, it.reading)[0] is not favourable
    ]
    if not against:
        return _Said(Verdict.NOT_APPLICABLE, "not-applicable")
    return (
        _Said(Verdict.UNKNOWN, "conflict", tuple(against)) if said.verdict is favourable else said
    )


def _unless_contradicted(
    rule: AnswerRule, question: Question, case: Case, as_of: date, newest: Answer
) -> _Said:
    """A favourable answer, unless evidence of another kind from the window says otherwise.

    Only a newer answer of the same lab takes an unfavourable one back.
    """
    window = question.window(as_of)
    unfavourable = least_favourable(question.kind)[0]
    against = [
        it
        for lab in rule.labs
        for it in answer(
            replace(question, labs=(lab,)), _usable(case, (lab,), window), as_of
        ).rivals
        if _judge(rule, it.reading)[0] is unfavourable
    ]
    if against:
        return _Said(Verdict.UNKNOWN, "conflict", tuple(against))
    last = max(it.earliest for it in newest.rivals)
    if any(it.latest > last for it in _usable(case, rule.supporting, window)):
        return _Said(Verdict.UNKNOWN, "review")
    return _Said(newest.verdict, newest.reason)


def _holds_until(
    rule: AnswerRule, question: Question, case: Case, said: _Said, as_of: date
) -> date | None:
    days = (
        day
        for it in case.of((*rule.labs, *rule.supporting))
        for day in turning_days(it.first, it.last, rule.within_days)
    )
    return last_day(as_of, said.verdict, days, lambda day: _said(rule, question, case, day).verdict)


def _judge(rule: AnswerRule, reading: LabResult) -> Opinion:
    if reading.not_usable is not None:
        return Verdict.UNKNOWN, reading.not_usable.code
    if reading.answer in rule.met:
        return Verdict.MET, "answer-met"
    if reading.answer in rule.not_met:
        return Verdict.NOT_MET, "answer-not-met"
    return Verdict.UNKNOWN, "review"


def _say(case: Case, found: Dated, reason: str) -> str:
    what = (
        f"{case.title(found.reading.analyte)}: {amount(found.reading)}, "
        f"{of_days(found.first, found.last)}"
    )
    if reason == "review":
        return f"{what}, does not decide it alone. A person's judgement would settle it."
    return f"{what}."


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
