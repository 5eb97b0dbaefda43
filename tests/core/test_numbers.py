"""Exact decimals, texts that are numbers, and what is only known within bounds."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core import intervals
from refnot_fhir.core.exact import as_sent, product, quotient, shown, total
from refnot_fhir.core.translate.numbers import interval, spoken, spoken_upper_limit
from refnot_fhir.core.values import Interval
from refnot_fhir.core.verdict import Verdict

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN

LONG = st.integers(0, 10**60)


@given(LONG, LONG, st.integers(1, 40))
def test_products_and_sums_keep_every_digit_whatever_the_ambient_precision(
    left: int, right: int, places: int
) -> None:
    one, other = Decimal(f"{left}E-{places}"), Decimal(f"{right}E-{places}")
    with localcontext(prec=3):
        assert product(one, other) == Decimal(f"{left * right}E-{2 * places}")
        assert total(one, other) == Decimal(f"{left + right}E-{places}")
        assert Interval.exactly(one).times(other).exact == product(one, other)


@given(LONG, st.integers(0, 9))
def test_a_quotient_that_is_a_finite_decimal_is_exact(value: int, power: int) -> None:
    for divisor in (Decimal(10) ** power, Decimal(2) ** power, Decimal(5) ** power):
        assert product(quotient(Decimal(value), divisor), divisor) == value


@pytest.mark.parametrize(
    ("value", "sent", "for_a_person"),
    [
        ("1.10", "1.10", "1.1"),
        ("100", "100", "100"),
        ("1E+2", "1E+2", "100"),
        ("1.5E+2", "1.5E+2", "150"),
        ("1E+40", "1E+40", "1E+40"),
        ("0.0000001", "0.0000001", "0.0000001"),
        ("1E-300", "1E-300", "1E-300"),
        ("2.000", "2.000", "2"),
        ("NaN", "NaN", "NaN"),
    ],
)
def test_a_number_is_shown_as_it_was_sent(value: str, sent: str, for_a_person: str) -> None:
    assert as_sent(Decimal(value)) == sent
    assert shown(Decimal(value)) == for_a_person


@pytest.mark.parametrize(
    ("text", "comma", "expected", "why"),
    [
        ("2.1", False, ("2.1", "", ""), "a plain decimal"),
        (" 2.1 ", False, ("2.1", "", ""), "spaces around it"),
        ("2,1", True, ("2.1", "", ""), "a decimal comma where the hospital writes them"),
        ("2,1", False, None, "a comma may group thousands"),
        ("2,001 10*3/uL", True, ("2.001", "", "10*3/uL"), "a unit after a space"),
        ("55%", False, ("55", "", "%"), "a percent sign needs no space"),
        (">= 3", False, ("3", ">=", ""), "a comparator"),
        ("≤ 3.0", False, ("3.0", "<=", ""), "a comparator as one sign"),
        ("<10", False, ("10", "<", ""), "no space after it"),
        ("-3", False, None, "a sign"),
        ("1e3", False, None, "an exponent"),
        ("1 000.5.2", False, ("1", "", "000.5.2"), "groups are read as a unit, which is unknown"),
        ("1.2.3", False, None, "two points"),
        ("clotted", False, None, "words"),
        ("", False, None, "nothing"),
        ("٣", False, None, "digits of other scripts"),
        (".5", False, None, "no leading digit"),
        ("5.", False, None, "no digit after the point"),
    ],
)
def test_only_a_strict_numeric_text_is_a_number(
    text: str, comma: bool, expected: tuple[str, str, str] | None, why: str
) -> None:
    found = spoken(text, decimal_comma=comma)
    assert (found and (str(found[0]), *found[1:])) == expected, why


@pytest.mark.parametrize(
    ("text", "comma", "expected"),
    [
        ("0-40", False, ("40", "")),
        ("0 – 40 U/L", False, ("40", "U/L")),
        ("< 40", False, ("40", "")),
        ("<=40", False, ("40", "")),
        ("≤40 U/L", False, ("40", "U/L")),
        ("до 40", False, ("40", "")),
        ("До 40 Ед/л", False, ("40", "Ед/л")),
        ("0,5-1,2", True, ("1.2", "")),
        ("0,5-1,2", False, None),
        ("0-1,2", False, None),
        ("40-10", False, None),
        ("> 40", False, None),
        ("negative", False, None),
        ("1-2-3", False, None),
        ("0.5.1-40", False, None),
    ],
)
def test_an_upper_limit_is_read_from_a_text_only_when_it_says_nothing_else(
    text: str, comma: bool, expected: tuple[str, str] | None
) -> None:
    found = spoken_upper_limit(text, decimal_comma=comma)
    assert (found and (str(found[0]), found[1])) == expected


@pytest.mark.parametrize(
    ("comparator", "expected"),
    [
        ("", Interval(Decimal(10), Decimal(10))),
        ("<", Interval(None, Decimal(10), high_open=True)),
        ("<=", Interval(None, Decimal(10))),
        (">", Interval(Decimal(10), None, low_open=True)),
        (">=", Interval(Decimal(10), None)),
        ("ad", None),
    ],
)
def test_a_comparator_makes_an_interval(comparator: str, expected: Interval | None) -> None:
    assert interval(Decimal(10), comparator) == expected


def at(text: str) -> Interval:
    sign = text.rstrip("0123456789.")
    found = interval(Decimal(text[len(sign) :]), sign)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "limit", "strictly_above", "at_or_above"),
    [
        ("10", "10", NOT_MET, MET),
        ("10.001", "10", MET, MET),
        ("9.999", "10", NOT_MET, NOT_MET),
        ("<10", "10", NOT_MET, NOT_MET),
        ("<=10", "10", NOT_MET, UNKNOWN),
        (">10", "10", MET, MET),
        (">=10", "10", UNKNOWN, MET),
        (">9", "10", UNKNOWN, UNKNOWN),
        ("<11", "10", UNKNOWN, UNKNOWN),
    ],
)
def test_an_interval_is_above_a_limit_only_when_all_of_it_is(
    value: str, limit: str, strictly_above: Verdict, at_or_above: Verdict
) -> None:
    opposite = {MET: NOT_MET, NOT_MET: MET, UNKNOWN: UNKNOWN}
    found, bound = at(value), Decimal(limit)
    assert intervals.above(found, bound, inclusive=False) is strictly_above
    assert intervals.above(found, bound, inclusive=True) is at_or_above
    assert intervals.within(found, bound, inclusive=True) is opposite[strictly_above]
    assert intervals.within(found, bound, inclusive=False) is opposite[at_or_above]


bounds = st.decimals(0, 1000, places=2, allow_nan=False)
values = st.one_of(
    st.builds(Interval.exactly, bounds),
    st.builds(lambda low, open_: Interval(low, None, low_open=open_), bounds, st.booleans()),
    st.builds(lambda high, open_: Interval(None, high, high_open=open_), bounds, st.booleans()),
    st.builds(lambda low, more: Interval(low, low + more), bounds, bounds),
)


def members(value: Interval) -> list[Decimal]:
    """Some numbers of an interval of what is not negative."""
    low = value.low if value.low is not None else Decimal(0)
    high = value.high if value.high is not None else low + 1
    inside = [(low + high) / 2]
    inside += [] if value.low_open else [low]
    inside += [] if value.high_open else [high]
    return [it for it in inside if contains(value, it)]


def contains(value: Interval, number: Decimal) -> bool:
    return (
        value.low is None
        or intervals.above(Interval.exactly(number), value.low, inclusive=not value.low_open) is MET
    ) and (
        value.high is None
        or intervals.within(Interval.exactly(number), value.high, inclusive=not value.high_open)
        is MET
    )


@given(values, values)
def test_sums_products_and_quotients_hold_those_of_every_member(
    left: Interval, right: Interval
) -> None:
    for one in members(left):
        for other in members(right):
            assert contains(intervals.plus(left, right), one + other)
            assert contains(intervals.times(left, right), one * other)
        assert contains(intervals.over(left, Decimal(100)), one / 100)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Interval(None, None), "any"),
        (at("<10"), "<10"),
        (at("<=10"), "≤10"),
        (at(">10"), ">10"),
        (at(">=10"), "≥10"),
        (at("7.20"), "7.2"),
        (Interval(Decimal(0), Decimal(2)), "0–2"),
    ],
)
def test_an_interval_is_shown_as_people_write_it(value: Interval, text: str) -> None:
    assert intervals.shown_interval(value) == text
