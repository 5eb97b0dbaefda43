"""The two records: every field, nothing rounded in silence, and always by the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from refnot_fhir.core.facts import Outcome
from refnot_fhir.core.values import Interval, Reason, When, reason
from refnot_fhir.export.rows import MULTIPLE_PLACES, SCHEMAS, divided, dosing, schema
from tests.export.rows import LATE, NEVER, NOON, dose, observation, part, record, result, row_of

LATE_SAID = "4 days after the last dose, 2 or 3 are on schedule"
NOTHING = {"low": None, "low_included": False, "high": None, "high_included": False}


# jsonschema takes a Decimal for a number only if it is told to.
Exact = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "number", lambda _, value: isinstance(value, int | Decimal) and not isinstance(value, bool)
    ),
)


def check(record: str, row: Mapping[str, Any]) -> None:
    """Refuse a row that does not follow the schema of its record."""
    assert [error.message for error in Exact(schema(record)).iter_errors(row)] == []


def lab(**changed: Any) -> dict[str, Any]:
    row = row_of(result(**changed), subject="ResearchSubject/s1")
    check("eligibility-lab", row)
    return row


def dosing_rows(*args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    rows = list(dosing(record(*args, **kwargs)))
    for row in rows:
        check("dosing-record", row)
    return rows


def test_an_eligibility_lab_says_what_was_sent_and_what_it_means() -> None:
    assert lab() == {
        "subject": "ResearchSubject/s1",
        "patient": "Patient/p1",
        "analyte": "creatinine",
        "original": {"value": "90", "unit": "umol/L", "range": "50–120"},
        "standardised": {"value": Decimal(90), "unit": "umol/L", "range": None, "answer": None},
        "uln": {"value": Decimal(120), "unit": "umol/L", "missing": None},
        "uln_multiple": Decimal("0.75"),
        "uln_multiple_range": None,
        "usable": True,
        "not_usable": {"code": None, "why": None},
        "collected": {
            "earliest": "2026-05-04T09:00:00+00:00",
            "latest": "2026-05-04T09:00:00+00:00",
            "precision": "time",
            "text": "2026-05-04T12:00:00+03:00",
        },
        "issued": {"earliest": None, "latest": None, "precision": None, "text": None},
        "specimen": None,
        "derivation": {"formula": None, "sources": []},
        "notes": [],
        "source": {
            "site": "default",
            "reference": "Observation/o1",
            "version": "2",
            "part": None,
        },
        "protocol": None,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Interval(None, Decimal(30), high_open=True), NOTHING | {"high": Decimal(30)}),
        (Interval(None, Decimal(30)), NOTHING | {"high": Decimal(30), "high_included": True}),
        (Interval(Decimal(30), None, low_open=True), NOTHING | {"low": Decimal(30)}),
        (Interval(Decimal(30), None), NOTHING | {"low": Decimal(30), "low_included": True}),
    ],
    ids=["<30", "<=30", ">30", ">=30"],
)
def test_a_value_known_within_bounds_is_never_shown_as_a_number(
    value: Interval, expected: dict[str, Any]
) -> None:
    row = lab(value=value)
    assert row["standardised"]["value"] is None
    assert row["standardised"]["range"] == expected
    assert row["uln_multiple"] is None
    ends = {end: None if expected[end] is None else Decimal("0.25") for end in ("low", "high")}
    assert row["uln_multiple_range"] == expected | ends


def test_a_value_without_an_upper_limit_has_no_multiple_and_says_why() -> None:
    row = lab(uln=None, no_uln=reason("no-range"))
    assert row["uln"] == {
        "value": None,
        "unit": None,
        "missing": "no reference range was sent with the value",
    }
    assert row["uln_multiple"] is None


def test_an_unusable_value_says_why_and_keeps_what_was_sent() -> None:
    row = lab(value=None, unit="", uln=None, not_usable=reason("no-unit"))
    assert row["usable"] is False
    assert row["not_usable"] == {
        "code": "no-unit",
        "why": "The value has no unit, and none is ever assumed.",
    }
    assert row["original"]["value"] == "90"
    assert row["standardised"] == {"value": None, "unit": None, "range": None, "answer": None}


def test_an_answer_is_named_and_is_no_number() -> None:
    row = lab(value=None, unit="", uln=None, analyte="pregnancy-status", answer="not-pregnant")
    assert row["standardised"]["answer"] == "not-pregnant"
    assert row["standardised"]["unit"] is None


def test_a_derived_value_names_what_it_was_computed_from() -> None:
    sources = (observation("o2"), observation("o3", "component[1]"))
    notes = (reason("unit-read", unit="K/uL", ucum="10*3/uL"),)
    row = lab(formula="white cells x granulocytes %", derived_from=sources, notes=notes)
    assert row["derivation"]["sources"] == [
        "Observation/o2/_history/2",
        "Observation/o3/_history/2#component[1]",
    ]
    assert row["notes"] == ["unit K/uL read as 10*3/uL"]


def test_a_value_of_nobody_known_and_of_no_known_lab_is_exported_all_the_same() -> None:
    row = row_of(result(patient="", analyte="", specimen="urine", collected=None))
    check("eligibility-lab", row)
    assert (row["subject"], row["patient"], row["analyte"]) == (None, None, None)
    assert row["specimen"] == "urine"
    assert row["collected"]["text"] is None


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("2026", "year"),
        ("2026-05", "month"),
        ("2026-05-04", "day"),
        ("2026-05-04T12:00:00Z", "time"),
        ("2026-05-04T12:00:00Z/2026-05-04T13:00:00Z", "period"),
        ("2026-05-04/2026-05-05", "period"),
    ],
)
def test_a_moment_says_how_precisely_it_was_sent(text: str, precision: str) -> None:
    moment = datetime(2026, 5, 4, tzinfo=UTC)
    assert lab(collected=When(moment, moment, text))["collected"]["precision"] == precision


@pytest.mark.parametrize(
    ("value", "by", "expected"),
    [
        ("106.08", "70.72", "1.5"),
        ("1.2", "0.8", "1.5"),
        ("1", "1024", "0.0009765625"),
        ("100", "3", "33.333333"),
        ("2", "3", "0.666667"),
        ("0", "3", "0"),
        ("-5", "40", "-0.125"),
        ("1.10", "1", "1.1"),
    ],
)
def test_a_multiple_is_exact_when_it_ends_and_rounded_when_it_does_not(
    value: str, by: str, expected: str
) -> None:
    assert str(divided(Decimal(value), Decimal(by))) == expected


LEVELS = st.decimals("0.000001", "1000000", allow_nan=False, allow_infinity=False)


@given(LEVELS, LEVELS)
def test_a_multiple_is_the_quotient_or_as_near_as_its_digits_go(
    value: Decimal, by: Decimal
) -> None:
    error = abs(Fraction(divided(value, by)) - Fraction(value) / Fraction(by))
    assert error <= Fraction(1, 2 * 10**MULTIPLE_PLACES)


@given(LEVELS, st.integers(1, 10**6), st.integers(0, 12))
def test_a_multiple_with_an_end_multiplies_back(value: Decimal, twos: int, places: int) -> None:
    by = Decimal(2 ** (twos % 40)).scaleb(-places)
    assert Fraction(divided(value, by)) * Fraction(by) == Fraction(value)


def test_a_dose_says_what_was_given_where_and_when() -> None:
    (row,) = dosing_rows(dose(deviations=(LATE,)), deviations=(LATE,))
    assert row == {
        "subject": None,
        "patient": "Patient/p1",
        "site": "default",
        "protocol": "refnot-r2",
        "course": 1,
        "dose_number": 3,
        "status": "given",
        "dose_iu": Decimal(400000),
        "no_dose_iu": None,
        "vials": ["100000 [IU]", "100000 [IU]"],
        "route": "subcutaneous",
        "body_site": "thigh",
        "side": "left",
        "given_on": "2026-05-04",
        "given_at": [NOON.text, NOON.text],
        "planned_on": "2026-05-03",
        "reason": None,
        "deviations": [{"code": "long-interval", "why": LATE_SAID}],
        "sources": [
            "MedicationAdministration/m1/_history/1",
            "MedicationAdministration/m2/_history/1",
        ],
        "dose": Decimal(400000),
        "dose_unit": "[IU]",
        "no_dose": None,
    }


def test_a_dose_that_was_not_given_has_no_day_of_giving() -> None:
    missed = dose(outcome=Outcome.NOT_GIVEN, number=None, amount=None, reason="did not come")
    (row,) = dosing_rows(missed)
    assert (row["given_on"], row["planned_on"], row["reason"]) == (
        None,
        "2026-05-03",
        "did not come",
    )
    assert row["dose_number"] is None


def test_an_amount_that_cannot_be_told_says_why() -> None:
    untold = dose(amount=None, no_amount=(Reason("no-amount"),), parts=(part(given=None),))
    (row,) = dosing_rows(untold)
    assert (row["dose_iu"], row["no_dose_iu"]) == (None, "no amount is known")
    assert (row["dose"], row["no_dose"]) == (None, "no amount is known")
    assert row["given_at"] == []


def test_an_amount_in_another_unit_stands_in_no_column_of_international_units() -> None:
    in_mg = replace(record(dose(amount=Decimal("2.5"))), unit="mg")
    (row,) = dosing(in_mg)
    assert (row["dose"], row["dose_unit"], row["no_dose"]) == (Decimal("2.5"), "mg", None)
    assert (row["dose_iu"], row["no_dose_iu"]) == (None, None)


def test_a_deviation_of_no_dose_has_a_row_of_its_own() -> None:
    rows = dosing_rows(dose(deviations=(LATE,)), deviations=(LATE, NEVER))
    assert [row["status"] for row in rows] == ["given", "none"]
    said = "due by 2026-05-06, and nothing was reported"
    assert rows[1]["deviations"] == [{"code": "missed-dose", "why": said}]
    assert (rows[1]["course"], rows[1]["planned_on"]) == (None, "2026-05-06")


def test_a_deviation_of_no_dose_keeps_its_sources() -> None:
    elsewhere = replace(NEVER, sources=(part("m9").source,))
    (row,) = dosing_rows(deviations=(elsewhere,))
    assert row["sources"] == ["MedicationAdministration/m9/_history/1"]
    assert row["planned_on"] is None


def keywords(part: Any) -> Iterator[Mapping[str, Any]]:
    """Every subschema that a property, an item or a definition has."""
    if isinstance(part, Mapping):
        for name in ("properties", "$defs"):
            yield from part.get(name, {}).values()
        if isinstance(part.get("items"), Mapping):
            yield part["items"]
        for inner in part.values():
            yield from keywords(inner)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_keyword_of_a_record_is_described(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    found = list(keywords(schema(name)))
    assert found
    assert [part for part in found if not part.get("description")] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_record_has_an_address_and_no_room_for_more(name: str) -> None:
    assert schema(name)["$id"].endswith(f"/{name}.schema.json")
    assert schema(name)["additionalProperties"] is False
    assert set(schema(name)["required"]) == set(schema(name)["properties"])


def test_there_is_no_other_record() -> None:
    with pytest.raises(KeyError):
        schema("../records")
