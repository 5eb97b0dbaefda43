"""Schedules other than that of R-2: any unit, places or none, windows, several doses a day."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from refnot_fhir.core.dosing.record import follow
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.rules import AnotherCourse, DosingRule
from refnot_fhir.wording.dosing import why
from tests import builders as build
from tests.core.dosing_builders import codes, day, given, on_day

WEEKLY = DosingRule(
    drug="refnot",
    dose=Decimal(80),
    unit="mg",
    tolerance=Decimal(4),
    routes=frozenset({"intravenous", "oral"}),
    body_sites=frozenset(),
    sides=frozenset(),
    alternate=frozenset(),
    doses_per_course=4,
    doses_per_week=1,
    doses_per_day=1,
    weeks_per_course=4,
    courses=3,
    another_course=AnotherCourse.ANYWAY,
    gap_days=frozenset({7}),
    early_days=1,
    late_days=2,
    new_course_after_days=21,
    longest_pause_days=60,
    course_break_days=14,
    same_dose_minutes=60,
)


def dose(number: int, **changes: object):
    """A dose as WEEKLY has it."""
    amount = changes.pop("amount", "80")
    return given(number, amount, route="intravenous", **changes)


def record(*doses, rule: DosingRule = WEEKLY, as_of: int) -> DosingRecord:
    protocol = replace(build.PROTOCOL, dosing=rule)
    return follow(protocol, build.chart(doses=doses), day(as_of))


def whys(found: DosingRecord) -> list[str]:
    return [why(one) for one in found.deviations]


def test_amounts_are_told_in_the_unit_of_the_protocol() -> None:
    found = record(dose(0), dose(7, amount="84"), dose(14, amount="84.5"), as_of=14)

    assert (found.unit, found.cumulative) == ("mg", Decimal("248.5"))
    assert whys(found) == ["84.5 mg given, 80 mg is the dose"]


@pytest.mark.parametrize(
    ("second", "deviations"),
    [
        (5, ["extra-dose", "short-interval"]),
        (6, []),
        (9, []),
        (10, ["long-interval", "missed-dose"]),
    ],
)
def test_a_dose_may_be_so_many_days_early_or_late(second: int, deviations: list[str]) -> None:
    found = record(dose(0), dose(second), as_of=second)

    interval = [code for code, _ in codes(found) if code != "missed-dose"]
    assert interval == [code for code in deviations if code != "missed-dose"]
    assert found.doses[1].planned == day(7)


def test_the_next_dose_is_due_within_its_window_and_missed_after_it() -> None:
    assert record(dose(0), as_of=0).next_due == (day(6), day(9))
    assert codes(record(dose(0), as_of=9)) == []
    assert codes(record(dose(0), as_of=10)) == [("missed-dose", 9)]


def test_an_early_dose_counts_for_the_week_in_which_it_is_due() -> None:
    assert codes(record(dose(0), dose(6), dose(13), dose(20), as_of=20)) == []


def test_where_the_place_does_not_matter_none_is_wrong_and_what_is_said_is_kept() -> None:
    found = record(
        dose(0, body_site="abdomen", side="left"),
        dose(7, body_site="abdomen", side="left"),
        as_of=7,
    )

    assert codes(found) == []
    assert [(one.body_site, one.side) for one in found.doses] == [("abdomen", "left")] * 2


def test_any_of_several_routes_is_right_and_another_is_called_other() -> None:
    by_mouth, strange = replace(dose(7), route="oral"), replace(dose(14), route="subcutaneous")

    found = record(dose(0), by_mouth, strange, as_of=14)

    assert [one.route for one in found.doses] == ["intravenous", "oral", "other"]
    assert whys(found) == ["MedicationAdministration/a14-10-0 was not given as intravenous or oral"]


def test_a_side_can_be_wrong_although_the_place_is_right() -> None:
    rule = replace(WEEKLY, body_sites=frozenset({"thigh"}), sides=frozenset({"right"}))
    left = dose(0, body_site="thigh", side="left")

    found = record(left, dose(7, body_site="thigh", side=""), rule=rule, as_of=7)

    assert codes(found) == [("wrong-site", 0)]
    assert whys(found) == ["MedicationAdministration/a0-10-0 was not given into the right side"]


@pytest.mark.parametrize(
    ("alternate", "second", "deviates"),
    [
        ({"side"}, ("upper-arm", "left"), True),
        ({"side"}, ("thigh", "right"), False),
        ({"body-site"}, ("thigh", "right"), True),
        ({"body-site"}, ("upper-arm", "left"), False),
        ({"body-site", "side"}, ("thigh", "left"), True),
        ({"side"}, ("thigh", ""), False),
        (set(), ("thigh", "left"), False),
    ],
)
def test_what_must_alternate_is_what_the_protocol_names(
    alternate: set[str], second: tuple[str, str], deviates: bool
) -> None:
    rule = replace(WEEKLY, alternate=frozenset(alternate))
    doses = (
        dose(0, body_site="thigh", side="left"),
        dose(7, body_site=second[0], side=second[1]),
    )

    found = record(*doses, rule=rule, as_of=7)

    assert codes(found) == ([("no-alternation", 7)] if deviates else [])


def test_another_course_may_begin_without_anybody_s_word() -> None:
    doses = [dose(number) for number in (0, 7, 14, 21, 28, 35, 42, 49)]

    found = record(*doses, as_of=49)

    assert [(one.course, one.number) for one in found.doses][3:5] == [(1, 4), (2, 1)]
    assert codes(found) == []
    confirmed = replace(WEEKLY, another_course=AnotherCourse.WITHOUT_PROGRESSION)
    assert codes(record(*doses, rule=confirmed, as_of=49)) == [("second-course-unconfirmed", 28)]


@pytest.mark.parametrize(
    ("days", "courses", "why"),
    [
        ((0, 7, 40, 47, 54, 61), [1, 1, 2, 2, 2, 2], "a week is no break: the four are a course"),
        ((0, 7, 40, 47, 61, 68), [1, 1, 1, 1, 2, 2], "two weeks are one, after a full course"),
    ],
)
def test_the_protocol_says_how_long_a_break_ends_a_course(
    days: tuple[int, ...], courses: list[int], why: str
) -> None:
    found = record(*map(dose, days), as_of=days[-1])

    assert [one.course for one in found.doses] == courses, why


def test_two_doses_a_day_are_on_schedule_where_the_protocol_has_them() -> None:
    twice = replace(
        WEEKLY, doses_per_day=2, doses_per_week=14, gap_days=frozenset({1}), early_days=0,
        late_days=0, doses_per_course=56,
    )  # fmt: skip
    doses = [dose(0), dose(0, hour=20), dose(1), dose(1, hour=16), dose(1, hour=22)]

    found = record(*doses, rule=twice, as_of=1)

    assert whys(found) == ["dose 3 of one day, 2 are on schedule"]


def test_a_dose_without_a_certain_day_is_no_second_one_of_its_day() -> None:
    vague = replace(dose(0), given=build.whole_days(day(7), day(8)))

    assert "extra-dose" not in dict(codes(record(dose(0), vague, as_of=8)))


def test_a_whole_day_is_a_day() -> None:
    later = replace(dose(7), given=on_day(7))

    assert codes(record(dose(0), later, as_of=7)) == []


@over(
    early=st.integers(0, 3),
    late=st.integers(0, 5),
    gaps=st.frozensets(st.integers(4, 30), min_size=1, max_size=3),
)
def test_the_days_on_schedule_are_all_days_within_a_window(
    early: int, late: int, gaps: frozenset[int]
) -> None:
    rule = replace(WEEKLY, gap_days=gaps, early_days=early, late_days=late)

    found = rule.days_on_schedule

    assert gaps <= found
    assert (min(found), max(found)) == (min(gaps) - early, max(gaps) + late)
    assert all(any(gap - early <= day <= gap + late for gap in gaps) for day in found)
