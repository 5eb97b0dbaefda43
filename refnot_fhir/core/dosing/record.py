"""Was the drug given as the protocol says: courses, doses, and every departure from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.moments import source_key
from refnot_fhir.core.days import shifted
from refnot_fhir.core.death import days_of_death, nothing_due_from
from refnot_fhir.core.dosing.administrations import Occasion, fits, occasions, sum_of
from refnot_fhir.core.dosing.courses import (
    Place,
    days_of,
    deviation,
    of_administration,
    of_dose,
    one_of,
    place_of,
    places,
    planned_on,
    wrong_dose,
)
from refnot_fhir.core.dosing.missed import Course, courses_of, unreported
from refnot_fhir.core.facts import Dose
from refnot_fhir.core.results import Deviation, DosingRecord, ProtocolDose
from refnot_fhir.core.rules import DosingRule, Protocol
from refnot_fhir.core.translate.study import of_another_study
from refnot_fhir.core.values import DaySpan


def follow(protocol: Protocol, chart: Chart, as_of: date) -> DosingRecord:
    """The study drug's doses of one patient against the schedule, as known on `as_of`.

    Only administrations of the protocol's drug count; retracted ones, those tagged with another
    study and not with this one, and those after `as_of` never do.
    Vials of one time are one dose. Doses are numbered within their course in order of time; a dose
    that may have been before or after another keeps its facts and has no number, and the others
    are numbered as if it were not there. Intervals are days between given doses: a missed dose
    never counts as given, whether it was reported as not done or not at all. A week is a protocol
    week: days 1 to 7, 8 to 14 … of the course.
    """
    rule = protocol.dosing
    found = occasions(_of_study(protocol, chart, as_of), rule, chart.zone)
    placed = places(found, rule)
    numbered = {id(place.occasion): place for place in placed}
    others = [occasion for occasion in found if id(occasion) not in numbered]
    ends, death = nothing_due_from(chart), days_of_death(chart)
    courses = courses_of(placed, others, rule, ends)
    doses = tuple(
        _after_death(
            _numbered(numbered[id(occasion)], protocol, chart)
            if id(occasion) in numbered
            else _unnumbered(occasion, courses, rule, ends),
            occasion,
            death,
        )
        for occasion in found
    )
    deviations = [
        *unreported(courses, as_of),
        *(d for o in doses for d in o.deviations),
    ]
    given = [occasion for occasion in found if occasion.administered]
    return DosingRecord(
        site=chart.site,
        patient=chart.patient,
        protocol=protocol.id,
        doses=doses,
        deviations=tuple(sorted(deviations, key=_by_date)),
        cumulative_iu=sum_of(occasion.known_iu for occasion in given),
        cumulative_complete=all(map(_fully_known, found)),
        given=len(given),
        planned=_planned(placed, given, rule),
        next_due=_next_due(courses, others, rule, as_of),
        first_given_on=placed[0].occasion.on if placed else None,
    )


def _of_study(protocol: Protocol, chart: Chart, as_of: date) -> Iterator[Dose]:
    for dose in chart.doses:
        begun = dose.given is None or dose.given.days(chart.zone).first <= as_of
        counts = dose.drug == protocol.dosing.drug and dose.outcome != "retracted"
        if begun and counts and not of_another_study(dose, protocol):
            yield dose


def _fully_known(occasion: Occasion) -> bool:
    if occasion.administered:
        return occasion.iu is not None and not occasion.counted_once
    return occasion.outcome != "unknown"


def _planned(placed: Sequence[Place], given: Sequence[Occasion], rule: DosingRule) -> int:
    """All doses of the courses begun, of the only one if all that is known is that it was."""
    begun = placed[-1].course if placed else int(bool(given))
    return begun * rule.doses_per_course


def _next_due(
    courses: Sequence[Course], others: Iterable[Occasion], rule: DosingRule, as_of: date
) -> tuple[date, date] | None:
    """Days on schedule after the last dose.

    None when its course is complete, ended or over, and when another dose may have been later.
    """
    if not courses or courses[-1].is_over(as_of):
        return None
    place = courses[-1].doses[-1]
    last = place.occasion
    if place.number >= rule.doses_per_course or last.on is None:
        return None
    unclear = (one for one in others if one.administered or one.outcome == "unknown")
    if any(one.latest > last.latest for one in unclear):
        return None
    return shifted(last.on, min(rule.gap_days)), shifted(last.on, max(rule.gap_days))


def _after_death(dose: ProtocolDose, occasion: Occasion, death: DaySpan | None) -> ProtocolDose:
    """The dose, with the deviation that it was surely given after the patient's death."""
    first = days_of(occasion)[0]
    if death is None or not occasion.administered or first <= death.last:
        return dose
    when = f"on {death.text}" if death.text else f"by {death.last}"
    why = f"given, and the patient is recorded as having died {when}"
    found = (*dose.deviations, deviation("dose-after-death", why, occasion))
    return replace(dose, deviations=tuple(sorted(found, key=_by_date)))


def _numbered(place: Place, protocol: Protocol, chart: Chart) -> ProtocolDose:
    rule = protocol.dosing
    deviations = [*of_dose(place, rule), *_before_eligible(place, protocol, chart)]
    return replace(
        _dose(place.occasion, deviations),
        course=place.course,
        number=place.number,
        planned=planned_on(place, rule),
    )


def _unnumbered(
    occasion: Occasion, courses: Sequence[Course], rule: DosingRule, ends: date | None
) -> ProtocolDose:
    """What is no dose of a course, with the course that it falls into, or the first."""
    begun = [one for one in courses if one.doses[0].occasion.earliest <= occasion.earliest]
    ended = begun[-1].ends if begun else ends
    due = ended is None or days_of(occasion)[0] < ended
    dose = _dose(occasion, list(_of_unnumbered(occasion, rule, due=due)))
    course = begun[-1].doses[0].course if begun else 1
    return replace(dose, course=course, planned=None if occasion.administered else occasion.on)


def _of_unnumbered(occasion: Occasion, rule: DosingRule, *, due: bool) -> Iterator[Deviation]:
    reason = _reason(occasion)
    if occasion.outcome == "not-given" and due:
        why = "reported as not given" + (f": {reason}" if reason else "")
        yield deviation("missed-dose", why, occasion)
    elif occasion.outcome == "unknown":
        why = "it is not known whether it was given" + (f": {reason}" if reason else "")
        yield deviation("dose-not-evaluable", why, occasion)
    elif occasion.administered:
        yield from of_administration(occasion, rule)
        when = occasion.parts[0].given
        sent = f"“{when.text}”" if when else "no time"
        why = f"given, but {sent} does not tell its place among the doses"
        yield deviation("dose-not-evaluable", why, occasion)
        # Less than a dose may be a vial of one whose other vials say their time.
        if occasion.known_iu > rule.dose_iu and not fits(occasion.known_iu, rule):
            yield wrong_dose(occasion, occasion.known_iu, rule)


def _dose(occasion: Occasion, deviations: list[Deviation]) -> ProtocolDose:
    body_site, side = place_of(occasion)
    return ProtocolDose(
        course=1,
        number=None,
        outcome=occasion.outcome,
        iu=occasion.iu,
        no_iu=occasion.no_iu,
        parts=occasion.parts,
        on=occasion.on,
        route=one_of(part.route for part in occasion.parts),
        body_site=body_site,
        side=side,
        reason=_reason(occasion),
        deviations=tuple(sorted(deviations, key=_by_date)),
    )


def _reason(occasion: Occasion) -> str:
    return "; ".join(dict.fromkeys(part.reason for part in occasion.parts if part.reason))


def _before_eligible(place: Place, protocol: Protocol, chart: Chart) -> Iterator[Deviation]:
    """Whether, on the day a course began, a criterion was known not to be satisfied."""
    on = place.occasion.on
    if place.number != 1 or on is None:
        return
    assessment = assess(protocol, chart, on)
    against = [one.criterion for one in assessment.results if one.speaks_against]
    if assessment.standing == "ineligible":
        why = f"on that day not eligible: {', '.join(against)}"
        yield deviation("dose-before-eligible", why, place.occasion)


def _by_date(one: Deviation) -> tuple[date, str, tuple[tuple[str, ...], ...], str]:
    return one.on or date.max, one.code, tuple(map(source_key, one.sources)), one.why
