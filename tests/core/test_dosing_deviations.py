"""Every code of a deviation: what brings it up, what does not, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from refnot_fhir.core.dosing.record import follow
from refnot_fhir.wording.dosing import why as why_of
from tests import builders as build
from tests.core.dosing_builders import (
    FIRST,
    FULL_COURSE,
    codes,
    course,
    day,
    given,
    not_given,
    on_day,
    record,
)


def vague(first: int, last: int):
    return given(build.whole_days(day(first), day(last)), id="vague")


def at(number: int, body_site: str = "", side: str = ""):
    return given(number, body_site=body_site, side=side)


@pytest.mark.parametrize(
    ("doses", "as_of", "expected", "why"),
    [
        # amount
        ([given(0, 200000)], 0, [("wrong-dose", 0)], "half a dose"),
        ([given(0, 400001)], 0, [("wrong-dose", 0)], "one unit more"),
        ([given(0, None)], 0, [("dose-not-evaluable", 0)], "no amount"),
        # route and site
        ([given(0, route="other")], 0, [("wrong-route", 0)], "another route"),
        ([given(0, route="")], 0, [], "a route that is not said"),
        ([at(0, "other", "left")], 0, [("wrong-site", 0)], "another site"),
        ([at(0)], 0, [], "a site that is not said"),
        # alternation
        (
            [at(0, "thigh", "left"), at(2, "thigh", "left")],
            2,
            [("no-alternation", 2)],
            "the same place twice",
        ),
        ([at(0, "thigh", "left"), at(2, "thigh", "right")], 2, [], "another side"),
        ([at(0, "thigh", "left"), at(2, "upper-arm", "left")], 2, [], "another site"),
        ([at(0, "thigh", "left"), at(2, "thigh")], 2, [], "a side that is not said"),
        ([at(0, "thigh"), at(2, "thigh")], 2, [], "no side is said at all"),
        ([at(0, "", "left"), at(2, "", "left")], 2, [], "no site is said"),
        (
            [at(0, "thigh", "left"), at(56, "thigh", "left")],
            56,
            [
                *[("missed-dose", number) for number in (*range(3, 28, 3), 27, 27)],
                ("long-interval", 56),
                ("no-alternation", 56),
                ("second-course-unconfirmed", 56),
            ],
            "the last dose of another course that was not complete",
        ),
        # intervals
        (course(0, 1), 1, [("short-interval", 1)], "the next day"),
        (course(0, 2, 5), 5, [], "two and three days"),
        (course(0, 4), 4, [("long-interval", 4), ("no-alternation", 4)], "a day late"),
        (course(0, 5), 5, [("long-interval", 5)], "two days late"),
        (course(0, 6), 6, [("missed-dose", 3), ("long-interval", 6)], "one surely missed"),
        (course(0, 9), 9, [("missed-dose", 3), ("missed-dose", 6), ("long-interval", 9)], "two"),
        (
            [*course(0, 6), not_given(2)],
            6,
            [("missed-dose", 2), ("long-interval", 6)],
            "reported, so not said twice",
        ),
        (
            [*course(0, 6), given(3, None, outcome="pending")],
            6,
            [("long-interval", 6)],
            "something was reported in between",
        ),
        (
            [*course(0, 6), given(None, id="x")],
            6,
            [("long-interval", 6), ("dose-not-evaluable", None)],
            "something may have been given in between",
        ),
        (
            [given(0), not_given(0, id="n", hour=8), given(2)],
            2,
            [("missed-dose", 0)],
            "later given",
        ),
        # a course that breaks off
        (course(0, 2), 5, [], "due until today"),
        (course(0, 2), 6, [("missed-dose", 5)], "due until yesterday"),
        ([*course(0, 2), not_given(4)], 6, [("missed-dose", 4)], "reported"),
        ([*course(0, 2), not_given(6)], 6, [("missed-dose", 6)], "reported today"),
        (
            [*course(0, 2), not_given(2, id="n", hour=8)],
            6,
            [("missed-dose", 2), ("missed-dose", 5)],
            "what was reported for the last dose's day is not about the next",
        ),
        (
            [*course(0, 2), not_given(1)],
            6,
            [("missed-dose", 1), ("missed-dose", 5)],
            "nor what was reported before",
        ),
        (
            course(0),
            400,
            [("missed-dose", number) for number in (*range(3, 28, 3), 27, 27)],
            "up to the last day of its four weeks",
        ),
        (
            course(0, 2, 5, 7, 10),
            400,
            [("missed-dose", number) for number in (*range(13, 26, 3), 27, 27)],
            "and not on the first day after them",
        ),
        (course(*FULL_COURSE[:-1]), 27, [("missed-dose", 26)], "the twelfth"),
        (
            course(*range(0, 21, 2)),
            40,
            [("extra-dose", 6), ("extra-dose", 20), ("missed-dose", 23)],
            "never more than the course has",
        ),
        (
            [*course(0), vague(3, 4), *course(9)],
            9,
            [("long-interval", 9)],
            "counted from the last day it may have been",
        ),
        (
            [*course(0), vague(18, 19)],
            19,
            [
                *[("missed-dose", number) for number in (3, 6, 9, 12, 15)],
                ("long-interval", None),
            ],
            "counted to the first day it may have been",
        ),
        # too many
        (course(0, 2, 4, 6), 6, [("extra-dose", 6)], "four in a week"),
        (course(0, 2, 4, 7, 9, 11), 11, [], "three in each of two weeks"),
        (course(0, 3, 5, 7, 9), 9, [], "weeks begin with the course"),
        (
            [given(0), given(0, id="b", hour=18, side="right")],
            0,
            [("extra-dose", 0)],
            "two on one day",
        ),
        (
            [given(0), given(0, id="b", hour=10)],
            0,
            [("possible-duplicate", 0)],
            "two at one time",
        ),
        (
            course(*FULL_COURSE, 27),
            27,
            [("course-overrun", 27), ("extra-dose", 27)],
            "a thirteenth dose within the four weeks",
        ),
        (
            course(*FULL_COURSE, 28),
            28,
            [("second-course-unconfirmed", 28)],
            "the first of another course, on schedule",
        ),
        (
            course(*FULL_COURSE, *(28 + one for one in FULL_COURSE)),
            53,
            [("second-course-unconfirmed", 28)],
            "a conform second course",
        ),
        (
            [*course(*FULL_COURSE), given(28, body_site="thigh")],
            28,
            [("second-course-unconfirmed", 28)],
            "three days after the last",
        ),
        (
            [*course(*FULL_COURSE), given(30, id="x", side="left", body_site="upper-arm")],
            30,
            [("second-course-unconfirmed", 30)],
            "after a complete course nothing was due, so that nothing is late",
        ),
        (
            [*course(*FULL_COURSE[:-1]), given(27, body_site="upper-arm"), given(28)],
            28,
            [
                ("long-interval", 27),
                ("second-course-unconfirmed", 28),
                ("short-interval", 28),
            ],
            "a day after the last dose of the first course",
        ),
        (
            [*course(*FULL_COURSE[:-1]), given(28, id="x"), given(28, id="y", hour=18)],
            28,
            [
                ("extra-dose", 28),
                ("long-interval", 28),
                ("no-alternation", 28),
                ("second-course-unconfirmed", 28),
            ],
            "on the day of the last dose of the first course",
        ),
        (
            [*course(*FULL_COURSE), replace(given(28), body_site="upper-arm", side="right")],
            28,
            [("no-alternation", 28), ("second-course-unconfirmed", 28)],
            "at the place of the last dose of the first course",
        ),
        (
            course(*FULL_COURSE, 39),
            39,
            [("second-course-unconfirmed", 39)],
            "a second course",
        ),
        (
            course(*FULL_COURSE, *(39 + number for number in FULL_COURSE), 78, 80),
            80,
            [("second-course-unconfirmed", 39), ("course-overrun", 78), ("course-overrun", 80)],
            "a third course",
        ),
        (
            [given(0, outcome="unknown")],
            0,
            [("dose-not-evaluable", 0)],
            "nobody knows whether it was given",
        ),
    ],
)
def test_each_departure_from_the_schedule_is_one_deviation(doses, as_of, expected, why):
    found = record(doses, as_of=as_of)

    assert codes(found) == expected, why
    assert all(why_of(one) for one in found.deviations)


def test_a_deviation_names_the_administrations_it_is_about_and_a_silent_one_none():
    found = record([given(0, route="other", id="iv"), *course(6)], as_of=6)

    assert [(one.code, [source.id for source in one.sources]) for one in found.deviations] == [
        ("wrong-route", ["iv"]),
        ("missed-dose", []),
        ("long-interval", ["a6-10-0"]),
    ]
    assert [why_of(one) for one in found.deviations] == [
        "MedicationAdministration/iv was not given as subcutaneous",
        "due by 2010-03-04, and nothing was reported",
        "6 days after the last dose, 2 or 3 are on schedule",
    ]


def test_vials_of_one_dose_with_one_fault_are_one_deviation():
    vials = [
        given(0, 100000, id=f"v{n}", minute=n, route="other", body_site="other", side="left")
        for n in range(4)
    ]
    vials[3] = replace(vials[3], body_site="thigh")

    found = record(vials, as_of=0)

    assert [(one.code, len(one.sources)) for one in found.deviations] == [
        ("wrong-route", 4),
        ("wrong-site", 3),
    ]
    assert why_of(found.deviations[1]) == (
        "MedicationAdministration/v0, MedicationAdministration/v1, MedicationAdministration/v2 "
        "were not given into thigh or upper-arm"
    )


def test_numbers_are_said_in_plain_words():
    found = record([*course(0), given(1, "4.5E+5")], as_of=1)

    whys = [why_of(one) for one in found.deviations]
    assert "1 day after the last dose, 2 or 3 are on schedule" in whys
    assert "450000 IU given, 400000 IU is the dose" in whys
    assert all("1 days" not in why for why in whys)


def test_what_is_not_as_the_rule_has_it_is_said_with_the_rule():
    found = record([given(0, None, body_site="other", no_amount=None, id="x")], as_of=0)

    assert [why_of(one) for one in found.deviations] == [
        "no amount is known",
        "MedicationAdministration/x was not given into thigh or upper-arm",
    ]


def test_a_dose_carries_its_own_deviations_and_the_record_all_of_them():
    found = record([given(0, 1, route="other", body_site="other"), *course(6)], as_of=6)

    assert [[one.code for one in dose.deviations] for dose in found.doses] == [
        ["wrong-dose", "wrong-route", "wrong-site"],
        ["long-interval"],
    ]
    assert len(found.deviations) == 5


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((0, 1), [0, 2]),
        ((0, 2), [0, 2]),
        ((0, 3), [0, 3]),
        ((0, 5), [0, 3]),
        ((0, 14), [0, 3]),
        ((0, 56), [0, 56]),
    ],
)
def test_a_dose_was_planned_for_the_nearest_day_on_schedule(days, expected):
    found = record(course(*days))

    assert [(dose.planned - FIRST).days for dose in found.doses] == expected


def test_tolerance_is_the_rulebooks_to_give():
    rule = replace(build.PROTOCOL.dosing, tolerance=Decimal(100))
    protocol = replace(build.PROTOCOL, dosing=rule)

    def found(amount: int) -> list[str]:
        chart = build.chart(doses=(given(0, amount),))
        return [one.code for one in follow(protocol, chart, day(0)).deviations]

    assert [found(amount) for amount in (399899, 399900, 400100, 400101)] == [
        ["wrong-dose"],
        [],
        [],
        ["wrong-dose"],
    ]


def test_a_dose_before_eligible_is_one_on_whose_day_a_criterion_was_known_to_fail():
    child = build.person(f"{FIRST.year - 10}-01-01")

    found = record([*course(0, 2)], as_of=2, person=child)

    assert codes(found) == [("dose-before-eligible", 0)]
    assert why_of(found.deviations[0]) == "on that day not eligible: IN03"
    assert [len(dose.deviations) for dose in found.doses] == [1, 0]


def test_what_is_only_unknown_on_the_day_is_no_deviation():
    assert codes(record(course(0), as_of=0, person=None)) == []


def test_eligibility_is_asked_again_for_every_course_and_never_for_an_uncertain_day():
    seventy_five = build.person(str(FIRST - timedelta(days=76 * 365 - 10)))
    doses = [*course(*FULL_COURSE), *course(60)]

    found = record(doses, as_of=60, person=seventy_five)

    assert codes(found) == [("dose-before-eligible", 60), ("second-course-unconfirmed", 60)]
    found = record([*course(*FULL_COURSE), vague(60, 61)], as_of=61, person=seventy_five)
    assert codes(found) == [("second-course-unconfirmed", None)]


def test_a_date_without_a_time_is_enough_for_every_rule_that_counts_days():
    doses = [replace(given(number), given=on_day(number)) for number in (0, 1, 3)]

    assert codes(record(doses)) == [("short-interval", 1)]
