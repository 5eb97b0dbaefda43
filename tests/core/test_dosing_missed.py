"""How many doses of a course were missed: what was reported so, and what nobody reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refnot_fhir.wording.dosing import why as why_of
from tests import builders as build
from tests.core.dosing_builders import (
    FULL_COURSE,
    codes,
    course,
    day,
    given,
    not_given,
    on_day,
    record,
)


def missed(found) -> list[int]:
    return [number for code, number in codes(found) if code == "missed-dose"]


@pytest.mark.parametrize(
    ("doses", "as_of", "expected", "why"),
    [
        (course(0), 27, [3, 6, 9, 12, 15, 18, 21, 24], "within its weeks: what was surely due"),
        (course(0), 28, [3, 6, 9, 12, 15, 18, 21, 24, 27, 27, 27], "its weeks are over: 1 + 11"),
        (course(0, 14), 14, [3, 6, 9], "a gap of one course"),
        (course(0, 56), 56, [*range(3, 28, 3), 27, 27], "another course began: 1 + 11"),
        (course(*FULL_COURSE[:3], *FULL_COURSE[4:]), 28, [], "the twelfth may be given today"),
        (course(*FULL_COURSE[:3], *FULL_COURSE[4:]), 29, [28], "a hole that nobody can place"),
        (course(*range(0, 31, 3)), 33, [], "a slow course: the twelfth is due until today"),
        (course(*range(0, 31, 3)), 34, [33], "a slow course: the twelfth"),
        (course(*range(0, 34, 3)), 40, [], "a slow course is complete"),
        ([*course(*FULL_COURSE[:11]), not_given(25)], 40, [25], "reported"),
        ([*course(*FULL_COURSE[:10]), not_given(23)], 40, [23, 27], "one reported, one not"),
        (
            [*course(*FULL_COURSE[:10]), not_given(21, id="n", hour=8)],
            40,
            [21, 24, 27],
            "a report beside a given dose is not about the next one",
        ),
        ([*course(*FULL_COURSE[:11]), given(26, None, outcome="pending")], 40, [], "pending"),
        ([not_given(-2), *course(*FULL_COURSE[:11])], 40, [-2, 26], "before the course"),
        (course(0, 9, *range(11, 30, 2)), 60, [3, 6], "made up for later"),
        (
            [*course(*FULL_COURSE[:11]), *course(*(40 + number for number in FULL_COURSE[:11]))],
            90,
            [26, 66],
            "each course for itself",
        ),
        (
            [given(on_day(0), id="a")],
            28,
            [3, 6, 9, 12, 15, 18, 21, 24, 27, 27, 27],
            "a day is enough",
        ),
    ],
)
def test_missed_and_given_doses_are_a_whole_course_once_it_is_over(doses, as_of, expected, why):
    assert missed(record(doses, as_of=as_of)) == expected, why


def test_a_missed_dose_says_whether_its_day_or_only_its_course_is_over():
    found = record(course(0), as_of=28)

    whys = [why_of(one) for one in found.deviations]
    assert whys[0] == "due by 2010-03-04, and nothing was reported"
    assert whys[-1] == "due by 2010-03-28, when its course was over, and nothing was reported"


# -- a course that ended

DEAD = build.person(deceased=True)
STOPPED = {"reason": "treatment discontinued", "ends_course": True}


def died(first: int, last: int | None = None):
    return replace(DEAD, died=build.whole_days(day(first), day(first if last is None else last)))


def known_dead(number: int):
    return replace(DEAD, dead_by=build.moment(day(number)).latest)


@pytest.mark.parametrize(
    ("who", "expected", "why"),
    [
        (died(60), [*range(7, 26, 3), 27, 27], "long after the course"),
        (died(27), [*range(7, 26, 3)], "on its last day: what was due before"),
        (died(10), [7], "nothing is due on the day of death"),
        (died(11), [7, 10], "what was due on the day before was"),
        (died(7, 20), [], "perhaps already on the seventh day"),
        (known_dead(10), [7], "known on the tenth day"),
        (known_dead(11), [7, 10], "known a day later"),
        (DEAD, [], "nobody knows since when"),
    ],
)
def test_nothing_is_missed_after_a_death(who, expected, why):
    found = record(course(0, 2, 4), as_of=90, person=who)

    assert missed(found) == expected, why
    assert found.next_due is None


@pytest.mark.parametrize(
    ("number", "expected", "why"),
    [
        (9, [9], "before: it stands for the one that was due by day 7"),
        (10, [7], "on the day of death"),
        (12, [7], "after it"),
    ],
)
def test_a_dose_reported_as_not_given_is_no_missed_one_from_the_death_on(number, expected, why):
    found = record([*course(0, 2, 4), not_given(number)], as_of=40, person=died(10))

    assert missed(found) == expected, why
    assert found.doses[-1].outcome == "not-given"


def test_something_is_due_until_the_death_is_reached():
    assert record(course(0, 2), as_of=3, person=died(10)).next_due == (day(4), day(5))
    assert record(course(0, 2), as_of=10, person=died(10)).next_due is None


@pytest.mark.parametrize(
    ("who", "expected", "why"),
    [
        (died(2), [("dose-after-death", 4)], "after the day of death"),
        (died(4), [], "on the day of death"),
        (died(3, 5), [], "perhaps before it"),
        (known_dead(2), [("dose-after-death", 4)], "after the death was known"),
        (known_dead(4), [], "on the day it was known"),
        (DEAD, [], "nobody knows since when"),
        (None, [], "nothing is known of the patient"),
    ],
)
def test_a_dose_after_death_is_a_deviation(who, expected, why):
    assert codes(record(course(0, 2, 4), as_of=4, person=who)) == expected, why


def test_a_dose_after_death_names_the_death_and_is_told_where_the_place_is_not_known_too():
    found = record(course(0, 2, 4), as_of=4, person=died(2))
    assert why_of(found.deviations[0]) == (
        "given, and the patient is recorded as having died on 2010-03-03"
    )
    found = record(course(0, 2, 4), as_of=4, person=known_dead(2))
    assert why_of(found.deviations[0]) == (
        "given, and the patient is recorded as having died by 2010-03-03"
    )
    vague = [given(build.whole_days(day(5), day(8)), id=id) for id in ("x", "y")]
    found = record(vague, as_of=9, person=died(2))
    assert [code for code, _ in codes(found)].count("dose-after-death") == 2


def test_nothing_is_missed_once_people_ended_the_participation():
    found = record(course(0, 2, 4), as_of=90, ended_on=day(9))
    assert (missed(found), found.next_due) == ([7], None)
    assert missed(record(course(0, 2, 4), as_of=90, ended_on=day(10))) == [7, 10]
    assert missed(record(course(0, 2, 4), as_of=90, ended_on=day(9), person=died(3))) == []


@pytest.mark.parametrize(
    ("doses", "expected", "why"),
    [
        ([*course(0, 2), not_given(4, **STOPPED)], [], "the report itself is the end"),
        ([*course(0, 2), not_given(7, **STOPPED)], [5], "what was due before it was missed"),
        (
            [*course(0), given(2, 200000, outcome="partial", **STOPPED)],
            [],
            "a dose that was stopped may be the last",
        ),
        (
            [*course(0, 2), not_given(4, **STOPPED), not_given(7, id="n")],
            [],
            "reports after the end are none",
        ),
        (
            [*course(0, 2), not_given(4, **STOPPED), given(6)],
            [4, *range(9, 28, 3), 27],
            "a dose given later takes the end back",
        ),
        (
            [*course(0, 2), not_given(4, **STOPPED), *course(60)],
            [*range(63, 85, 3), *[87] * 3],
            "the next course is another one",
        ),
    ],
)
def test_nothing_is_missed_of_a_course_that_was_discontinued(doses, expected, why):
    found = record(doses, as_of=90)

    assert missed(found) == expected, why


def test_nothing_is_due_of_a_course_that_was_discontinued():
    assert record([*course(0, 2), not_given(4, **STOPPED)], as_of=4).next_due is None
