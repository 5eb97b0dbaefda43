"""Doses against what people decided: consent, enrolment, the end, and another course; adherence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.consent import days_of_consent
from refnot_fhir.core.days import shifted
from refnot_fhir.core.dosing.administrations import Occasion
from refnot_fhir.core.dosing.courses import WEEK, Place, days_of, deviation
from refnot_fhir.core.dosing.missed import Course
from refnot_fhir.core.dosing.results import Deviation, DeviationCode, DosingReason
from refnot_fhir.core.exact import quotient
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.rules import AnotherCourse, DosingRule, Protocol
from refnot_fhir.core.values import Reason, reason


def with_consents(chart: Chart, protocol: Protocol) -> Chart:
    """The chart with the days of the consents on record where people stated none."""
    if not chart.consents:
        return chart
    given, ended = days_of_consent(protocol, chart)
    if ended is not None and chart.consented_on is not None and ended < chart.consented_on:
        ended = None
    return replace(
        chart,
        consented_on=chart.consented_on or given,
        consent_withdrawn_on=chart.consent_withdrawn_on or ended,
    )


def of_participation(occasion: Occasion, chart: Chart) -> Iterator[Deviation]:
    """Whether a dose was surely given outside the participation, or without a consent."""
    if not occasion.administered or not occasion.days:
        return
    first, last = days_of(occasion)
    for code, bound in (
        (DeviationCode.DOSE_BEFORE_CONSENT, chart.consented_on),
        (DeviationCode.DOSE_BEFORE_ENROLMENT, chart.enrolled_on),
    ):
        if bound is not None and last < bound:
            yield deviation(code, occasion, reason(DosingReason.BEFORE_DAY, bound=f"{bound}"))
    for code, bound in (
        (DeviationCode.DOSE_AFTER_CONSENT_WITHDRAWN, chart.consent_withdrawn_on),
        (DeviationCode.DOSE_AFTER_OFF_STUDY, chart.ended_on),
    ):
        if bound is not None and first > bound:
            yield deviation(code, occasion, reason(DosingReason.AFTER_DAY, bound=f"{bound}"))


def of_another_course(place: Place, rule: DosingRule, chart: Chart) -> Iterator[Deviation]:
    """Whether another course began without a record that the disease had not progressed.

    The newest answer counts that was given until the day on which the course began, and not longer
    before the last dose than a course lasts. Of two on one day the one that speaks against counts.
    """
    asked = rule.another_course == AnotherCourse.WITHOUT_PROGRESSION and place.number == 1
    if not asked or not 1 < place.course <= rule.courses:
        return
    course = ("course", str(place.course))
    newest = _newest_answers(place, rule, chart)
    answers = {one.answer for one in newest}
    if answers and answers <= rule.not_progressed:
        return
    why = Reason(DosingReason.WITHOUT_PROGRESSION, (course,))
    if answers & rule.progressed:
        found = newest[0].collected
        why = Reason(DosingReason.PROGRESSED, (course, ("said", found.text if found else "")))
    yield deviation(DeviationCode.SECOND_COURSE_UNCONFIRMED, place.occasion, why)


def _newest_answers(place: Place, rule: DosingRule, chart: Chart) -> list[Measurement]:
    """The answers of the newest day; those of several if it cannot be told which is the newest."""
    begins = days_of(place.occasion)[1]
    after = days_of(place.follows.occasion)[0] if place.follows else date.min
    after = shifted(after, -rule.weeks_per_course * WEEK)
    found = []
    for one in chart.labs:
        if one.analyte in rule.progression and one.not_usable is None and one.collected is not None:
            days = one.collected.days(chart.zone)
            if after <= days.first and days.last <= begins:
                found.append((days.last, days.first, one))
    newest = max((first for _, first, _ in found), default=date.min)
    return [one for last, _, one in found if last >= newest]


def relative_dose_intensity(
    courses: Sequence[Course], rule: DosingRule, as_of: date
) -> Decimal | None:
    """Percent of the dose of the protocol that was given in a day of the courses, to one place.

    A course lasts from its first dose until the next one would have been due at the latest, but not
    beyond `as_of`. None in the first week, and where an amount or a day is not known.
    """
    amount, days = Decimal(0), 0
    for course in courses:
        first, last = course.doses[0].occasion, course.doses[-1].occasion
        known = [place.occasion.amount for place in course.doses]
        if first.on is None or last.on is None or None in known:
            return None
        amount += sum(filter(None, known), Decimal(0))
        end = shifted(last.on, max(rule.gap_days))
        days += (min(end, shifted(as_of, 1)) - first.on).days
    if days < WEEK:
        return None
    planned = rule.dose * rule.doses_per_week * days
    return quotient(amount * WEEK * 100, planned).quantize(Decimal("0.1"))


def missed(deviations: Iterable[Deviation]) -> int:
    """How many doses were missed."""
    return sum(one.code is DeviationCode.MISSED_DOSE for one in deviations)
