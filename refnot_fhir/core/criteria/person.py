"""What no accepted data decides: a person, or later data, must say it."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, ReasonCode
from refnot_fhir.core.rules import Criterion, Rule
from refnot_fhir.core.values import Reason
from refnot_fhir.core.verdict import CriterionKind, RuleKind, Verdict


@record
class PersonRule(Rule):
    """A criterion that no accepted data decides yet: what a person, or later data, must say."""

    kind = RuleKind.PERSON

    needs: str

    def decide(self, criterion: Criterion, _case: Case, _as_of: date) -> CriterionResult:
        """Unknown, and what it needs."""
        return _needed(criterion.id, criterion.kind, self.needs)


# Cached: it is the same for every patient.
@lru_cache(maxsize=1024)
def _needed(criterion: str, kind: CriterionKind, needs: str) -> CriterionResult:
    return CriterionResult(
        criterion=criterion,
        kind=kind,
        rule=RuleKind.PERSON,
        verdict=Verdict.UNKNOWN,
        reason=Reason(ReasonCode.NEEDS, (("needs", needs),)),
    )
