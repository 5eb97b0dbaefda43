"""Labs computed from others of the same sample."""

from __future__ import annotations

from decimal import Decimal

import pytest

from refnot_fhir.core.criteria.derive import derived
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.values import Interval
from tests.builders import TODAY, days_ago, lab_result, moment, protocol, source, whole_days, worded
from tests.sentences import refused, spelled
from tests.small_rulebook import DERIVATIONS

PROTOCOL = protocol(derivations=DERIVATIONS)


def compute(*labs: Measurement) -> list[Measurement]:
    readings: dict[str, list[Measurement]] = {}
    for reading in labs:
        readings.setdefault(reading.analyte, []).append(reading)
    return derived(PROTOCOL, readings)


def white_cells(value: str = "8.0", **changes: object) -> Measurement:
    return lab_result("white-cells", value, id="w", **changes)  # type: ignore[arg-type]


def percent(value: str = "55", id: str = "p", **changes: object) -> Measurement:
    return lab_result("granulocytes-percent", value, id=id, **changes)  # type: ignore[arg-type]


def test_a_derived_value_names_its_formula_and_its_sources() -> None:
    (found,) = compute(
        white_cells(issued=moment(TODAY, 9)), percent(issued=moment(TODAY, 10), specimen="blood")
    )
    assert (found.analyte, found.unit) == ("granulocytes", "10*9/L")
    assert found.value == Interval.exactly(Decimal("4.4"))
    assert spelled(found.formula) == (
        "granulocytes = white cells 8 10*9/L × (granulocytes percent 55 %) / 100"
    )
    assert found.derived_from == (source("w"), source("p"))
    assert found.issued == moment(TODAY, 10)
    assert (found.uln, worded(found.no_uln)) == (None, "a derived value has no reference range")


def test_parts_are_added_before_they_are_multiplied() -> None:
    (found,) = compute(
        white_cells("4"),
        lab_result("segmented-percent", "40", id="s"),
        lab_result("bands-percent", Interval(None, Decimal(10), high_open=True), id="b"),
    )
    assert found.analyte == "neutrophils"
    assert found.value == Interval(None, Decimal(2), False, True)
    assert "(segmented percent 40 % + bands percent <10 %)" in spelled(found.formula)


@pytest.mark.parametrize(
    ("labs", "why"),
    [
        ((white_cells(),), "no percentage"),
        ((percent(),), "no white cells"),
        ((white_cells(), percent(on=days_ago(1))), "another time"),
        ((white_cells(on=None), percent(on=None)), "no time"),
        ((white_cells(specimen="blood"), percent(specimen="marrow")), "another sample"),
    ],
)
def test_nothing_is_derived_from_what_does_not_surely_belong_together(
    labs: tuple[Measurement, ...], why: str
) -> None:
    assert compute(*labs) == [], why


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ((percent(), percent("56", id="q")), "parts-unclear"),
        (
            (
                percent(issued=moment(TODAY, 9)),
                lab_result("granulocytes-percent", not_usable="x", issued=moment(TODAY, 10)),
            ),
            "x",
        ),
        ((lab_result("granulocytes-percent"),), "parts-unclear"),
    ],
)
def test_what_is_derived_of_a_part_that_cannot_be_judged_cannot_be_judged(
    parts: tuple[Measurement, ...], code: str
) -> None:
    for order in (parts, parts[::-1]):
        (found,) = compute(white_cells(), *order)
        assert found.not_usable is not None
        assert (found.value, found.not_usable.code) == (None, code)
        assert refused(found.not_usable).startswith(
            "It would be derived from granulocytes percent: "
        )
        assert "granulocytes percent not usable" in spelled(found.formula)


def test_one_usable_derivation_of_a_lab_is_enough() -> None:
    (found,) = compute(
        white_cells(),
        lab_result("neutrophils-percent", "50", id="n"),
        lab_result("segmented-percent", not_usable="no-unit", id="s"),
        lab_result("bands-percent", "5", id="b"),
    )
    assert found.value == Interval.exactly(Decimal(4))


def test_the_last_publication_of_a_part_counts() -> None:
    (found,) = compute(
        white_cells(),
        percent("50", issued=moment(TODAY, 9)),
        percent("60", id="q", issued=moment(TODAY, 10)),
    )
    assert found.value == Interval.exactly(Decimal("4.8"))
    assert found.issued is None


def test_the_same_value_twice_is_one_part_whatever_the_order() -> None:
    twice = (percent("50.0", id="q"), percent("50"))
    assert compute(white_cells(), *twice) == compute(white_cells(), *reversed(twice))


DAY = whole_days(TODAY)


@pytest.mark.parametrize(
    ("white", "share", "count", "why"),
    [
        ({"on": DAY}, {"on": DAY}, 0, "one day, two resources"),
        ({"on": DAY}, {"on": DAY, "id": "w"}, 1, "one day, one resource"),
        ({"on": DAY, "sample": "s1"}, {"on": DAY, "sample": "s1"}, 1, "one day, one specimen"),
        ({"on": DAY, "sample": "s1"}, {"on": DAY}, 0, "one day, one names no specimen"),
        ({"sample": "s1"}, {"sample": "s1"}, 1, "one time, one specimen"),
        ({"sample": "s1"}, {}, 1, "one time, one names no specimen"),
        ({"sample": "s1"}, {"sample": "s2"}, 0, "one time, two specimens"),
        ({"sample": "#s1"}, {"sample": "#s2"}, 1, "what is inside is named for itself alone"),
        ({"sample": "#s1"}, {"sample": "#s2", "id": "w"}, 0, "two specimens inside one resource"),
        ({"on": DAY, "sample": "#s1"}, {"on": DAY, "sample": "#s1"}, 0, "two insides, one day"),
        ({"on": DAY, "sample": "#s"}, {"on": DAY, "sample": "#s", "id": "w"}, 1, "one inside"),
    ],
)
def test_parts_must_surely_be_of_one_collection(
    white: dict[str, object], share: dict[str, object], count: int, why: str
) -> None:
    assert len(compute(white_cells(**white), percent(**share))) == count, why
