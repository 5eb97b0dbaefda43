"""A limit on the newest reading of a lab, or on its multiple of the upper limit of normal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial

from refnot_fhir.core.criteria.bounds import bounded, proved
from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.evidence import amount, of_days
from refnot_fhir.core.criteria.moments import Dated
from refnot_fhir.core.criteria.newest import Opinion, Question
from refnot_fhir.core.criteria.newest_result import newest_finding
from refnot_fhir.core.exact import product, shown
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.intervals import above, shown_interval, within
from refnot_fhir.core.results import Finding
from refnot_fhir.core.rules import Bound, Criterion, LabRule
from refnot_fhir.core.values import Interval
from refnot_fhir.core.verdict import Verdict

_REASONS = {Verdict.MET: "within-limit", Verdict.NOT_MET: "beyond-limit"}


def lab_finding(criterion: Criterion, rule: LabRule, case: Case, as_of: date) -> Finding:
    """Whether the newest reading is within the limits of the rule."""
    question = Question(
        rule.labs, rule.within_days, criterion.kind, partial(_judge, rule), rule.upper_bounds
    )
    readings = bounded(rule, case, partial(_compared, rule))
    found = newest_finding(
        criterion, question, case, as_of, say=partial(_say, rule, case), readings=readings
    )
    bound = rule.more_than or rule.at_most
    if bound is None:
        return found
    return replace(found, limit=bound.value, limit_unit=bound.unit)


def _judge(rule: LabRule, reading: Measurement) -> Opinion:
    if reading.not_usable is not None:
        return Verdict.UNKNOWN, reading.not_usable.code
    if reading.value is None:
        return Verdict.UNKNOWN, "no-value"
    opinions = dict(_opinions(rule, reading, proved(rule, reading)))
    if Verdict.NOT_MET in opinions:
        return Verdict.NOT_MET, opinions[Verdict.NOT_MET]
    if Verdict.UNKNOWN not in opinions:
        return Verdict.MET, _REASONS[Verdict.MET]
    reason = opinions[Verdict.UNKNOWN]
    if reason == "straddles-limit" and reading.analyte in rule.lower_bounds:
        return Verdict.UNKNOWN, "lower-bound"
    if reason == "straddles-limit" and reading.analyte in rule.upper_bounds:
        return Verdict.UNKNOWN, "upper-bound"
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
        if isinstance(limits, str):
            yield Verdict.UNKNOWN, limits
            continue
        verdicts = {compare(value, limit, inclusive=bound.inclusive) for limit in limits}
        if len(verdicts) > 1:
            yield Verdict.UNKNOWN, "no-upper-limit"
        else:
            verdict = verdicts.pop()
            yield verdict, _REASONS.get(verdict, "straddles-limit")


def _limits_of(bound: Bound, reading: Measurement) -> tuple[Decimal, ...] | str:
    """The bound in the reading's unit, or the reason why it cannot be had.

    Several are those of different upper limits of normal, one of which surely is the patient's.
    """
    if bound.unit:
        return (bound.value,) if bound.unit == reading.unit else "other-unit"
    ulns = reading.ulns if reading.uln is None else (reading.uln,)
    return tuple(product(bound.value, uln) for uln in ulns) or "no-upper-limit"


def _say(rule: LabRule, case: Case, found: Dated, reason: str) -> str:
    reading, what = found.reading, _what(found, case)
    limits = " and ".join(_limits(rule))
    either_way = " under each of them" if reading.ulns else ""
    if reading.analyte in rule.upper_bounds:
        return _say_of_the_whole(what, limits, case.title(rule.labs[0]), reason)
    match reason:
        case "within-limit":
            return f"{what} is {limits}{either_way}, as asked."
        case "beyond-limit":
            return f"{what} is not {limits}{either_way}."
        case "no-upper-limit":
            from refnot_fhir.wording.readings import sentence  # until these move

            why = "" if reading.no_uln is None else sentence(reading.no_uln)
            return (
                f"{what} cannot be compared with an upper limit of normal: {why}. "
                "The laboratory's limit for this patient and method would settle it."
            )
        case "lower-bound":
            return (
                f"{what} is only a part of {case.title(rule.labs[0])} and does not show that all "
                f"of it is {limits}. A reported {case.title(rule.labs[0])} would settle it."
            )
        case "straddles-limit":
            return (
                f"{what} may or may not be {limits}. The exact value, or a new result, "
                "would settle it."
            )
    return (
        f"{what} cannot be compared: a value in {', '.join(_units(rule))} is needed. "
        "Reading the hospital's data again, or a new result, would settle it."
    )


def _what(found: Dated, case: Case) -> str:
    reading = found.reading
    days = of_days(found.first, found.last)
    what = f"{case.title(reading.analyte)} {amount(reading)} {days}"
    if reading.multiple is not None:
        return f"{what}, {shown_interval(reading.multiple)} × the upper limit of normal,"
    if reading.ulns:
        either = " or ".join(shown(uln) for uln in reading.ulns)
        return f"{what}, whose upper limit of normal is {either} {reading.unit},"
    return what


def _say_of_the_whole(what: str, limits: str, asked: str, reason: str) -> str:
    if reason == "beyond-limit":
        return f"{what} is not {limits}, and {asked} are only a part of it."
    return (
        f"{what} holds more than {asked} and does not show whether these are {limits}. "
        f"A reported value of {asked} would settle it."
    )


def _limits(rule: LabRule) -> Iterator[str]:
    if rule.more_than is not None:
        words = "at least" if rule.more_than.inclusive else "more than"
        yield f"{words} {_bound_text(rule.more_than)}"
    if rule.at_most is not None:
        words = "at most" if rule.at_most.inclusive else "less than"
        yield f"{words} {_bound_text(rule.at_most)}"


def _bound_text(bound: Bound) -> str:
    return f"{shown(bound.value)} {bound.unit or '× the upper limit of normal'}"


def _units(rule: LabRule) -> Iterator[str]:
    for bound in (rule.more_than, rule.at_most):
        if bound is not None and bound.unit:
            yield bound.unit
