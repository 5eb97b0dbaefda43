"""Doses of a course that were due, and of which nothing at all was reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby, pairwise, zip_longest

from refnot_fhir.core.days import shifted
from refnot_fhir.core.dosing.administrations import Occasion
from refnot_fhir.core.dosing.courses import WEEK, Place, days_of
from refnot_fhir.core.dosing.results import Deviation, DeviationCode, DosingReason
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import DosingRule
from refnot_fhir.core.values import Reason


def courses_of(
    found: Sequence[Place], others: Sequence[Occasion], rule: DosingRule, chart_ends: date | None
) -> list[Course]:
    """Every course, with what else may stand for a dose of it, and when it ended, if it did.

    It ends when the patient died or left the study (`chart_ends`, the first day on which nothing is
    due), and with a dose, given in part or not at all, of which it was reported that the treatment
    was discontinued, unless another one was given later.
    """
    groups = [list(group) for _, group in groupby(found, key=lambda place: place.course)]
    courses = []
    for doses, after in zip_longest(groups, groups[1:]):
        next_begins = days_of(after[0].occasion)[0] if after else None
        course = Course(doses, next_begins, others, rule, chart_ends)
        courses.append(replace(course, ends=min(course.ended(), default=None)))
    return courses


def unreported(courses: Sequence[Course], as_of: date) -> Iterator[Deviation]:
    """A missed dose for every one that was surely due and of which nothing at all was reported.

    Doses are taken to have been due at the slowest pace on schedule, and a late dose to be the one
    that was due last: so a dose that is a day or two late is late, and not one missed and one late.
    A course that breaks off goes on being due until it would be complete, its weeks are over, it
    ended, or another course begins; what is lacking once it is over, and did not end before, was
    missed as well. Whatever was reported in between (not given, pending, of unknown outcome or
    time) stands for one of them.
    """
    for course in courses:
        surely_due = [*course.in_holes(), *course.after_the_last(as_of)]
        for day in surely_due:
            yield _missed(DosingReason.NOT_REPORTED, day)
        for day in course.lacking(len(surely_due), as_of):
            yield _missed(DosingReason.NOT_REPORTED_AT_END, day)


def _missed(why: DosingReason, due: date) -> Deviation:
    reason = Reason(why, (("due", due.isoformat()),))
    return Deviation(DeviationCode.MISSED_DOSE, (reason,), (), due)


@record
class Course:
    """One course, and what else may stand for a dose of it."""

    doses: Sequence[Place]
    next_begins: date | None
    """The first day of the next course, if there is one."""
    others: Sequence[Occasion]
    rule: DosingRule
    ends: date | None = None
    """The first day on which nothing of it is due any more, if it ended."""

    def ended(self) -> Iterator[date]:
        """The days on which something ended it."""
        if self.ends is not None:
            yield self.ends
        last = days_of(self.doses[-1].occasion)[1]
        if self.doses[-1].occasion.ends_course:
            yield shifted(last, 1)
        for other in self.others:
            first = days_of(other)[0]
            if other.ends_course and last <= first <= self._until(date.max):
                yield first

    def is_over(self, as_of: date) -> bool:
        """Whether nothing of it is due any more: it ended, or its time is over."""
        if self.ends is not None and self.ends <= as_of:
            return True
        return self.next_begins is not None or as_of > self._end

    def in_holes(self) -> Iterator[date]:
        """Days by which a dose was surely due between two given ones."""
        for before, after in pairwise(self.doses):
            until = days_of(after.occasion)[0]
            yield from self._due(before, shifted(until, -self._slowest), until)

    def after_the_last(self, as_of: date) -> Iterator[date]:
        """Days within the weeks of the course by which a dose was surely due after the last one."""
        last_day = min(self._last_day, shifted(as_of, -1), self._until(as_of))
        yield from self._due(self.doses[-1], last_day, self._until(as_of))

    def lacking(self, silent: int, as_of: date) -> list[date]:
        """The end of a course that is over, as often as it lacks a dose that is counted nowhere.

        It is not over while its next dose is still on schedule; one that ended before lacks none.
        """
        day = min(self._end, self._until(as_of))
        if not self.is_over(as_of) or not self._before_it_ended(day):
            return []
        first = days_of(self.doses[0].occasion)[0]
        reported = self._reported(first, self._until(as_of))
        number = self.rule.doses_per_course - len(self.doses) - silent - reported
        return [day] * number

    def _due(self, place: Place, latest: date, until: date) -> list[date]:
        last = days_of(place.occasion)[1]
        left = self.rule.doses_per_course - place.number
        due = (shifted(last, self._slowest * n) for n in range(1, left + 1))
        missed = [day for day in due if day <= latest and self._before_it_ended(day)]
        return missed[self._reported(shifted(last, 1), until) :]

    def _before_it_ended(self, day: date) -> bool:
        return self.ends is None or day < self.ends

    def _reported(self, first: date, last: date) -> int:
        return sum(
            begins <= last and ends >= first and self._before_it_ended(begins)
            for begins, ends in map(days_of, self.others)
        )

    @property
    def _slowest(self) -> int:
        return max(self.rule.days_on_schedule)

    @property
    def _last_day(self) -> date:
        first = days_of(self.doses[0].occasion)[0]
        return shifted(first, self.rule.weeks_per_course * WEEK - 1)

    @property
    def _end(self) -> date:
        """The last day on which one of its doses is on schedule."""
        last = days_of(self.doses[-1].occasion)[1]
        return max(self._last_day, shifted(last, self._slowest))

    def _until(self, as_of: date) -> date:
        """The last day on which a report can be about this course."""
        return as_of if self.next_begins is None else shifted(self.next_begins, -1)
