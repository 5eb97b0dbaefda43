"""How many doses of a course were missed: what was reported so, and what nobody reported."""

from __future__ import annotations

import pytest

from tests.core.dosing_builders import FULL_COURSE, codes, course, given, not_given, on_day, record


def missed(found) -> list[int]:
    return [number for code, number in codes(found) if code == "missed-dose"]


@pytest.mark.parametrize(
    ("doses", "as_of", "expected", "why"),
    [
        (course(0), 27, [3, 6, 9, 12, 15, 18, 21, 24], "within its weeks: what was surely due"),
        (course(0), 28, [3, 6, 9, 12, 15, 18, 21, 24, 27, 27, 27], "its weeks are over: 1 + 11"),
        (course(0, 14), 14, [3, 6, 9, 12, *[13] * 7], "another course began: 1 + 11"),
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

    whys = [one.why for one in found.deviations]
    assert whys[0] == "due by 2010-03-04, and nothing was reported"
    assert whys[-1] == "due by 2010-03-28, when its course was over, and nothing was reported"
