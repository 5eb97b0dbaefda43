"""Courses of occasions, and where each one departs from the schedule.

Days are counted between given doses. Where a day is only known within bounds, an interval is a
deviation only if every day within them makes it one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import zip_longest

from refnot_fhir.core.days import shifted
from refnot_fhir.core.dosing.administrations import Occasion, fits
from refnot_fhir.core.dosing.results import Deviation, DeviationCode, DosingReason
from refnot_fhir.core.exact import shown
from refnot_fhir.core.facts import Dose
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import DosingRule
from refnot_fhir.core.values import Reason

WEEK = 7


@record
class Place:
    """One given dose in its course."""

    occasion: Occasion
    course: int
    number: int
    before: Place | None
    """The dose before it in the same course."""
    follows: Place | None
    """For the first dose of a later course: the last one of the course before."""
    week: int | None
    """Protocol week, counted from the course's first dose; None when a day is not certain."""
    in_week: int
    """The how-manyth dose of that week it is."""
    in_day: int
    """The how-manyth dose of its day it is, of all courses; 1 when the day is not certain."""


def places(occasions: Iterable[Occasion], rule: DosingRule) -> list[Place]:
    """Given occasions, in order of time, numbered within their courses.

    A course is `doses_per_course` doses in `weeks_per_course` weeks. The next one begins with the
    first dose after a complete course whose weeks are surely over, and after a pause of surely at
    least `longest_pause_days`. After one of at least `new_course_after_days` it does so unless the
    doses up to the next such pause go on with the course: then it is a gap. An occasion that may
    have been before or after another one has no place and is left out.
    """
    given = [occasion for occasion in occasions if occasion.administered and occasion.days]
    sure = [one for one in given if one.timed or not _ambiguous(one, given)]
    found: list[Place] = []
    ahead = _up_to_a_pause(sure, rule)
    for at, occasion in enumerate(sure):
        course = [place for place in found if place.course == found[-1].course]
        if not course or _is_over(course, sure[at : at + ahead[at]], rule):
            found.append(_first(occasion, found))
        else:
            found.append(_next(occasion, course, found, rule))
    return found


def _up_to_a_pause(given: Sequence[Occasion], rule: DosingRule) -> list[int]:
    """For every dose, how many there are from it on up to the next pause."""
    counts: list[int] = []
    for occasion, after in reversed([*zip_longest(given, given[1:])]):
        paused = after is None or _gap(occasion, after)[0] >= rule.new_course_after_days
        counts.append(1 if paused else counts[-1] + 1)
    return counts[::-1]


def _is_over(course: Sequence[Place], block: Sequence[Occasion], rule: DosingRule) -> bool:
    """Whether the first dose of a block, which ends with a pause, comes after a course."""
    last, occasion = course[-1], block[0]
    pause = _gap(last.occasion, occasion)[0]
    if last.number >= rule.doses_per_course:
        end = shifted(days_of(course[0].occasion)[1], rule.weeks_per_course * WEEK)
        return pause >= rule.new_course_after_days or days_of(occasion)[0] >= end
    if pause < rule.new_course_after_days:
        return False
    return pause >= rule.longest_pause_days or not _goes_on(last.number, block, rule)


def _goes_on(number: int, block: Sequence[Occasion], rule: DosingRule) -> bool:
    """Whether a block goes on with a course of so many doses, and a further course may follow it.

    It does if it fits in, or if `course_break_days` or more are between the dose that fills the
    course and the next; else if what is left of it then is nearer to whole courses than the block
    itself is.
    """
    lacking = rule.doses_per_course - number
    if len(block) <= lacking:
        return True
    if _gap(block[lacking - 1], block[lacking])[0] >= rule.course_break_days:
        return True
    left, whole = (
        min(doses % rule.doses_per_course, -doses % rule.doses_per_course)
        for doses in (len(block) - lacking, len(block))
    )
    return left < whole


def _first(occasion: Occasion, found: Sequence[Place]) -> Place:
    last = found[-1] if found else None
    return Place(
        occasion,
        course=last.course + 1 if last else 1,
        number=1,
        before=None,
        follows=last,
        week=1 if occasion.on else None,
        in_week=1,
        in_day=_in_day(occasion, found),
    )


def _ambiguous(occasion: Occasion, given: Sequence[Occasion]) -> bool:
    return any(occasion.overlaps(other) for other in given if other is not occasion)


def _next(
    occasion: Occasion, course: Sequence[Place], found: Sequence[Place], rule: DosingRule
) -> Place:
    last, start = course[-1], course[0].occasion.on
    week = None
    if start is not None and occasion.on is not None:
        # What is given as early as it may be belongs to the week in which it is due.
        week = ((occasion.on - start).days + rule.early_days) // WEEK + 1
    return Place(
        occasion,
        course=last.course,
        number=last.number + 1,
        before=last,
        follows=None,
        week=week,
        in_week=1 + sum(place.week == week for place in course) if week else 0,
        in_day=_in_day(occasion, found),
    )


def _in_day(occasion: Occasion, found: Sequence[Place]) -> int:
    if occasion.on is None:
        return 1
    return 1 + sum(place.occasion.on == occasion.on for place in found)


def _gap(before: Occasion, after: Occasion) -> tuple[int, int]:
    """The least and the greatest number of days between two occasions."""
    (a_first, a_last), (b_first, b_last) = days_of(before), days_of(after)
    return max((b_first - a_last).days, 0), (b_last - a_first).days


def days_of(occasion: Occasion) -> tuple[date, date]:
    """The first and the last day that an occasion may have been on."""
    return occasion.days or (date.min, date.max)


def planned_on(place: Place, rule: DosingRule) -> date | None:
    """The day on schedule nearest to the one that the dose was given on."""
    on = place.occasion.on
    if place.before is None or on is None or place.before.occasion.on is None:
        return on
    last = place.before.occasion.on
    return min((shifted(last, gap) for gap in sorted(rule.gap_days)), key=lambda d: abs(d - on))


def of_dose(place: Place, rule: DosingRule) -> Iterator[Deviation]:
    """Every deviation of a dose that has a place in its course."""
    occasion = place.occasion
    yield from of_administration(occasion, rule)
    if occasion.amount is not None and not fits(occasion.amount, rule):
        yield wrong_dose(occasion, occasion.amount, rule)
    yield from _of_course(place, rule)
    last = place.before or place.follows
    if last is not None:
        yield from _of_number(place, rule)
        yield from _of_interval(place, last, rule)
        yield from _of_alternation(last.occasion, occasion, rule)


def of_administration(occasion: Occasion, rule: DosingRule) -> Iterator[Deviation]:
    """The deviations that can be told of a given dose without its place in the course."""
    if occasion.amount is None:
        reasons = occasion.no_amount or (Reason(DosingReason.NO_AMOUNT),)
        yield deviation(DeviationCode.DOSE_NOT_EVALUABLE, occasion, *reasons)
    if occasion.duplicates:
        yield deviation(DeviationCode.POSSIBLE_DUPLICATE, occasion, *occasion.duplicates)
    strange = [part for part in occasion.parts if part.route not in ("", *rule.routes)]
    if strange:
        allowed = (("route", route) for route in sorted(rule.routes))
        yield _of_parts(DeviationCode.WRONG_ROUTE, DosingReason.ROUTE, strange, occasion, allowed)
    away = [part for part in occasion.parts if part.body_site not in ("", *rule.body_sites)]
    if rule.body_sites and away:
        allowed = (("body-site", name) for name in sorted(rule.body_sites))
        yield _of_parts(DeviationCode.WRONG_SITE, DosingReason.BODY_SITE, away, occasion, allowed)
    beside = [part for part in occasion.parts if part.side not in ("", *rule.sides)]
    if rule.sides and beside:
        allowed = (("side", name) for name in sorted(rule.sides))
        yield _of_parts(DeviationCode.WRONG_SITE, DosingReason.SIDE, beside, occasion, allowed)


def _of_parts(
    code: DeviationCode,
    why: DosingReason,
    parts: Sequence[Dose],
    occasion: Occasion,
    allowed: Iterable[tuple[str, str]],
) -> Deviation:
    """One deviation of all the administrations of one dose that share it."""
    sources = tuple(part.source for part in parts)
    names = (("reference", source.reference) for source in sources)
    return Deviation(code, (Reason(why, (*names, *allowed)),), sources, occasion.on)


def wrong_dose(occasion: Occasion, amount: Decimal, rule: DosingRule) -> Deviation:
    """That an occasion was not the protocol's dose."""
    said = (("given", shown(amount)), ("dose", shown(rule.dose)), ("unit", rule.unit))
    return deviation(DeviationCode.WRONG_DOSE, occasion, Reason(DosingReason.AMOUNT, said))


def _of_course(place: Place, rule: DosingRule) -> Iterator[Deviation]:
    course, overrun = ("course", str(place.course)), DeviationCode.COURSE_OVERRUN
    if place.course > rule.courses:
        why = Reason(DosingReason.COURSE_BEYOND, (course, ("courses", str(rule.courses))))
        yield deviation(overrun, place.occasion, why)
    elif place.number > rule.doses_per_course:
        said = (("number", str(place.number)), ("doses", str(rule.doses_per_course)))
        yield deviation(overrun, place.occasion, Reason(DosingReason.DOSE_BEYOND, said))


def _of_number(place: Place, rule: DosingRule) -> Iterator[Deviation]:
    """Whether it was more than a day, or a week of the course, may have."""
    if place.in_day > rule.doses_per_day:
        code = DosingReason.SECOND_OF_DAY if rule.doses_per_day == 1 else DosingReason.EXTRA_OF_DAY
        said = (("number", str(place.in_day)), ("most", str(rule.doses_per_day)))
        yield deviation(DeviationCode.EXTRA_DOSE, place.occasion, Reason(code, said))
    elif place.in_week > rule.doses_per_week:
        number = (("number", str(place.in_week)), ("week", str(place.week)))
        why = Reason(DosingReason.EXTRA_OF_WEEK, (*number, ("most", str(rule.doses_per_week))))
        yield deviation(DeviationCode.EXTRA_DOSE, place.occasion, why)


def _of_interval(place: Place, last: Place, rule: DosingRule) -> Iterator[Deviation]:
    """How long after the last dose it came; after a complete course nothing more was due."""
    least, most = _gap(last.occasion, place.occasion)
    due = sorted(rule.days_on_schedule)
    if most == 0 or any(least <= day <= most for day in due):
        return
    late = least > due[-1]
    if late and place.course > last.course and last.number >= rule.doses_per_course:
        return
    days = (("least", str(least)), ("most", str(most)))
    why = Reason(DosingReason.INTERVAL, (*days, *(("day", str(day)) for day in due)))
    code = DeviationCode.LONG_INTERVAL if late else DeviationCode.SHORT_INTERVAL
    yield deviation(code, place.occasion, why)


def _of_alternation(before: Occasion, after: Occasion, rule: DosingRule) -> Iterator[Deviation]:
    """Something must differ; told only where both doses say all that may."""
    last, now = place_of(before), place_of(after)
    told = [(name, now[name]) for name in ("side", "body-site") if name in rule.alternate]
    if told and all(said and last[name] == said for name, said in told):
        why = Reason(DosingReason.SAME_PLACE, tuple(told))
        yield deviation(DeviationCode.NO_ALTERNATION, after, why)


def place_of(occasion: Occasion) -> dict[str, str]:
    """`body-site` and `side`, each empty when not said or said differently of parts of one dose."""
    return {
        "body-site": one_of(part.body_site for part in occasion.parts),
        "side": one_of(part.side for part in occasion.parts),
    }


def one_of(said: Iterable[str]) -> str:
    """What is said, if it is said at all and in one way only."""
    distinct = set(filter(None, said))
    return distinct.pop() if len(distinct) == 1 else ""


def deviation(code: DeviationCode, occasion: Occasion, *reasons: Reason) -> Deviation:
    """A deviation that an occasion as a whole is about."""
    sources = tuple(part.source for part in occasion.parts)
    return Deviation(code, reasons, sources, occasion.on)
