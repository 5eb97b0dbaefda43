"""Criteria about the person: age, and what only a person, or later data, can say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.evidence import days_text
from refnot_fhir.core.criteria.newest import Opinion, last_day
from refnot_fhir.core.days import ages, birthday
from refnot_fhir.core.facts import Person
from refnot_fhir.core.results import Evidence, Finding
from refnot_fhir.core.rules import AgeRule, Criterion, PersonRule
from refnot_fhir.core.values import DaySpan
from refnot_fhir.core.verdict import Verdict


def person_finding(criterion: Criterion, rule: PersonRule) -> Finding:
    """Unknown, and what it needs."""
    return Finding(
        criterion=criterion.id,
        kind=criterion.kind,
        verdict=Verdict.UNKNOWN,
        reason="needs",
        why=f"needs {rule.needs.removeprefix('needs ')}",
    )


def age_finding(criterion: Criterion, rule: AgeRule, case: Case, as_of: date) -> Finding:
    """Whether the age in completed years is within the rule, for every possible birth date.

    Somebody born on 29 February completes a year on 1 March of a common year.
    """
    person = case.chart.person
    birth = person.birth if person is not None else None
    if person is None or birth is None:
        return Finding(
            criterion=criterion.id,
            kind=criterion.kind,
            verdict=Verdict.UNKNOWN,
            reason="no-evidence",
            why="The date of birth is not on record. The date of birth would settle it.",
        )
    verdict, reason = _opinion(rule, birth, as_of)
    days = _turning_days(rule, birth)
    return Finding(
        criterion=criterion.id,
        kind=criterion.kind,
        verdict=verdict,
        reason=reason,
        why=_why(rule, birth, as_of, reason),
        evidence=(_evidence(person, birth),),
        holds_until=last_day(as_of, verdict, days, lambda day: _opinion(rule, birth, day)[0]),
    )


def _opinion(rule: AgeRule, birth: DaySpan, as_of: date) -> Opinion:
    if birth.last > as_of:
        return Verdict.UNKNOWN, "implausible"
    least, most = ages(birth, as_of)
    low = rule.at_least if rule.at_least is not None else least
    high = rule.at_most if rule.at_most is not None else most
    if least >= low and most <= high:
        return Verdict.MET, "within-age"
    if most < low or least > high:
        return Verdict.NOT_MET, "beyond-age"
    return Verdict.UNKNOWN, "straddles-limit"


def _turning_days(rule: AgeRule, birth: DaySpan) -> Iterator[date]:
    """Days on which the age may enter the rule or leave it."""
    yield birth.last
    limits = (rule.at_least, None if rule.at_most is None else rule.at_most + 1)
    for age in limits:
        for born in (birth.first, birth.last):
            day = birthday(born, age) if age is not None else None
            if day is not None:
                yield day


def _why(rule: AgeRule, birth: DaySpan, as_of: date, reason: str) -> str:
    if reason == "implausible":
        return f"The date of birth, {birth.text}, is not before {as_of}. The true one settles it."
    least, most = ages(birth, as_of)
    age = f"{least}" if least == most else f"{least} to {most}"
    asked = " and ".join(_asked(rule))
    if reason == "straddles-limit":
        return (
            f"Born {birth.text}, the patient is {age} years old on {as_of}; {asked} is asked. "
            "The full date of birth would settle it."
        )
    answer = "as asked" if reason == "within-age" else f"but {asked} is asked"
    return f"The patient is {age} years old on {as_of}, {answer}."


def _asked(rule: AgeRule) -> Iterator[str]:
    if rule.at_least is not None:
        yield f"at least {rule.at_least}"
    if rule.at_most is not None:
        yield f"at most {rule.at_most}"


def _evidence(person: Person, birth: DaySpan) -> Evidence:
    return Evidence(source=person.source, shown=f"born {days_text(birth.first, birth.last)}")
