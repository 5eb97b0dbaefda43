"""Doses against the schedule: courses, numbers, sums, what is due, and the record as a whole."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as over
from hypothesis import strategies as st

from refnot_fhir.core.values import When
from refnot_fhir.wording.dosing import why as why_of
from tests import builders as build
from tests.core.dosing_builders import (
    FULL_COURSE,
    codes,
    course,
    day,
    given,
    not_given,
    numbers,
    on_day,
    record,
)

EARLIER = datetime(1, 1, 2, tzinfo=UTC)


def test_a_course_as_planned_has_twelve_doses_and_no_deviation():
    found = record(course(*FULL_COURSE), as_of=60)

    assert codes(found) == []
    assert numbers(found) == [(1, number) for number in range(1, 13)]
    assert (found.given, found.planned) == (12, 12)
    assert (found.cumulative, found.cumulative_complete) == (Decimal(4800000), True)
    assert found.next_due is None
    assert found.first_given_on == day(0)
    assert [dose.planned for dose in found.doses] == [day(number) for number in FULL_COURSE]
    assert (found.site, found.patient, found.protocol) == ("hospital", "p1", "r2")


def test_no_dose_is_no_course_and_nothing_is_due():
    found = record([], as_of=0)

    assert (found.doses, found.deviations, found.given, found.planned) == ((), (), 0, 0)
    assert (found.next_due, found.first_given_on, found.cumulative) == (None, None, Decimal(0))


@pytest.mark.parametrize(
    "dose",
    [
        given(1, drug="nivolumab"),
        given(1, outcome="retracted"),
        given(9),
    ],
)
def test_other_drugs_retracted_doses_and_doses_to_come_are_not_seen(dose):
    assert numbers(record([given(0), dose], as_of=3)) == [(1, 1)]


@pytest.mark.parametrize(
    ("days", "as_of", "due", "why"),
    [
        ((0,), 0, (2, 3), "after the first"),
        ((0, 2, 4), 28, None, "its weeks are over"),
        ((0, 2, 4), 27, (6, 7), "overdue"),
        (FULL_COURSE, 26, None, "complete"),
        ((*FULL_COURSE, 60), 60, (62, 63), "of the second course"),
    ],
)
def test_the_next_dose_is_due_two_or_three_days_after_the_last(days, as_of, due, why):
    expected = None if due is None else (day(due[0]), day(due[1]))

    assert record(course(*days), as_of=as_of).next_due == expected, why


@pytest.mark.parametrize("outcome", ["unknown", "given"])
def test_nothing_is_due_while_another_dose_may_have_been_later(outcome):
    unclear = given(When(EARLIER, build.moment(day(9)).latest, "/2010-03-10"), outcome=outcome)

    assert record([given(0), unclear], as_of=9).next_due is None


def test_a_course_begins_after_a_complete_one_whose_weeks_are_over_and_its_sums_go_on():
    found = record(course(*FULL_COURSE, 27), as_of=27)

    assert numbers(found)[-2:] == [(1, 12), (1, 13)]
    found = record(course(*FULL_COURSE, 28, 30), as_of=30)
    assert numbers(found)[-2:] == [(2, 1), (2, 2)]
    assert (found.given, found.planned) == (14, 24)
    assert found.cumulative == Decimal(5600000)


@pytest.mark.parametrize(
    ("blocks", "expected", "why"),
    [
        (((0, 4), (21, 4), (42, 4)), [12], "three blocks with pauses are one course with gaps"),
        (((0, 4), (21, 4)), [8], "so are two, so far"),
        (((0, 6), (30, 6), (60, 12)), [12, 12], "what is complete is over"),
        (((0, 6), (30, 12)), [6, 12], "they do not fit into one"),
        (((0, 11), (40, 11)), [11, 11], "nor do these"),
        (((0, 6), (24, 12)), [12, 6], "a pause of thirteen days is none"),
        (((0, 6), (25, 12)), [6, 12], "one of fourteen days is"),
        (((0, 4), (62, 4)), [8], "a pause of 55 days"),
        (((0, 4), (63, 4)), [4, 4], "a pause of 56 days"),
        (((0, 4), (21, 4), (42, 4), (56, 12)), [12, 12], "what has its doses is full"),
        (((0, 4), (21, 4), (42, 4), (56, 6)), [12, 6], "whatever the next has so far"),
        (((0, 8), (30, 4), (39, 12)), [12, 12], "even if the next follows at once"),
        (((0, 4), (21, 4), (42, 4), (51, 1)), [12, 1], "and one more dose is of the next"),
        (((0, 6), (30, 12), (58, 12)), [6, 12, 12], "whole courses one after the other"),
    ],
)
def test_blocks_of_doses_are_one_course_if_they_fit_into_one(blocks, expected, why):
    days = [first + FULL_COURSE[at] for first, count in blocks for at in range(count)]

    found = numbers(record(course(*days)))

    assert [sum(one == of for one, _ in found) for of in range(1, len(expected) + 1)] == expected
    assert [number for _, number in found] == [n + 1 for size in expected for n in range(size)], why


def test_three_blocks_of_four_doses_are_one_course_with_long_intervals():
    days = [first + number for first in (0, 21, 42) for number in FULL_COURSE[:4]]

    found = record(course(*days), as_of=60)

    assert (found.given, found.planned, found.next_due) == (12, 12, None)
    assert {code for code, _ in codes(found)} == {"missed-dose", "long-interval"}
    assert [at for code, at in codes(found) if code == "long-interval"] == [21, 42]


def test_a_conform_course_after_one_with_gaps_only_awaits_its_confirmation():
    days = [first + number for first in (0, 21, 42) for number in FULL_COURSE[:4]]

    found = record(course(*days, *(56 + number for number in FULL_COURSE)), as_of=82)

    assert [code for code, at in codes(found) if at >= 50] == ["second-course-unconfirmed"]
    assert {dose.course for dose in found.doses} == {1, 2}


# -- dates that are not certain


def within(first: int, last: int, **changes: object):
    return given(build.whole_days(day(first), day(last)), id="vague", **changes)


@pytest.mark.parametrize(
    ("vague", "expected", "why"),
    [
        (within(1, 3), [(1, 1), (1, None), (1, 2), (1, 3)], "may be before or after day 2"),
        (within(3, 3), [(1, 1), (1, 2), (1, 3), (1, 4)], "a certain day needs no time"),
        (within(5, 30), [(1, 1), (1, 2), (1, 3), (1, 4)], "surely the last"),
        (given(None, id="vague"), [(1, None), (1, 1), (1, 2), (1, 3)], "no date at all"),
        (
            given(When(EARLIER, build.moment(day(3)).latest, "/x"), id="vague"),
            [(1, None), (1, 1), (1, 2), (1, 3)],
            "only an end",
        ),
    ],
)
def test_a_dose_has_a_number_only_where_its_place_is_certain(vague, expected, why):
    found = record([*course(0, 2, 4), vague], as_of=6)

    assert numbers(found) == expected, why
    assert found.given == 4
    assert ("dose-not-evaluable" in [one.code for one in found.deviations]) is (
        (1, None) in expected
    )


def test_a_dose_of_an_uncertain_day_has_no_date_and_no_interval_that_is_not_certain():
    found = record([*course(0, 2), within(4, 5), given(8)], as_of=8)

    assert [dose.on for dose in found.doses] == [day(0), day(2), None, day(8)]
    assert [dose.planned for dose in found.doses] == [day(0), day(2), None, day(8)]
    assert codes(found) == []


def test_an_uncertain_day_that_is_off_schedule_either_way_is_a_deviation():
    found = record([*course(0, 2), within(7, 8)], as_of=9)

    assert codes(found) == [("long-interval", None)]
    assert "5 to 6 days after the last dose" in why_of(found.deviations[0])


def test_the_course_of_a_dose_whose_first_day_is_uncertain_counts_no_weeks():
    found = record([within(0, 1), *course(3, 5, 7, 9)], as_of=9)

    assert numbers(found)[-1] == (1, 5)
    assert codes(found) == []


def test_vials_that_say_no_day_are_one_dose_only_if_they_can_be():
    month = build.whole_days(day(0), day(30))
    four = [given(month, 100000, id=f"v{n}") for n in range(4)]

    assert [dose.amount for dose in record(four).doses] == [Decimal(400000)]
    assert [dose.number for dose in record(four).doses] == [1]
    five = [given(month, 100000, id=f"v{n}") for n in range(5)]
    assert numbers(record(five)) == [(1, None)] * 5
    assert {one.code for one in record(five).deviations} == {"dose-not-evaluable"}
    assert record(five).planned == 12
    unknown = [given(month, None, id=f"v{n}") for n in range(2)]
    assert len(record(unknown).doses) == 2


def test_more_than_a_dose_is_a_wrong_dose_even_on_an_unknown_day():
    found = record([given(0), given(None, 500000, id="vague")], as_of=0)

    assert codes(found) == [("dose-not-evaluable", None), ("wrong-dose", None)]
    assert "no time does not tell its place" in why_of(found.deviations[0])


# -- what was not given


def test_a_dose_not_done_is_missed_and_never_counts():
    found = record([given(0), not_given(2), given(5)], as_of=5)

    assert [(dose.outcome, dose.number, dose.planned) for dose in found.doses] == [
        ("given", 1, day(0)),
        ("not-given", None, day(2)),
        ("given", 2, day(3)),
    ]
    assert (found.given, found.cumulative) == (2, Decimal(800000))
    assert codes(found) == [("missed-dose", 2), ("long-interval", 5)]
    assert why_of(found.deviations[0]) == "reported as not given: fever"
    assert found.cumulative_complete


def test_four_vials_not_given_on_one_day_are_one_missed_dose():
    missed = [not_given(2, id=f"n{hour}", hour=hour) for hour in (9, 12, 15)]

    found = record([given(0), *missed], as_of=2)

    assert len(found.doses) == 2
    assert [one.code for one in found.deviations] == ["missed-dose"]
    assert len(found.deviations[0].sources) == 3


def test_a_pending_dose_is_kept_and_counts_for_nothing():
    found = record([given(0), given(2, None, outcome="pending")], as_of=2)

    assert [(dose.outcome, dose.number) for dose in found.doses] == [
        ("given", 1),
        ("pending", None),
    ]
    assert codes(found) == []
    assert found.next_due == (day(2), day(3))


def test_a_dose_of_unknown_outcome_leaves_the_sum_open():
    found = record([given(0), given(2, outcome="unknown", reason="denied")], as_of=2)

    assert [(dose.outcome, dose.number) for dose in found.doses] == [
        ("given", 1),
        ("unknown", None),
    ]
    assert why_of(found.deviations[0]) == "it is not known whether it was given: denied"
    assert (found.cumulative, found.cumulative_complete) == (Decimal(400000), False)


# -- laws, which hold however busy the machine is

AT_LEISURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

DOSES = st.lists(
    st.builds(
        lambda number, amount, hour, outcome, certain: replace(
            given(number, amount, hour=hour, outcome=outcome),
            **({} if certain else {"given": on_day(number)}),
        ),
        number=st.integers(0, 70),
        amount=st.sampled_from([None, 100000, 200000, 400000, 500000]),
        hour=st.integers(8, 11),
        outcome=st.sampled_from(["given", "given", "given", "partial", "not-given", "unknown"]),
        certain=st.booleans(),
    ),
    max_size=30,
).map(
    lambda doses: [
        replace(dose, source=replace(dose.source, id=f"a{place}"))
        for place, dose in enumerate(doses)
    ]
)


@AT_LEISURE
@over(doses=DOSES, seed=st.integers(0, 1000))
def test_the_record_does_not_depend_on_the_order_of_arrival(doses, seed):
    shuffled = list(doses)
    random.Random(seed).shuffle(shuffled)  # noqa: S311

    assert record(shuffled, as_of=80) == record(doses, as_of=80)


@AT_LEISURE
@over(doses=DOSES)
def test_every_administration_is_in_exactly_one_dose_and_every_deviation_says_why(doses):
    found = record(doses, as_of=80)

    parts = [part.source.id for dose in found.doses for part in dose.parts]
    assert sorted(parts) == sorted(dose.source.id for dose in doses)
    assert all(why_of(one) for one in found.deviations)
    assert found.given == sum(dose.outcome in ("given", "partial") for dose in found.doses)
    amounts = [d.amount or Decimal(0) for d in doses if d.outcome in ("given", "partial")]
    assert found.cumulative <= sum(amounts)
    numbered = [(dose.course, dose.number) for dose in found.doses if dose.number]
    assert len(set(numbered)) == len(numbered)


@AT_LEISURE
@over(gaps=st.lists(st.sampled_from([2, 3]), min_size=11, max_size=11))
def test_a_course_on_schedule_never_has_an_interval_deviation_or_a_missed_dose(gaps):
    days = [0]
    for gap in gaps:
        days.append(days[-1] + gap)

    found = record(course(*days), as_of=200)

    assert {one.code for one in found.deviations} <= {"extra-dose", "no-alternation"}
    assert found.next_due is None
    assert timedelta(0) < found.doses[-1].on - found.first_given_on
