"""A limit on the newest reading of a lab, or on its multiple of the upper limit of normal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import date
from decimal import Decimal
from functools import partial

from refnot_fhir.core.criteria.bounds import bounded, proved
from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.newest import Opinion, Question, asked, back, newest_result, silent
from refnot_fhir.core.exact import product, shown
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.intervals import above, within
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, ReasonCode
from refnot_fhir.core.rules import About, Bound, Criterion, Relation, Rule
from refnot_fhir.core.values import Interval
from refnot_fhir.core.verdict import RuleKind, Verdict

_MET = (Verdict.MET, ReasonCode.WITHIN_LIMIT)


@record
class LabRule(Rule):
    """A limit on the newest reading of a lab, or of one that stands for it."""

    kind = RuleKind.LAB

    labs: tuple[str, ...]
    """In order of preference for readings of one collection time."""
    more_than: Bound | None = None
    at_most: Bound | None = None
    within_days: int = 0
    lower_bounds: frozenset[str] = frozenset()
    """Labs that are a part of what is asked for: they can prove `more_than`, never disprove it."""
    upper_bounds: tuple[str, ...] = ()
    """Labs, none of `labs`, of which what is asked for is a part: they can only disprove it."""
    about: About = field(init=False, repr=False, compare=False)
    """Of every reason: what is asked for, how far back, within which limits."""

    def __post_init__(self) -> None:
        """Put the parameters together once: every result has them."""
        limits = (
            (relation, f"{shown(bound.value)} {bound.unit}".rstrip())
            for relation, bound in self.bounds
        )
        object.__setattr__(self, "about", asked(self.labs, self.within_days, *limits))

    @property
    def bounds(self) -> tuple[tuple[Relation, Bound], ...]:
        """Each limit, and how a value has to stand to it."""
        low, high = self.more_than, self.at_most
        found = []
        if low is not None:
            found.append((Relation.AT_LEAST if low.inclusive else Relation.MORE_THAN, low))
        if high is not None:
            found.append((Relation.AT_MOST if high.inclusive else Relation.LESS_THAN, high))
        return tuple(found)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every lab that it looks at, those that it asks for first."""
        return *self.labs, *self.upper_bounds

    @property
    def by_upper_limit(self) -> tuple[str, ...]:
        """Labs that it compares with the upper limit of normal."""
        return self.labs if self.at_most is not None and not self.at_most.unit else ()

    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """Whether the newest reading is within the limits."""
        limit = self.more_than or self.at_most
        if case.is_silent_on(criterion):
            window = back(as_of, self.within_days)
            return silent(criterion.id, criterion.kind, self.kind, self.about, window, limit)
        judge = partial(_judge, self)
        question = Question(self.labs, self.within_days, criterion.kind, judge, self.upper_bounds)
        readings = bounded(self, case, partial(_compared, self), as_of)
        return newest_result(
            criterion, question, case, as_of, readings=readings, about=self.about, limit=limit
        )


def _judge(rule: LabRule, reading: Measurement) -> Opinion:
    if reading.not_usable is not None:
        return Verdict.UNKNOWN, reading.not_usable.code
    if reading.value is None:
        return Verdict.UNKNOWN, ReasonCode.NO_VALUE
    found = list(_opinions(rule, reading, proved(rule, reading)))
    for opinion in found:
        if opinion[0] is Verdict.NOT_MET:
            return opinion
    reasons = [reason for verdict, reason in found if verdict is Verdict.UNKNOWN]
    return (Verdict.UNKNOWN, _doubt(rule, reading, reasons[-1])) if reasons else _MET


def _doubt(rule: LabRule, reading: Measurement, reason: str) -> str:
    """The reason, told apart where only the kind of the reading leaves it open."""
    if reason == ReasonCode.STRADDLES_LIMIT and reading.analyte in rule.lower_bounds:
        return ReasonCode.LOWER_BOUND
    if reason == ReasonCode.STRADDLES_LIMIT and reading.analyte in rule.upper_bounds:
        return ReasonCode.UPPER_BOUND
    return reason


def _compared(rule: LabRule, value: Interval) -> Verdict:
    """The verdict on the values that the lab may have, by limits in its own unit."""
    for bound, compare in ((rule.more_than, above), (rule.at_most, within)):
        if bound is not None and bound.unit:
            return compare(value, bound.value, inclusive=bound.inclusive)
    return Verdict.UNKNOWN


def _opinions(rule: LabRule, reading: Measurement, value: Interval) -> Iterator[Opinion]:
    for bound, compare in ((rule.more_than, above), (rule.at_most, within)):
        if bound is None:
            continue
        limits = _limits_of(bound, reading)
        if isinstance(limits, ReasonCode):
            yield Verdict.UNKNOWN, limits
            continue
        verdicts = [compare(value, limit, inclusive=bound.inclusive) for limit in limits]
        verdict = verdicts[0]
        if any(other is not verdict for other in verdicts[1:]):
            yield Verdict.UNKNOWN, ReasonCode.NO_UPPER_LIMIT
        else:
            yield verdict, _reason(verdict)


def _reason(verdict: Verdict) -> ReasonCode:
    # No table by verdict: hashing an Enum is a call.
    if verdict is Verdict.MET:
        return ReasonCode.WITHIN_LIMIT
    return ReasonCode.BEYOND_LIMIT if verdict is Verdict.NOT_MET else ReasonCode.STRADDLES_LIMIT


def _limits_of(bound: Bound, reading: Measurement) -> tuple[Decimal, ...] | ReasonCode:
    """The bound in the reading's unit, or the reason why it cannot be had.

    Several are those of different upper limits of normal, one of which surely is the patient's.
    """
    if bound.unit:
        return (bound.value,) if bound.unit == reading.unit else ReasonCode.OTHER_UNIT
    ulns = reading.ulns if reading.uln is None else (reading.uln,)
    return tuple(product(bound.value, uln) for uln in ulns) or ReasonCode.NO_UPPER_LIMIT
