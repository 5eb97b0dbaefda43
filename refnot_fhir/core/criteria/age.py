"""Age in completed years on the date of assessment."""

from __future__ import annotations

from dataclasses import field
from datetime import date

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.newest import Opinion, last_day, silent
from refnot_fhir.core.days import ages, birthday
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Shows
from refnot_fhir.core.rules import About, Criterion, Rule
from refnot_fhir.core.values import DaySpan, Reason
from refnot_fhir.core.verdict import RuleKind, Verdict

_BORN = Reason(Shows.BORN)


@record
class AgeRule(Rule):
    """Age in completed years on the date of assessment."""

    kind = RuleKind.AGE

    at_least: int | None
    at_most: int | None
    about: About = field(init=False, repr=False, compare=False)
    """Of a reason: the limits."""

    def __post_init__(self) -> None:
        """Put the limits together once: every result has them."""
        limits = (("at-least", self.at_least), ("at-most", self.at_most))
        about = tuple((name, f"{limit}") for name, limit in limits if limit is not None)
        object.__setattr__(self, "about", about)

    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """Whether the age is within the limits, for every possible birth date.

        Somebody born on 29 February completes a year on 1 March of a common year.
        """
        person = case.chart.person
        birth = person.birth if person is not None else None
        if person is None or birth is None:
            return silent(criterion.id, criterion.kind, self.kind)
        verdict, code = _opinion(self, birth, as_of)
        days = _turning_days(self, birth)
        return CriterionResult(
            criterion=criterion.id,
            kind=criterion.kind,
            rule=self.kind,
            verdict=verdict,
            reason=Reason(code, _about(self, birth, as_of)),
            evidence=(Evidence(person.source, _BORN, days=(birth.first, birth.last)),),
            holds_until=last_day(as_of, verdict, days, lambda day: _opinion(self, birth, day)[0]),
        )


def _opinion(rule: AgeRule, birth: DaySpan, as_of: date) -> Opinion:
    if birth.last > as_of:
        return Verdict.UNKNOWN, ReasonCode.IMPLAUSIBLE
    least, most = ages(birth, as_of)
    low = rule.at_least if rule.at_least is not None else least
    high = rule.at_most if rule.at_most is not None else most
    if least >= low and most <= high:
        return Verdict.MET, ReasonCode.WITHIN_AGE
    if most < low or least > high:
        return Verdict.NOT_MET, ReasonCode.BEYOND_AGE
    return Verdict.UNKNOWN, ReasonCode.STRADDLES_LIMIT


def _turning_days(rule: AgeRule, birth: DaySpan) -> list[date]:
    """Days on which the age may enter the rule or leave it."""
    days = [birth.last]
    for limit in (rule.at_least, None if rule.at_most is None else rule.at_most + 1):
        if limit is not None:
            reached = (birthday(birth.first, limit), birthday(birth.last, limit))
            days += [day for day in reached if day is not None]
    return days


def _about(rule: AgeRule, birth: DaySpan, as_of: date) -> About:
    least, most = ages(birth, as_of)
    born = (("born", birth.text), ("on", f"{as_of}"))
    return (*born, ("youngest", f"{least}"), ("oldest", f"{most}"), *rule.about)
