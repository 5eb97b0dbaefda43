"""Doses of a course that were due, and of which nothing at all was reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise, zip_longest

from refnot_fhir.core.days import shifted
from refnot_fhir.core.findings import Deviation
from refnot_fhir.core.occasions import Occasion
from refnot_fhir.core.rules import DosingRule
from refnot_fhir.core.schedule import WEEK, Place, days_of

_SILENT = "and nothing was reported"


def unreported(
    found: Sequence[Place], others: Sequence[Occasion], rule: DosingRule, as_of: date
) -> Iterator[Deviation]:
    """A missed dose for every one that was surely due and of which nothing at all was reported.

    Doses are taken to have been due at the slowest pace on schedule, and a late dose to be the one
    that was due last: so a dose that is a day or two late is late, and not one missed and one late.
    A course that breaks off goes on being due until it would be complete, its weeks are over, or
    another course begins; what is lacking once it is over was missed as well. Whatever was reported
    in between (not given, pending, of unknown outcome or time) stands for one of them.
    """
    courses = [list(group) for _, group in groupby(found, key=lambda place: place.course)]
    for doses, after in zip_longest(courses, courses[1:]):
        next_begins = days_of(after[0].occasion)[0] if after else None
        course = _Course(doses, next_begins, others, rule, as_of)
        surely_due = [*course.in_holes(), *course.after_the_last()]
        for day in surely_due:
            yield Deviation("missed-dose", f"due by {day}, {_SILENT}", (), day)
        for day in course.lacking(len(surely_due)):
            why = f"due by {day}, when its course was over, {_SILENT}"
            yield Deviation("missed-dose", why, (), day)


@dataclass(frozen=True, slots=True)
class _Course:
    """One course, and what else may stand for a dose of it."""

    doses: Sequence[Place]
    next_begins: date | None
    """The first day of the next course, if there is one."""
    others: Sequence[Occasion]
    rule: DosingRule
    as_of: date

    def in_holes(self) -> Iterator[date]:
        """Days by which a dose was surely due between two given ones."""
        for before, after in pairwise(self.doses):
            until = days_of(after.occasion)[0]
            yield from self._due(before, shifted(until, -self._slowest), until)

    def after_the_last(self) -> Iterator[date]:
        """Days within the weeks of the course by which a dose was surely due after the last one."""
        last_day = min(self._last_day, shifted(self.as_of, -1), self._until)
        yield from self._due(self.doses[-1], last_day, self._until)

    def lacking(self, silent: int) -> list[date]:
        """The end of a course that is over, as often as it lacks a dose that is counted nowhere.

        It is not over while its next dose is still on schedule.
        """
        last = days_of(self.doses[-1].occasion)[1]
        end = max(self._last_day, shifted(last, self._slowest))
        if self.next_begins is None and self.as_of <= end:
            return []
        first = days_of(self.doses[0].occasion)[0]
        reported = self._reported(first, self._until)
        number = self.rule.doses_per_course - len(self.doses) - silent - reported
        return [min(end, self._until)] * number

    def _due(self, place: Place, latest: date, until: date) -> list[date]:
        last = days_of(place.occasion)[1]
        left = self.rule.doses_per_course - place.number
        due = (shifted(last, self._slowest * n) for n in range(1, left + 1))
        missed = [day for day in due if day <= latest]
        return missed[self._reported(shifted(last, 1), until) :]

    def _reported(self, first: date, last: date) -> int:
        return sum(days_of(o)[0] <= last and days_of(o)[1] >= first for o in self.others)

    @property
    def _slowest(self) -> int:
        return max(self.rule.gap_days)

    @property
    def _last_day(self) -> date:
        first = days_of(self.doses[0].occasion)[0]
        return shifted(first, self.rule.weeks_per_course * WEEK - 1)

    @property
    def _until(self) -> date:
        """The last day on which a report can be about this course."""
        return self.as_of if self.next_begins is None else shifted(self.next_begins, -1)
