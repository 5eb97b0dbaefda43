"""Comparing and computing with values that are known only within bounds, exactly."""

from __future__ import annotations

from decimal import Decimal

from refnot_fhir.core.exact import product, quotient, shown, total
from refnot_fhir.core.values import Interval
from refnot_fhir.core.verdict import Verdict

_OPPOSITE = {Verdict.MET: Verdict.NOT_MET, Verdict.NOT_MET: Verdict.MET}


def above(value: Interval, limit: Decimal, *, inclusive: bool) -> Verdict:
    """Whether every value, none or perhaps some is over the limit (or on it, when inclusive)."""
    if value.low is not None and _over(value.low, limit, inclusive or value.low_open):
        return Verdict.MET
    if value.high is not None and _over(limit, value.high, not inclusive or value.high_open):
        return Verdict.NOT_MET
    return Verdict.UNKNOWN


def within(value: Interval, limit: Decimal, *, inclusive: bool) -> Verdict:
    """Whether every value, none or perhaps some is under the limit (or on it, when inclusive)."""
    verdict = above(value, limit, inclusive=not inclusive)
    return _OPPOSITE.get(verdict, verdict)


def _over(value: Decimal, limit: Decimal, or_equal: bool) -> bool:
    return value > limit or (or_equal and value == limit)


def plus(left: Interval, right: Interval) -> Interval:
    """Every sum of two values."""
    low = None if left.low is None or right.low is None else total(left.low, right.low)
    high = None if left.high is None or right.high is None else total(left.high, right.high)
    return Interval(low, high, left.low_open or right.low_open, left.high_open or right.high_open)


def times(left: Interval, right: Interval) -> Interval:
    """Every product of two values that are not negative.

    A bound of zero counts as reached, even where one of the two bounds is not.
    """
    low = None if left.low is None or right.low is None else product(left.low, right.low)
    high = None if left.high is None or right.high is None else product(left.high, right.high)
    return Interval(
        low,
        high,
        bool(low) and (left.low_open or right.low_open),
        bool(high) and (left.high_open or right.high_open),
    )


def over(value: Interval, divisor: Decimal) -> Interval:
    """Every value divided by a positive number."""
    low = None if value.low is None else quotient(value.low, divisor)
    high = None if value.high is None else quotient(value.high, divisor)
    return Interval(low, high, value.low_open, value.high_open)


def shown_interval(value: Interval) -> str:
    """`7.2`, `<10`, `≥3`, `1–2`."""
    if value.low is None and value.high is None:
        return "any"
    if value.low is None and value.high is not None:
        return f"{'<' if value.high_open else '≤'}{shown(value.high)}"
    if value.high is None and value.low is not None:
        return f"{'>' if value.low_open else '≥'}{shown(value.low)}"
    exact = value.exact
    if exact is not None:
        return shown(exact)
    return f"{shown(value.low or Decimal(0))}–{shown(value.high or Decimal(0))}"
