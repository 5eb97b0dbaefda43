"""A coded answer: a performance status, a pregnancy status."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

from refnot_fhir.core.case import Case
from refnot_fhir.core.evidence import amount, days_text, of_dated
from refnot_fhir.core.findings import Evidence, Finding
from refnot_fhir.core.moments import Dated, source_key
from refnot_fhir.core.newest import Opinion, Question
from refnot_fhir.core.newest_finding import newest_finding
from refnot_fhir.core.records import LabResult, Person
from refnot_fhir.core.rules import AnswerRule, Criterion
from refnot_fhir.core.verdict import Verdict

# What extensions for birth sex, sex for clinical use and gender identity say when they agree:
# administrative gender, v3, R5 and US Core codes (UNVERIFIED beyond administrative gender and the
# two SNOMED finding codes). Anything else, "unknown" too, asks for evidence, so that a code that is
# missing here can only make a verdict unknown.
_AGREES = {
    "male": frozenset({"male", "m", "male-typical", "248153007", "446151000124109"}),
    "female": frozenset({"female", "f", "female-typical", "248152002", "446141000124107"}),
}


def answer_finding(criterion: Criterion, rule: AnswerRule, case: Case, as_of: date) -> Finding:
    """Whether the newest answer is one that the criterion lists."""
    person = case.chart.person
    if person is not None and _does_not_apply(rule, person):
        return _not_applicable(criterion, person)
    question = Question(rule.labs, rule.within_days, criterion.kind, partial(_judge, rule))
    found = newest_finding(criterion, question, case, as_of, say=partial(_say, case))
    nearby = _supporting(rule, case, question.window(as_of))
    if not nearby:
        return found
    names = ", ".join(
        f"{case.title(it.reading.analyte)} {amount(it.reading)} of {days_text(it.first, it.last)}"
        for it in nearby
    )
    return replace(
        found,
        why=f"{found.why} Also on record, for a person to judge: {names}.",
        evidence=(*found.evidence, *(of_dated(it, case) for it in nearby)),
    )


def _not_applicable(criterion: Criterion, person: Person) -> Finding:
    return Finding(
        criterion=criterion.id,
        kind=criterion.kind,
        verdict=Verdict.NOT_APPLICABLE,
        reason="not-applicable",
        why=f"It does not apply to a patient recorded as {person.gender}.",
        evidence=(Evidence(source=person.source, shown=f"recorded as {person.gender}"),),
    )


def _does_not_apply(rule: AnswerRule, person: Person) -> bool:
    """Only where nothing recorded about the patient's sex casts doubt on it."""
    if person.gender not in rule.not_applicable_to:
        return False
    agrees = _AGREES.get(person.gender, frozenset())
    said = (signal.rpartition("=")[2].strip().lower() for signal in person.sex_signals)
    return all(code in agrees for code in said)


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
        f"of {days_text(found.first, found.last)}"
    )
    if reason == "review":
        return f"{what}, does not decide it alone. A person's judgement would settle it."
    return f"{what}."


def _supporting(rule: AnswerRule, case: Case, window: tuple[date, date]) -> list[Dated]:
    """Usable readings that make a person look closer and never decide, newest first."""
    nearby = [
        it
        for it in case.of(rule.supporting)
        if it.reading.not_usable is None and it.first <= window[1] and it.last >= window[0]
    ]
    nearby.sort(key=lambda it: source_key(it.reading.source))
    nearby.sort(key=lambda it: it.latest, reverse=True)
    return nearby
