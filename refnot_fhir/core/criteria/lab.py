"""A limit on the newest reading of a lab, or on its multiple of the upper limit of normal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import partial

from refnot_fhir.core.criteria.bounds import bounded, proved
from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.newest import Opinion, Question, newest_result
from refnot_fhir.core.exact import product, shown
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.intervals import above, within
from refnot_fhir.core.results import CriterionResult, ReasonCode
from refnot_fhir.core.rules import Bound, Criterion, LabRule
from refnot_fhir.core.values import Interval
from refnot_fhir.core.verdict import RuleKind, Verdict

_REASONS = {Verdict.MET: ReasonCode.WITHIN_LIMIT, Verdict.NOT_MET: ReasonCode.BEYOND_LIMIT}


def lab_result(criterion: Criterion, rule: LabRule, case: Case, as_of: date) -> CriterionResult:
    """Whether the newest reading is within the limits of the rule."""
    question = Question(
        rule.labs, rule.within_days, criterion.kind, partial(_judge, rule), rule.upper_bounds
    )
    readings = bounded(rule, case, partial(_compared, rule))
    bounds = rule.bounds
    about = tuple(
        (relation, f"{shown(bound.value)} {bound.unit}".rstrip()) for relation, bound in bounds
    )
    limit = bounds[0][1] if bounds else None
    return newest_result(
        criterion, RuleKind.LAB, question, case, as_of, readings=readings, about=about, limit=limit
    )


def _judge(rule: LabRule, reading: Measurement) -> Opinion:
    if reading.not_usable is not None:
        return Verdict.UNKNOWN, reading.not_usable.code
    if reading.value is None:
        return Verdict.UNKNOWN, ReasonCode.NO_VALUE
    opinions = dict(_opinions(rule, reading, proved(rule, reading)))
    if Verdict.NOT_MET in opinions:
        return Verdict.NOT_MET, opinions[Verdict.NOT_MET]
    if Verdict.UNKNOWN not in opinions:
        return Verdict.MET, _REASONS[Verdict.MET]
    reason = opinions[Verdict.UNKNOWN]
    if reason == ReasonCode.STRADDLES_LIMIT and reading.analyte in rule.lower_bounds:
        return Verdict.UNKNOWN, ReasonCode.LOWER_BOUND
    if reason == ReasonCode.STRADDLES_LIMIT and reading.analyte in rule.upper_bounds:
        return Verdict.UNKNOWN, ReasonCode.UPPER_BOUND
    return Verdict.UNKNOWN, reason


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
        verdicts = {compare(value, limit, inclusive=bound.inclusive) for limit in limits}
        if len(verdicts) > 1:
            yield Verdict.UNKNOWN, ReasonCode.NO_UPPER_LIMIT
        else:
            verdict = verdicts.pop()
            yield verdict, _REASONS.get(verdict, ReasonCode.STRADDLES_LIMIT)


def _limits_of(bound: Bound, reading: Measurement) -> tuple[Decimal, ...] | ReasonCode:
    """The bound in the reading's unit, or the reason why it cannot be had.

    Several are those of different upper limits of normal, one of which surely is the patient's.
    """
    if bound.unit:
        return (bound.value,) if bound.unit == reading.unit else ReasonCode.OTHER_UNIT
    ulns = reading.ulns if reading.uln is None else (reading.uln,)
    return tuple(product(bound.value, uln) for uln in ulns) or ReasonCode.NO_UPPER_LIMIT
