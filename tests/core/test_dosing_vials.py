"""Vials of one time are one dose, and what may be one administration twice is said to be so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from refnot_fhir.wording.dosing import told
from refnot_fhir.wording.dosing import why as why_of
from tests.core.dosing_builders import codes, day, given, on_day, record


def vials(*amounts: int, minutes: int = 5, number: int = 0) -> list:
    return [
        given(number, amount, id=f"v{place}", minute=place * minutes)
        for place, amount in enumerate(amounts)
    ]


def dated(*amounts: int, number: int = 0) -> list:
    return [
        replace(given(number, amount, id=f"d{place}"), given=on_day(number))
        for place, amount in enumerate(amounts)
    ]


FOUR = [100000] * 4


@pytest.mark.parametrize(
    ("doses", "iu", "deviations", "why"),
    [
        (vials(*FOUR), [400000], [], "four vials"),
        (vials(*FOUR, minutes=15), [400000], [], "within the hour of the first"),
        (vials(200000, 200000, minutes=60), [400000], [], "the hour included"),
        (
            vials(200000, 200000, 200000, minutes=40),
            [400000, 200000],
            ["extra-dose", "no-alternation", "wrong-dose"],
            "an hour from the first vial, not from the last",
        ),
        (dated(*FOUR), [400000], [], "four vials of one day"),
        ([*vials(*FOUR[:3]), *dated(100000)], [400000], [], "one of them without its time"),
        (vials(*FOUR[:3]), [300000], ["wrong-dose"], "a vial short"),
        (vials(800000), [800000], ["wrong-dose"], "one report of twice the dose"),
        (vials(400000, 100000), [500000], ["wrong-dose"], "a vial too many"),
        (vials(400000, 400000), [400000], ["possible-duplicate"], "twice the same"),
        (vials(*FOUR, *FOUR), [400000], ["possible-duplicate"], "all vials twice"),
        (vials(400000, *FOUR), [400000], ["possible-duplicate"], "the dose and its vials"),
        (dated(400000, 400000), [400000], ["possible-duplicate"], "twice on one day"),
        (
            [*vials(400000), *dated(400000)],
            [400000],
            ["possible-duplicate"],
            "with its time and without",
        ),
        (vials(*FOUR, 100000), [500000], ["possible-duplicate", "wrong-dose"], "a vial twice?"),
        (vials(300000, 500000), [800000], ["wrong-dose"], "no equal shares of a dose"),
        (
            vials(400000, 400000, minutes=61),
            [400000, 400000],
            ["extra-dose", "no-alternation"],
            "hours apart",
        ),
        (
            [*vials(400000, 400000, minutes=61), *dated(400000)],
            [400000, 400000, 400000],
            ["dose-not-evaluable", "extra-dose", "no-alternation"],
            "a third one at no known time",
        ),
    ],
)
def test_vials_of_one_time_are_one_dose_and_doubles_are_never_counted_silently(
    doses, iu, deviations, why
):
    found = record(doses, as_of=0)

    assert sorted(dose.amount for dose in found.doses) == sorted(map(Decimal, iu)), why
    assert sorted(one.code for one in found.deviations) == deviations, why
    assert found.cumulative == sum(map(Decimal, iu))
    # Where something was counted once that may have been given twice, the sum may be higher.
    assert found.cumulative_complete is (sum(d.amount for d in doses) == sum(iu))


def test_a_double_says_who_reported_it_and_how_it_was_counted():
    (duplicate,) = record(vials(400000, 400000), as_of=0).deviations

    assert [source.id for source in duplicate.sources] == ["v0", "v1"]
    assert "report 800000 IU at one time, where one dose is 400000 IU" in why_of(duplicate)
    assert "counted once, as 400000 IU" in why_of(duplicate)
    in_full = record(vials(*FOUR, 100000), as_of=0).deviations[0]
    assert "counted in full, as 500000 IU" in why_of(in_full)


def test_a_part_that_cannot_be_evaluated_leaves_the_dose_and_the_sum_open():
    found = record([*vials(100000, 100000), given(0, None, id="x")], as_of=0)

    assert [(dose.amount, told(dose.no_amount)) for dose in found.doses] == [
        (None, "dose not evaluable: no dose is said")
    ]
    assert codes(found) == [("dose-not-evaluable", 0)]
    assert (found.cumulative, found.cumulative_complete) == (Decimal(200000), False)


def test_a_dose_stopped_half_way_is_partial_and_counts_with_what_was_given():
    found = record([given(0, 200000, outcome="partial")], as_of=0)

    assert [(dose.outcome, dose.number) for dose in found.doses] == [("partial", 1)]
    assert codes(found) == [("wrong-dose", 0)]
    assert found.cumulative == Decimal(200000)


@pytest.mark.parametrize("outcome", ["pending", "unknown"])
def test_less_than_a_dose_has_no_amount_while_another_vial_may_be_part_of_it(outcome):
    vials = [given(0, 100000, id=f"v{number}") for number in range(3)]
    still = given(0, 100000, id="v3", minute=5, outcome=outcome)

    found = record([*vials, still])
    first = next(dose for dose in found.doses if dose.number)

    assert (first.amount, first.parts) == (None, tuple(vials))
    assert "MedicationAdministration/v3 may be a part of it" in told(first.no_amount)
    assert [one.code for one in first.deviations] == ["dose-not-evaluable"]
    assert (found.cumulative, found.cumulative_complete) == (300000, False)


def test_another_open_vial_takes_nothing_from_a_whole_dose_or_one_without_an_amount():
    open_ = given(0, 100000, id="v", outcome="pending")
    assert record([given(0), open_]).doses[0].amount == 400000
    untold = record([given(0, None), open_]).doses[0].no_amount
    assert told(untold) == "dose not evaluable: no dose is said"


def test_one_stopped_vial_makes_the_whole_dose_partial():
    doses = vials(100000, 100000, 100000, 50000)

    (dose,) = record([*doses[:3], replace(doses[3], outcome="partial")], as_of=0).doses

    assert (dose.outcome, dose.amount, len(dose.parts)) == ("partial", Decimal(350000), 4)


def test_vials_around_midnight_are_one_dose_of_the_day_it_began():
    late = given(0, 200000, id="v1", hour=23, minute=50)
    later = given(1, 200000, id="v2", hour=0, minute=10)

    (dose,) = record([later, late]).doses

    assert (dose.on, dose.amount) == (day(0), Decimal(400000))


def test_what_parts_say_differently_is_not_said_of_the_dose():
    left, right = vials(200000, 200000)
    (dose,) = record(
        [replace(left, side="left", reason="slow"), replace(right, side="right", reason="slow")],
        as_of=0,
    ).doses

    assert (dose.route, dose.body_site, dose.side) == ("subcutaneous", "upper-arm", "")
    assert dose.reason == "slow"


def placed(*parts: tuple[int, str, str]) -> list:
    return [
        given(0, amount, id=f"p{place}", minute=place, body_site=body_site, side=side)
        for place, (amount, body_site, side) in enumerate(parts)
    ]


LEFT, RIGHT = ("upper-arm", "left"), ("upper-arm", "right")


@pytest.mark.parametrize(
    ("parts", "iu", "deviations", "why"),
    [
        ([(400000, *LEFT), (400000, *RIGHT)], 800000, ["wrong-dose"], "two sides"),
        ([(400000, *LEFT), (400000, "thigh", "left")], 800000, ["wrong-dose"], "two sites"),
        ([(100000, *LEFT)] * 4 + [(400000, *RIGHT)], 800000, ["wrong-dose"], "vials and a dose"),
        ([(400000, *LEFT), (400000, *LEFT)], 400000, ["possible-duplicate"], "one place"),
        ([(400000, *LEFT), (400000, "upper-arm", "")], 400000, ["possible-duplicate"], "no side"),
        ([(400000, *LEFT), (400000, "", "right")], 400000, ["possible-duplicate"], "no site"),
        (
            [(400000, *LEFT), (400000, *RIGHT), (400000, *RIGHT)],
            800000,
            ["possible-duplicate", "wrong-dose"],
            "one of the two twice",
        ),
        (
            [(400000, *LEFT), (200000, *RIGHT), (200000, "thigh", "left")],
            400000,
            ["possible-duplicate"],
            "shares of a dose, and a dose",
        ),
        ([(200000, *LEFT), (200000, *RIGHT)], 400000, [], "one dose in two places"),
    ],
)
def test_two_whole_doses_at_two_places_are_two_and_no_double(parts, iu, deviations, why):
    found = record(placed(*parts), as_of=0)

    assert [dose.amount for dose in found.doses] == [Decimal(iu)], why
    assert sorted(one.code for one in found.deviations) == deviations, why
    assert found.cumulative_complete is (sum(amount for amount, *_ in parts) == iu)
