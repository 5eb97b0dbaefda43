"""Drugs beside the study drug that the arm of the patient does not allow."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from refnot_fhir.core.dosing.record import follow
from refnot_fhir.core.facts import Dose, MedicationUse, Outcome, Use
from refnot_fhir.core.rules import Prohibition
from tests import builders as build
from tests.core.dosing_builders import day, given, on_day
from tests.small_rulebook import PROTOCOL

NEVER = Prohibition("alone", "chemotherapy")
AFTER_FOUR_WEEKS = Prohibition("with", "chemotherapy", 28)
RULE = replace(PROTOCOL.dosing, prohibited=(NEVER, AFTER_FOUR_WEEKS))
STUDY = replace(PROTOCOL, dosing=RULE, criteria=())


def chemotherapy(number: int | None, **said: Any) -> Dose:
    """An administration of chemotherapy so many days after the first dose of the study drug."""
    said = {"drug": "", "shown": "cisplatin", "classes": ("chemotherapy",), "id": "c", **said}
    return given(number, None, **said)


def taken(use: Use = Use.TAKEN, **said: Any) -> MedicationUse:
    """A statement, an order or a dispense of chemotherapy."""
    return build.used(use, ("chemotherapy",), shown="capecitabine", **said)


def found(
    *facts: Dose | MedicationUse,
    arm: str = "alone",
    study_drug: tuple[Dose, ...] = (given(0), given(2)),
    as_of: int = 60,
    ended_on: date | None = None,
) -> list[tuple[str, tuple[str, ...], date | None]]:
    """Reason, references and day of each prohibited medication."""
    doses = [one for one in facts if isinstance(one, Dose)]
    uses = tuple(one for one in facts if isinstance(one, MedicationUse))
    chart = replace(
        build.chart(doses=(*study_drug, *doses), medications=uses), arm=arm, ended_on=ended_on
    )
    return [
        (one.reasons[0].code, tuple(source.reference for source in one.sources), one.on)
        for one in follow(STUDY, chart, day(as_of)).deviations
        if one.code == "prohibited-medication"
    ]


@pytest.mark.parametrize(
    ("arm", "number", "expected"),
    [
        ("alone", -1, None),
        ("alone", 0, "prohibited-in-arm"),
        ("alone", 59, "prohibited-in-arm"),
        ("with", -1, None),
        ("with", 0, "prohibited-before"),
        ("with", 27, "prohibited-before"),
        ("with", 28, None),
        ("", 5, None),
    ],
)
def test_chemotherapy_counts_while_the_arm_does_not_allow_it(
    arm: str, number: int, expected: str | None
) -> None:
    told = found(chemotherapy(number), arm=arm)
    assert told == ([(expected, ("MedicationAdministration/c",), day(number))] if expected else [])


@pytest.mark.parametrize(
    "dose",
    [
        chemotherapy(5, outcome=Outcome.NOT_GIVEN),
        chemotherapy(5, outcome=Outcome.PENDING),
        chemotherapy(5, outcome=Outcome.UNKNOWN),
        chemotherapy(5, outcome=Outcome.RETRACTED),
        chemotherapy(5, classes=("immunotherapy",)),
        chemotherapy(5, classes=(), unclear=("chemotherapy",)),
        chemotherapy(5, drug="refnot", shown="Refnot"),
        chemotherapy(None),
    ],
)
def test_what_is_not_surely_given_chemotherapy_is_no_deviation(dose: Dose) -> None:
    assert found(dose) == []


def test_a_part_given_counts() -> None:
    assert found(chemotherapy(5, outcome=Outcome.PARTIAL)) != []


def test_a_statement_counts_that_it_was_taken_on_such_a_day() -> None:
    assert found(taken(began=day(5))) == [
        ("prohibited-in-arm", ("MedicationStatement/s1",), day(5))
    ]
    assert found(taken(began=day(-30), ended=day(3))) != []
    assert found(taken(began=day(-30), ended=day(-1), recorded=day(5))) == []
    assert found(taken(began=None, recorded=day(5))) == []


@pytest.mark.parametrize("use", [Use.ORDERED, Use.SUPPLIED, Use.INTENDED, Use.UNKNOWN])
def test_an_order_or_a_dispense_is_no_deviation(use: Use) -> None:
    assert found(taken(use, began=day(5))) == []


def test_a_day_known_within_bounds_counts_only_if_all_of_them_do() -> None:
    within = build.whole_days(day(2), day(6))
    across = build.whole_days(day(-2), day(6))
    assert found(taken(began=within)) == [("prohibited-in-arm", ("MedicationStatement/s1",), None)]
    assert found(taken(began=across, is_over=True)) == []


def test_what_is_given_after_the_end_or_after_today_does_not_count() -> None:
    assert found(chemotherapy(5), ended_on=day(4)) == []
    assert found(chemotherapy(5), ended_on=day(5)) != []
    assert found(chemotherapy(5), as_of=4) == []


def test_nothing_counts_before_a_dose_of_the_study_drug() -> None:
    missed = given(0, None, outcome=Outcome.NOT_GIVEN)
    assert found(chemotherapy(5), study_drug=(missed,)) == []


def test_a_dose_of_no_day_may_have_begun_the_four_weeks_earlier() -> None:
    undated = given(None, id="u")
    assert found(chemotherapy(5), arm="with", study_drug=(given(0), undated)) == []
    assert found(chemotherapy(5), arm="alone", study_drug=(given(0), undated)) != []


def test_the_day_of_the_first_dose_may_be_known_as_a_whole_day() -> None:
    assert found(chemotherapy(0), study_drug=(given(on_day(0)),)) != []
