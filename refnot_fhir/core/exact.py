"""Arithmetic on decimals that never rounds, and how a decimal is shown."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

# The default context keeps 28 digits; a product of two longer decimals would be rounded there.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)

_PLAIN_PLACES = 30
"""Decimals longer than this are shown with an exponent."""


product = _EXACT.multiply
"""The product of two decimals with all its digits."""


def total(left: Decimal, right: Decimal) -> Decimal:
    """The sum with all its digits."""
    return _EXACT.add(left, right)


def quotient(value: Decimal, by: Decimal) -> Decimal:
    """`value / by`, exact whenever the quotient is a finite decimal.

    A divisor of n digits made of twos and fives adds at most about 3.3 n digits.
    """
    digits = len(value.as_tuple().digits) + 4 * len(by.as_tuple().digits)
    return Context(prec=max(28, digits), Emax=MAX_EMAX, Emin=MIN_EMIN).divide(value, by)


def as_sent(value: Decimal) -> str:
    """The number as a sender writes it: `1.10`, `0.0000001`, and `1E+2` only if sent so."""
    text = str(value)
    if "E" not in text:
        return text
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -_PLAIN_PLACES <= exponent <= 0:
        return f"{value:f}"
    return text


def shown(value: Decimal) -> str:
    """The number for a person: no trailing zeros, no exponent unless it is huge."""
    text = f"{value:f}" if 0 <= value.adjusted() <= _PLAIN_PLACES else as_sent(value)
    if "." in text and "E" not in text:
        return text.rstrip("0").rstrip(".")
    return text
