"""Numbers as hospitals say them: quantities with comparators, and text of a strict grammar."""

from __future__ import annotations

import re
from decimal import Decimal

from refnot_fhir.core.values import Interval

_SIGNS = {"≤": "<=", "≥": ">="}
_TEXT = re.compile(
    r"(<=|>=|<|>|≤|≥)?\s*([0-9]{1,18})(?:([.,])([0-9]{1,18}))?(?:(?:\s+|(?=%))(\S.*))?"
)
_RANGE = re.compile(
    r"(?:([0-9][0-9.,]*)\s*[-–—]|(<=|<|≤|до))\s*([0-9]{1,18}(?:[.,][0-9]{1,18})?)(?:\s+(\S.*))?",
    re.IGNORECASE,
)


def interval(value: Decimal, comparator: str) -> Interval | None:
    """The values that a number with a comparator stands for; None: it bounds nothing."""
    match _SIGNS.get(comparator, comparator):
        case "":
            return Interval(value, value)
        case "<":
            return Interval(None, value, high_open=True)
        case "<=":
            return Interval(None, value)
        case ">":
            return Interval(value, None, low_open=True)
        case ">=":
            return Interval(value, None)
    return None


def spoken(text: str, *, decimal_comma: bool) -> tuple[Decimal, str, str] | None:
    """Value, comparator and unit of a text such as `>= 2.1 10*9/L`; None: not such a text.

    No sign, no exponent, no groups of digits. `2,1` is a number only where the hospital is known
    to write decimal commas: elsewhere it may be two thousand one hundred cut short.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        return None
    comparator, whole, mark, decimals, unit = found.groups(default="")
    if mark == "," and not decimal_comma:
        return None
    value = Decimal(f"{whole}.{decimals}") if decimals else Decimal(whole)
    return value, _SIGNS.get(comparator, comparator), unit


def spoken_upper_limit(text: str, *, decimal_comma: bool) -> tuple[Decimal, str] | None:
    """Upper limit and unit of a range that is only text: `0-40`, `< 40`, `до 40 U/L`."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return None
    low, _, high, unit = found.groups(default="")
    lower = spoken(low, decimal_comma=decimal_comma) if low else (Decimal(0), "", "")
    upper = spoken(high, decimal_comma=decimal_comma)
    if lower is None or upper is None or lower[0] > upper[0]:
        return None
    return upper[0], unit


def begins_above_zero(text: str) -> bool:
    """Whether a range that is only text has a lower limit other than zero: `5-426`."""
    found = _RANGE.fullmatch(text.strip())
    low = found[1] if found is not None else None
    return low is not None and low.strip("0.,") != ""
