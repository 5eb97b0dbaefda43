"""When a patient died, as far as it is known, and from when on nothing more can be due."""

from __future__ import annotations

from datetime import date

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.days import shifted
from refnot_fhir.core.values import DaySpan


def days_of_death(chart: Chart) -> DaySpan | None:
    """The days on which the patient may have died; None when no death is recorded.

    A death without a date was some day until the one on which it became known.
    """
    person = chart.person
    if person is None or not person.deceased:
        return None
    if person.died is not None:
        return person.died.days(chart.zone)
    if person.dead_by is None:
        return DaySpan(date.min, date.max, "")
    return DaySpan(date.min, person.dead_by.astimezone(chart.zone).date(), "")


def nothing_due_from(chart: Chart) -> date | None:
    """The first day on which no dose is due any more, because the patient died or left the study.

    None while neither is recorded. Of a death without a date it is the day on which it became
    known; where that is not known either, nothing is taken to have been due at all.
    """
    ends = [] if chart.ended_on is None else [shifted(chart.ended_on, 1)]
    death, person = days_of_death(chart), chart.person
    if death is not None and person is not None:
        known = person.died is not None or person.dead_by is None
        ends.append(death.first if known else death.last)
    return min(ends, default=None)
