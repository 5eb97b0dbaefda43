"""Doses against consent, enrolment and the end; another course with its assessment; adherence."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from refnot_fhir.core.dosing.record import follow
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.facts import Consent, ConsentState, Dose, Measurement
from refnot_fhir.core.rules import Criterion
from refnot_fhir.core.verdict import CriterionKind
from tests import builders as build
from tests.core.dosing_builders import FULL_COURSE, day, given, not_given
from tests.core.test_screening_consents import IN06, consent
from tests.small_rulebook import PROTOCOL

RULE = replace(
    PROTOCOL.dosing,
    progression=frozenset({"progression"}),
    progressed=frozenset({"progressed"}),
    not_progressed=frozenset({"not-progressed"}),
)
STUDY = replace(PROTOCOL, dosing=RULE, criteria=())


def followed(
    *doses: Dose, labs: tuple[Measurement, ...] = (), as_of: int = 60, **days: date | None
) -> DosingRecord:
    """The dosing record of these doses, with what people decided."""
    chart = replace(build.chart(*labs, doses=doses), **days)  # type: ignore[arg-type]
    return follow(STUDY, chart, day(as_of))


def codes(found: DosingRecord) -> list[str]:
    """The codes of the deviations that are about the participation."""
    codes = [one.code.value for one in found.deviations]
    return [one for one in codes if one.startswith(("dose-before", "dose-after", "second"))]


def answer(said: str, number: int, **changes: Any) -> Measurement:
    """Whether the disease has progressed, answered so many days after the first dose."""
    stated = {"on": day(number), "unit": "", **changes}
    return build.lab_result("progression", None, answer=said, **stated)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({"consented_on": day(0), "enrolled_on": day(0), "ended_on": day(2)}, []),
        ({"consented_on": day(1)}, ["dose-before-consent"]),
        ({"enrolled_on": day(1)}, ["dose-before-enrolment"]),
        ({"consent_withdrawn_on": day(1)}, ["dose-after-consent-withdrawn"]),
        ({"ended_on": day(1)}, ["dose-after-off-study"]),
        ({"consented_on": day(3)}, ["dose-before-consent", "dose-before-consent"]),
    ],
)
def test_a_dose_outside_is_a_deviation(days: dict[str, date], expected: list[str]) -> None:
    found = followed(given(0), given(2), **days)
    assert codes(found) == expected
    for one in found.deviations:
        if one.code in expected:
            assert one.reasons[0].about[0][0] == "bound"


CONSENTED = replace(STUDY, criteria=(Criterion("IN06", CriterionKind.INCLUSION, "", "", "", IN06),))


def recorded(number: int, id: str = "n1", **said: Any) -> Consent:
    """A consent to the protocol, recorded so many days after the first dose."""
    return replace(consent(id=id, **said), given=build.moment(day(number)))


@pytest.mark.parametrize(
    ("consents", "days", "expected"),
    [
        ([recorded(0)], {}, []),
        ([recorded(1)], {}, ["dose-before-consent"]),
        ([recorded(1), recorded(-1, "n0")], {}, []),
        ([recorded(1)], {"consented_on": day(0)}, []),
        ([recorded(1, studies=("ResearchStudy/other",))], {}, []),
        ([recorded(1, unclear=True)], {}, []),
        ([recorded(1, permits=None)], {}, []),
        ([recorded(-1, state=ConsentState.ENDED, ends=build.whole_days(day(1)))], {},
         ["dose-after-consent-withdrawn"]),
        ([recorded(-1, state=ConsentState.ENDED)], {}, []),
        ([recorded(-9), recorded(0, "n2", state=ConsentState.REFUSED)], {},
         ["dose-after-consent-withdrawn"]),
        ([recorded(-9), recorded(0, "n2", permits=False)], {}, ["dose-after-consent-withdrawn"]),
        ([recorded(-9), recorded(-3, "n2", permits=False)], {"consented_on": day(-1)}, []),
        ([recorded(-3), recorded(-3, "n2", permits=False)], {}, []),
    ],
)  # fmt: skip
def test_a_consent_on_record_counts_where_people_stated_none(
    consents: list[Consent], days: dict[str, date], expected: list[str]
) -> None:
    chart = replace(build.chart(doses=(given(0), given(2)), consents=tuple(consents)), **days)
    found = follow(CONSENTED, chart, day(60))
    assert [one for one in codes(found) if "consent" in one] == expected


def test_what_was_not_given_or_has_no_day_is_none() -> None:
    outside = {"consented_on": day(5), "ended_on": day(-5)}
    assert codes(followed(not_given(0), given(None, id="undated"), **outside)) == []


def test_a_dose_without_a_place_may_be_outside_too() -> None:
    both = [given(build.whole_days(day(0), day(1)), id=name) for name in "ab"]
    assert "dose-before-consent" in codes(followed(*both, consented_on=day(3)))


SECOND = tuple(given(number) for number in (*FULL_COURSE, 30))


@pytest.mark.parametrize(
    ("labs", "expected"),
    [
        ([], "without-progression"),
        ([answer("not-progressed", 29)], None),
        ([answer("not-progressed", 30)], None),
        ([answer("not-progressed", 31)], "without-progression"),
        ([answer("not-progressed", -4)], "without-progression"),
        ([answer("progressed", 29)], "progressed"),
        ([answer("progressed", 10), answer("not-progressed", 29)], None),
        ([answer("not-progressed", 10), answer("progressed", 29)], "progressed"),
        ([answer("not-progressed", 29), answer("progressed", 29, id="o2")], "progressed"),
        ([answer("unsure", 29)], "without-progression"),
        ([answer("not-progressed", 29, not_usable="preliminary")], "without-progression"),
        ([answer("not-progressed", 29, on=None)], "without-progression"),
        ([build.lab_result(value="200", on=day(29))], "without-progression"),
    ],
)
def test_another_course_needs_an_answer_that_the_disease_has_not_progressed(
    labs: list[Measurement], expected: str | None
) -> None:
    found = followed(*SECOND, labs=tuple(labs))
    why = [it.reasons[0].code for it in found.deviations if it.code == "second-course-unconfirmed"]
    assert why == ([] if expected is None else [expected])


def test_adherence_says_what_was_missed_and_how_intense_it_was() -> None:
    whole = followed(*(given(number) for number in FULL_COURSE))
    assert (whole.given, whole.missed, whole.planned) == (12, 0, 12)
    assert whole.intensity == Decimal("100.0")
    half = followed(*(given(number, 200000) for number in FULL_COURSE))
    assert half.intensity == Decimal("50.0")
    sparse = followed(*(given(number) for number in FULL_COURSE if number != 9))
    assert (sparse.missed, sparse.intensity) == (1, Decimal("91.7"))


def test_adherence_is_silent_in_the_first_week_and_where_something_is_not_known() -> None:
    assert followed(given(0), given(2), as_of=3).intensity is None
    assert followed().intensity is None
    assert followed(given(0), given(7, None), as_of=9).intensity is None
    vague = build.whole_days(day(7), day(8))
    assert followed(given(0), given(vague, id="vague"), as_of=12).intensity is None
