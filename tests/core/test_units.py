"""Units are understood by table, checked against the lab, and converted exactly."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.dictionary import Lab
from refnot_fhir.core.exact import product
from refnot_fhir.core.translate.units import UnitRead, normalise, read_unit, to_ucum
from refnot_fhir.core.values import Quantity, Reason, reason
from tests.builders import LABS, quantity
from tests.small_rulebook import DIMENSIONS

COUNT = DIMENSIONS["number-concentration"]


def read(unit: Quantity, lab: Lab = LABS["platelets"], **site_units: str) -> UnitRead | Reason:
    return read_unit(unit, lab, dimensions=DIMENSIONS, site_units=site_units)


def read_as(unit: str, ucum: str) -> tuple[Reason, ...]:
    return (reason("unit-read", unit=unit, ucum=ucum),)


def why_not(unit: Quantity, lab: Lab = LABS["platelets"]) -> str:
    found = read(unit, lab)
    assert isinstance(found, Reason)
    return found.code


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("10*9/L", "10*9/L"),
        ("  10^9 / L ", "10^9 / L"),
        ("\u00b5mol/L", "\u03bcmol/L"),
        ("\u03bcmol/L", "\u03bcmol/L"),
        ("mm\u00b3", "mm3"),
        ("тыс.\u00a0ЕД", "тыс. ЕД"),
        ("K/uL", "K/uL"),
    ],
)
def test_a_unit_keeps_its_case_and_loses_its_typography(written: str, normal: str) -> None:
    assert normalise(written) == normal


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_a_hospitals_own_unit_comes_first_then_the_aliases_then_ucum() -> None:
    assert to_ucum("K/uL", COUNT, {}) == "10*3/uL"
    assert to_ucum("K/uL", COUNT, {"K/uL": "/uL"}) == "/uL"
    assert to_ucum("10*9/L", COUNT, {}) == "10*9/L"
    assert to_ucum("G/L", COUNT, {}) is None


@pytest.mark.parametrize(
    ("sent", "ucum"),
    [
        ("K/L", None),
        ("K/uL", "10*3/uL"),
        ("K / µL", "10*3/uL"),
        ("K\u2044u\u200bL", "10*3/uL"),
        ("KuL", None),
        ("M/uL", None),
        ("K/mL", None),
    ],
)
def test_a_unit_is_understood_by_its_two_sides(sent: str, ucum: str | None) -> None:
    sides = replace(
        COUNT,
        aliases={},
        numerators={"K": "10*3"},
        denominators={"uL": "uL", "μL": "uL", "L": "L"},
    )
    assert to_ucum(sent, sides, {}) == ucum


@pytest.mark.parametrize(
    ("unit", "expected", "why"),
    [
        (quantity(1, "10*9/L"), UnitRead("10*9/L", COUNT.name, Decimal(1)), "canonical"),
        (quantity(1, "/mm3"), UnitRead("/mm3", COUNT.name, Decimal("0.001")), "a factor"),
        (
            Quantity(Decimal(1), unit="K/uL"),
            UnitRead("10*3/uL", COUNT.name, Decimal(1), read_as("K/uL", "10*3/uL")),
            "shown only",
        ),
        (
            Quantity(Decimal(1), "", "10*3/uL", ucum=True),
            UnitRead("10*3/uL", COUNT.name, Decimal(1)),
            "coded only",
        ),
        (
            Quantity(Decimal(1), "K/uL", "10*3/uL", ucum=True),
            UnitRead("10*3/uL", COUNT.name, Decimal(1)),
            "what is shown is another spelling of the code",
        ),
        (
            quantity(1, "10*3{cells}/uL"),
            UnitRead("10*3/uL", COUNT.name, Decimal(1), read_as("10*3{cells}/uL", "10*3/uL")),
            "what stands in braces means nothing",
        ),
        (
            quantity(1, "10*9 / L"),
            UnitRead("10*9/L", COUNT.name, Decimal(1), read_as("10*9 / L", "10*9/L")),
            "blanks mean nothing either",
        ),
        (
            Quantity(Decimal(1), "10*3/uL", "4711"),
            UnitRead("10*3/uL", COUNT.name, Decimal(1)),
            "what is shown is known, the code is not",
        ),
        (
            Quantity(Decimal(1), "10*3/uL", "10*9/L", ucum=True),
            UnitRead("10*9/L", COUNT.name, Decimal(1)),
            "both known and the same amount",
        ),
    ],
)
def test_a_unit_is_understood(unit: Quantity, expected: UnitRead, why: str) -> None:
    assert read(unit) == expected, why


@pytest.mark.parametrize(
    ("unit", "code", "why"),
    [
        (quantity(1), "no-unit", "none is ever assumed"),
        (Quantity(Decimal(1), " ", ""), "no-unit", "a blank is none"),
        (quantity(1, "G/L"), "unknown-unit", "gauss per litre is in no table"),
        (quantity(1, "k/ul"), "unknown-unit", "case carries meaning"),
        (Quantity(Decimal(1), "/uL", "10*9/L", ucum=True), "unit-conflict", "they contradict"),
        (Quantity(Decimal(1), "/uL", "10*9/L", "urn:local"), "unit-conflict", "in any system"),
        (Quantity(Decimal(1), "%", "10*9/L", ucum=True), "unit-conflict", "so do the kinds"),
        (
            Quantity(Decimal(1), "10*9/L", "banana", ucum=True),
            "unit-conflict",
            "no UCUM is no absence",
        ),
        (
            Quantity(Decimal(1), "banana", "10*9/L", ucum=True),
            "unit-conflict",
            "a text may be a unit",
        ),
        (Quantity(Decimal(1), "banana", "apple", ucum=True), "unknown-unit", "neither is known"),
        (Quantity(Decimal(1), "banana", "apple", "urn:local"), "unknown-unit", "nor here"),
        (quantity(1, "{cells}"), "unknown-unit", "an annotation alone is no unit"),
        (quantity(1, "%"), "wrong-dimension", "a percentage is not a count"),
        (quantity(1, "mmol/L"), "wrong-dimension", "nor is an amount of substance"),
    ],
)
def test_a_unit_that_does_not_fit_is_refused(unit: Quantity, code: str, why: str) -> None:
    assert why_not(unit) == code, why


def test_another_kind_of_quantity_is_converted_only_where_the_lab_says_how() -> None:
    creatinine = read(quantity(1, "mg/L"), LABS["creatinine"])
    assert creatinine == UnitRead("mg/L", "mass-concentration", Decimal("8.84"))
    assert why_not(quantity(1, "mg/L"), LABS["alt"]) == "wrong-dimension"


def test_a_lab_without_a_known_dimension_takes_no_unit() -> None:
    assert why_not(quantity(1, "%"), LABS["pregnancy-test"]) == "wrong-dimension"


@given(st.integers(0, 10**40))
def test_the_same_amount_in_two_units_is_the_same_value(per_litre: int) -> None:
    found = {}
    for unit, places in {"/L": 0, "/uL": 6, "10*3/uL": 9, "10*9/L": 9}.items():
        sent = Decimal(f"{per_litre}E-{places}")
        unit_read = read(quantity(1, unit))
        assert isinstance(unit_read, UnitRead)
        found[unit] = product(sent, unit_read.factor)
    assert set(found.values()) == {found["10*9/L"]}
