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
from refnot_fhir.core.exact import shown
from refnot_fhir.core.facts import Dose
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Deviation
from refnot_fhir.core.rules import DosingRule

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
            found.append(_first(occasion, course[-1] if course else None))
        else:
            found.append(_next(occasion, course))
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

    It does if it fits in, or if a week or more is between the dose that fills the course and the
    next; else if what is left of it then is nearer to whole courses than the block itself is.
    """
    lacking = rule.doses_per_course - number
    if len(block) <= lacking or _gap(block[lacking - 1], block[lacking])[0] >= WEEK:
        return True
    left, whole = (
        min(doses % rule.doses_per_course, -doses % rule.doses_per_course)
        for doses in (len(block) - lacking, len(block))
    )
    return left < whole


def _first(occasion: Occasion, last: Place | None) -> Place:
    course = last.course + 1 if last else 1
    return Place(occasion, course, 1, None, last, 1 if occasion.on else None, 1)


def _ambiguous(occasion: Occasion, given: Sequence[Occasion]) -> bool:
    return any(occasion.overlaps(other) for other in given if other is not occasion)


def _next(occasion: Occasion, course: Sequence[Place]) -> Place:
    last, start = course[-1], course[0].occasion.on
    week = None
    if start is not None and occasion.on is not None:
        week = (occasion.on - start).days // WEEK + 1
    in_week = 1 + sum(place.week == week for place in course) if week else 0
    return Place(occasion, last.course, last.number + 1, last, None, week, in_week)


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
    if occasion.iu is not None and not fits(occasion.iu, rule):
        yield wrong_dose(occasion, occasion.iu, rule)
    yield from _of_course(place, rule)
    last = place.before or place.follows
    if last is not None:
        yield from _of_interval(place, last, rule)
        yield from _of_alternation(last.occasion, occasion)


def of_administration(occasion: Occasion, rule: DosingRule) -> Iterator[Deviation]:
    """The deviations that can be told of a given dose without its place in the course."""
    if occasion.iu is None:
        yield deviation("dose-not-evaluable", occasion.no_iu or "no amount is known", occasion)
    if occasion.duplicate:
        yield deviation("possible-duplicate", occasion.duplicate, occasion)
    strange = [part for part in occasion.parts if part.route not in ("", rule.route)]
    if strange:
        yield _of_parts("wrong-route", f"not given as {rule.route}", strange, occasion)
    away = [part for part in occasion.parts if part.body_site not in ("", *rule.body_sites)]
    if away:
        allowed = " or ".join(sorted(rule.body_sites))
        yield _of_parts("wrong-site", f"not given into {allowed}", away, occasion)


def _of_parts(code: str, what: str, parts: Sequence[Dose], occasion: Occasion) -> Deviation:
    """One deviation of all the administrations of one dose that share it."""
    sources = tuple(part.source for part in parts)
    names = ", ".join(source.reference for source in sources)
    verb = "was" if len(sources) == 1 else "were"
    return Deviation(code, f"{names} {verb} {what}", sources, occasion.on)


def wrong_dose(occasion: Occasion, iu: Decimal, rule: DosingRule) -> Deviation:
    """That an occasion was not the protocol's dose."""
    why = f"{shown(iu)} IU given, {shown(rule.dose_iu)} IU is the dose"
    return deviation("wrong-dose", why, occasion)


def _of_course(place: Place, rule: DosingRule) -> Iterator[Deviation]:
    occasion = place.occasion
    if place.course > rule.courses:
        why = f"course {place.course}, where the protocol has {rule.courses}"
        yield deviation("course-overrun", why, occasion)
    elif place.number > rule.doses_per_course:
        why = f"dose {place.number} of a course of {rule.doses_per_course}"
        yield deviation("course-overrun", why, occasion)
    elif place.course > 1 and place.number == 1:
        why = f"course {place.course} begins, and no data confirm the absence of progression"
        yield deviation("second-course-unconfirmed", why, occasion)


def _of_interval(place: Place, last: Place, rule: DosingRule) -> Iterator[Deviation]:
    """How long after the last dose it came; after a complete course nothing more was due."""
    occasion = place.occasion
    least, most = _gap(last.occasion, occasion)
    if most == 0:
        yield deviation("extra-dose", "a second dose on one day", occasion)
    elif place.in_week > rule.doses_per_week:
        why = f"dose {place.in_week} of week {place.week}, {rule.doses_per_week} are on schedule"
        yield deviation("extra-dose", why, occasion)
    if most == 0 or any(least <= gap <= most for gap in rule.gap_days):
        return
    late = least > max(rule.gap_days)
    if late and place.course > last.course and last.number >= rule.doses_per_course:
        return
    days = _in_days(least) if least == most else f"{least} to {_in_days(most)}"
    due = " or ".join(map(str, sorted(rule.gap_days)))
    code = "long-interval" if late else "short-interval"
    yield deviation(code, f"{days} after the last dose, {due} are on schedule", occasion)


def _in_days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def _of_alternation(before: Occasion, after: Occasion) -> Iterator[Deviation]:
    """The site or the side must differ; told only where both doses say both."""
    last, now = place_of(before), place_of(after)
    if all(last) and last == now:
        why = f"{' '.join(reversed(now))}, where the last dose was given too"
        yield deviation("no-alternation", why, after)


def place_of(occasion: Occasion) -> tuple[str, str]:
    """Body site and side, each empty when not said or said differently of parts of one dose."""
    return one_of(p.body_site for p in occasion.parts), one_of(p.side for p in occasion.parts)


def one_of(said: Iterable[str]) -> str:
    """What is said, if it is said at all and in one way only."""
    distinct = set(filter(None, said))
    return distinct.pop() if len(distinct) == 1 else ""


def deviation(code: str, why: str, occasion: Occasion) -> Deviation:
    """A deviation that an occasion as a whole is about."""
    return Deviation(code, why, tuple(part.source for part in occasion.parts), occasion.on)
