"""Was the drug given as the protocol says: courses, doses, and every departure from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    places,
    planned_on,
    wrong_dose,
)
from refnot_fhir.core.dosing.missed import Course, courses_of, unreported
from refnot_fhir.core.dosing.participation import (
    missed,
    of_another_course,
    of_participation,
    relative_dose_intensity,
    with_consents,
)
from refnot_fhir.core.dosing.prohibited import of_other_drugs
from refnot_fhir.core.dosing.results import (
    Deviation,
    DeviationCode,
    DosingReason,
    DosingRecord,
    ProtocolDose,
)
from refnot_fhir.core.facts import Dose, Outcome
from refnot_fhir.core.rules import DosingRule, Protocol
from refnot_fhir.core.translate.place import OTHER
from refnot_fhir.core.translate.study import of_another_study
from refnot_fhir.core.values import DaySpan, Reason


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
    of_study = list(_of_study(protocol, chart, as_of))
    if not of_study:
        return DosingRecord(chart.site, chart.patient, protocol.id, rule.unit)
    found = occasions(of_study, rule, chart.zone)
    placed = places(found, rule)
    numbered = {id(place.occasion): place for place in placed}
    others = [occasion for occasion in found if id(occasion) not in numbered]
    courses = courses_of(placed, others, rule, nothing_due_from(chart))
    doses = tuple(_each(found, numbered, courses, protocol, chart))
    given = [occasion for occasion in found if occasion.administered]
    deviations = [
        *unreported(courses, as_of),
        *(d for o in doses for d in o.deviations),
        *of_other_drugs(protocol, chart, given, as_of),
    ]
    return DosingRecord(
        site=chart.site,
        patient=chart.patient,
        protocol=protocol.id,
        unit=rule.unit,
        doses=doses,
        deviations=tuple(sorted(deviations, key=_by_date)),
        cumulative=sum_of(occasion.known for occasion in given),
        cumulative_complete=all(map(_fully_known, found)),
        given=len(given),
        missed=missed(deviations),
        intensity=relative_dose_intensity(courses, rule, as_of),
        planned=_planned(placed, given, rule),
        next_due=_next_due(courses, others, rule, as_of),
        first_given_on=placed[0].occasion.on if placed else None,
    )


def _each(
    found: Sequence[Occasion],
    numbered: Mapping[int, Place],
    courses: Sequence[Course],
    protocol: Protocol,
    chart: Chart,
) -> Iterator[ProtocolDose]:
    """Each occasion as the protocol counts it; `numbered` are those that have a place, by id."""
    ends, death = nothing_due_from(chart), days_of_death(chart)
    chart = with_consents(chart, protocol)
    begun = _begun(numbered.values(), chart)
    for one in found:
        place = numbered.get(id(one))
        dose = (
            _unnumbered(one, courses, protocol.dosing, ends)
            if place is None
            else _numbered(place, protocol, begun)
        )
        yield _outside(dose, one, chart, death)


def _of_study(protocol: Protocol, chart: Chart, as_of: date) -> Iterator[Dose]:
    for dose in chart.doses:
        begun = dose.given is None or dose.given.days(chart.zone).first <= as_of
        counts = dose.drug == protocol.dosing.drug and dose.outcome != Outcome.RETRACTED
        if begun and counts and not of_another_study(dose.studies, protocol):
            yield dose


def _fully_known(occasion: Occasion) -> bool:
    if occasion.administered:
        return occasion.amount is not None and not occasion.counted_once
    return occasion.outcome != Outcome.UNKNOWN


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
    unclear = (one for one in others if one.administered or one.outcome == Outcome.UNKNOWN)
    if any(one.latest > last.latest for one in unclear):
        return None
    due = rule.days_on_schedule
    return shifted(last.on, min(due)), shifted(last.on, max(due))


def _outside(
    dose: ProtocolDose, occasion: Occasion, chart: Chart, death: DaySpan | None
) -> ProtocolDose:
    """The dose, with the deviations that it was given after death, or outside the participation."""
    found = [*_after_death(occasion, death), *of_participation(occasion, chart)]
    if not found:
        return dose
    return replace(dose, deviations=tuple(sorted((*dose.deviations, *found), key=_by_date)))


def _after_death(occasion: Occasion, death: DaySpan | None) -> Iterator[Deviation]:
    """That a dose was surely given after the patient's death."""
    if death is None or not occasion.administered or days_of(occasion)[0] <= death.last:
        return
    if death.text:
        why = Reason(DosingReason.AFTER_DEATH_ON, (("died", death.text),))
    else:
        why = Reason(DosingReason.AFTER_DEATH_BY, (("died", death.last.isoformat()),))
    yield deviation(DeviationCode.DOSE_AFTER_DEATH, occasion, why)


def _begun(numbered: Iterable[Place], chart: Chart) -> Chart:
    """The chart with the day of enrolment; where none is known, that of the first dose counted."""
    if chart.enrolled_on is not None:
        return chart
    days = [it.occasion.on for it in numbered if it.occasion.on is not None]
    return replace(chart, enrolled_on=min(days, default=None))


def _numbered(place: Place, protocol: Protocol, chart: Chart) -> ProtocolDose:
    rule = protocol.dosing
    deviations = [
        *of_dose(place, rule),
        *of_another_course(place, rule, chart),
        *_before_eligible(place, protocol, chart),
    ]
    return replace(
        _dose(place.occasion, deviations, rule),
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
    dose = _dose(occasion, list(_of_unnumbered(occasion, rule, due=due)), rule)
    course = begun[-1].doses[0].course if begun else 1
    return replace(dose, course=course, planned=None if occasion.administered else occasion.on)


def _of_unnumbered(occasion: Occasion, rule: DosingRule, *, due: bool) -> Iterator[Deviation]:
    if occasion.outcome == Outcome.NOT_GIVEN and due:
        why = _because(DosingReason.NOT_GIVEN, DosingReason.NOT_GIVEN_BECAUSE, occasion)
        yield deviation(DeviationCode.MISSED_DOSE, occasion, why)
    elif occasion.outcome == Outcome.UNKNOWN:
        why = _because(DosingReason.UNKNOWN, DosingReason.UNKNOWN_BECAUSE, occasion)
        yield deviation(DeviationCode.DOSE_NOT_EVALUABLE, occasion, why)
    elif occasion.administered:
        yield from of_administration(occasion, rule)
        when = occasion.parts[0].given
        why = Reason(DosingReason.UNDATED)
        if when is not None:
            why = Reason(DosingReason.UNPLACED, (("said", when.text),))
        yield deviation(DeviationCode.DOSE_NOT_EVALUABLE, occasion, why)
        # Less than a dose may be a vial of one whose other vials say their time.
        if occasion.known > rule.dose and not fits(occasion.known, rule):
            yield wrong_dose(occasion, occasion.known, rule)


def _because(code: DosingReason, with_words: DosingReason, occasion: Occasion) -> Reason:
    """The reason, with what the hospital says about it if it says anything."""
    said = _reason(occasion)
    return Reason(with_words, (("said", said),)) if said else Reason(code)


def _dose(occasion: Occasion, deviations: list[Deviation], rule: DosingRule) -> ProtocolDose:
    route = one_of(_among(part.route, rule.routes) for part in occasion.parts)
    body_site = one_of(_among(part.body_site, rule.body_sites) for part in occasion.parts)
    return ProtocolDose(
        course=1,
        number=None,
        outcome=occasion.outcome,
        amount=occasion.amount,
        no_amount=occasion.no_amount,
        parts=occasion.parts,
        on=occasion.on,
        route=route,
        body_site=body_site,
        side=one_of(part.side for part in occasion.parts),
        reason=_reason(occasion),
        deviations=tuple(sorted(deviations, key=_by_date)),
    )


def _among(name: str, known: frozenset[str]) -> str:
    """A name of the protocol, `other` for any else; whatever is said, if the protocol names none.

    Empty when nothing is said.
    """
    return name if not name or not known or name in known else OTHER


def _reason(occasion: Occasion) -> str:
    return "; ".join(dict.fromkeys(part.reason for part in occasion.parts if part.reason))


def _before_eligible(place: Place, protocol: Protocol, chart: Chart) -> Iterator[Deviation]:
    """Whether, on the day a course began, a criterion was known not to be satisfied."""
    on = place.occasion.on
    if place.number != 1 or on is None:
        return
    assessment = assess(protocol, chart, on)
    if assessment.standing == "ineligible":
        against = (one.criterion for one in assessment.results if one.speaks_against)
        why = Reason(DosingReason.NOT_ELIGIBLE, tuple(("criterion", name) for name in against))
        yield deviation(DeviationCode.DOSE_BEFORE_ELIGIBLE, place.occasion, why)


def _by_date(one: Deviation) -> tuple[date, str, tuple[tuple[str, ...], ...]]:
    return one.on or date.max, one.code, tuple(map(source_key, one.sources))
