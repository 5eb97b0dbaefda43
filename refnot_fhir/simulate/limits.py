"""The protocol's own limits, in the units that a hospital would use: stories are built on them."""

from __future__ import annotations

from decimal import Decimal

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.medication import LongUse, MedicationRule
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import DosingRule, Protocol, Rulebook
from refnot_fhir.core.verdict import RuleKind
from refnot_fhir.simulate.hospital import hospital

_MEASURED = frozenset({RuleKind.AGE, RuleKind.LAB, RuleKind.ANSWER, RuleKind.DRUG})
"""Kinds of rules that are decided by what the hospital measures, asks and gives to everybody."""


@record
class Limits:
    """What one protocol of a rulebook demands, by the names that stories give its criteria."""

    rulebook: Rulebook
    protocol: Protocol

    @property
    def dosing(self) -> DosingRule:
        """The schedule of the study drug."""
        return self.protocol.dosing

    def age(self, criterion: str) -> int:
        """The highest age in completed years."""
        rule = self._rule(criterion)
        if not isinstance(rule, AgeRule) or rule.at_most is None:
            raise TypeError(f"{criterion} sets no highest age")
        return rule.at_most

    def bound(self, criterion: str, unit: str) -> Decimal:
        """The bound of a laboratory criterion in `unit`, exactly; a multiple when that is empty."""
        rule = self._rule(criterion)
        bound = (rule.more_than or rule.at_most) if isinstance(rule, LabRule) else None
        if bound is None or not isinstance(rule, LabRule):
            raise TypeError(f"{criterion} sets no laboratory limit")
        if not bound.unit:
            return bound.value
        return self.converted(rule.labs[0], bound.value, of=bound.unit, to=unit)

    def within_days(self, criterion: str) -> int:
        """How many days back evidence counts; the day that many days ago included."""
        rule = self._rule(criterion)
        if not isinstance(rule, LabRule | AnswerRule | DrugRule):
            raise TypeError(f"{criterion} has no window")
        return rule.within_days

    def answer_days(self, criterion: str) -> int:
        """For how many days a documented answer about drugs stands."""
        rule = self._rule(criterion)
        if not isinstance(rule, DrugRule) or rule.answer is None:
            raise TypeError(f"{criterion} asks nobody about drugs")
        return rule.answer.within_days

    def long_use(self, criterion: str) -> LongUse:
        """From which duration a use of drugs decides."""
        rule = self._rule(criterion)
        if not isinstance(rule, MedicationRule) or rule.long_use is None:
            raise TypeError(f"{criterion} asks for no duration")
        return rule.long_use

    def converted(self, lab: str, value: Decimal, *, of: str, to: str) -> Decimal:
        """A value in the UCUM unit `of`, in the unit `to`, by the rulebook's factors."""
        return value * self._factor(lab, of) / self._factor(lab, to)

    def _factor(self, lab: str, unit: str) -> Decimal:
        """How many of the lab's canonical unit one `unit` is."""
        known = self.rulebook.labs[lab]
        own = self.rulebook.dimensions[known.dimension].factors
        if unit in own:
            return own[unit] / own[known.unit]
        for dimension, molar in known.conversions.items():
            factors = self.rulebook.dimensions[dimension].factors
            if unit in factors:
                return factors[unit] * molar
        raise KeyError(f"{lab} is not measured in {unit}")

    @property
    def needs_people(self) -> bool:
        """Whether some criterion waits for a person, or for a document."""
        return any(it.rule.kind not in _MEASURED for it in self.protocol.criteria)

    def kinds(self) -> dict[str, str]:
        """Criterion id to `inclusion` or `exclusion`, for those that are decided for everybody."""
        return {
            criterion.id: criterion.kind
            for criterion in self.protocol.criteria
            if criterion.rule.kind in _MEASURED
        }

    def every_kind(self) -> dict[str, str]:
        """Criterion id to `inclusion` or `exclusion`, for all."""
        return {criterion.id: criterion.kind for criterion in self.protocol.criteria}

    def _rule(self, criterion: str) -> object:
        id_ = hospital().criteria[criterion]
        for known in self.protocol.criteria:
            if known.id == id_:
                return known.rule
        raise KeyError(f"{self.protocol.id} has no criterion {id_}")
