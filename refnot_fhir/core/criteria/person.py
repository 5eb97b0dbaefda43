"""What no accepted data decides: a person, or later data, must say it."""

from __future__ import annotations

from dataclasses import field
from datetime import date
from functools import lru_cache

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, ReasonCode
from refnot_fhir.core.rules import About, Criterion, Rule
from refnot_fhir.core.values import Reason
from refnot_fhir.core.verdict import CriterionKind, RuleKind, Verdict


@record
class PersonRule(Rule):
    """A criterion that no accepted data decides yet: what a person, or later data, must say."""

    kind = RuleKind.PERSON

    needs: str
    about: About = field(init=False, repr=False, compare=False)
    """Of every reason: what it needs, to go on where “needs” leaves off."""

    def __post_init__(self) -> None:
        """Put the parameters together once: every result has them."""
        object.__setattr__(self, "about", (("needs", self.needs.removeprefix("needs ")),))

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Unknown alone."""
        return (Verdict.UNKNOWN,)

    def decide(self, criterion: Criterion, _case: Case, _as_of: date) -> CriterionResult:
        """Unknown, and what it needs."""
        return needed(criterion.id, criterion.kind, self.kind, self.about)


# Cached: it is the same for every patient.
@lru_cache(maxsize=1024)
def needed(criterion: str, kind: CriterionKind, rule: RuleKind, about: About) -> CriterionResult:
    """What a criterion of which nothing is on record comes to: a person has to say it."""
    return CriterionResult(
        criterion=criterion,
        kind=kind,
        rule=rule,
        verdict=Verdict.UNKNOWN,
        reason=Reason(ReasonCode.NEEDS, about),
    )
