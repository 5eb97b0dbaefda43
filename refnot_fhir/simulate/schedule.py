"""The dosing schedule as days: what a course looks like when everything goes to plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from refnot_fhir.core.rules import DosingRule
from refnot_fhir.simulate.doses import Given, units
from refnot_fhir.simulate.expectation import Dosing
from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.story import Story

_MORNING = time(10, 5)
_WEEK = 7


def every_other_day(rule: DosingRule) -> tuple[int, ...]:
    """Days of one course, counted from its first: Monday, Wednesday, Friday of each week."""
    weeks, days = range(rule.weeks_per_course), range(rule.doses_per_week)
    return tuple(_WEEK * week + min(rule.gap_days) * day for week in weeks for day in days)


def protocol_dose(story: Story, share: Decimal = Decimal(1)) -> Decimal:
    """The dose of the protocol, or a share of it, in the unit of its drug."""
    return story.limits.dosing.dose * share


def first_monday(story: Story) -> date:
    """The first Monday after the date of assessment."""
    return story.as_of + timedelta(days=_WEEK - story.as_of.weekday())


def course(
    story: Story, days: Sequence[int] | None = None, *, start: date | None = None
) -> list[Given]:
    """Doses as planned on these days from the start, at alternating places."""
    first = start or first_monday(story)
    places = hospital().course
    offsets = every_other_day(story.limits.dosing) if days is None else days
    return [
        Given(
            at=datetime.combine(first + timedelta(days=day), _MORNING, story.zone),
            dose=units(protocol_dose(story)),
            place=places[index % len(places)],
            route=hospital().route,
        )
        for index, day in enumerate(offsets)
    ]


def in_vials(given: Given, vials: int, each: Decimal) -> list[Given]:
    """The same dose charted vial by vial, a minute apart."""
    return [
        replace(given, at=given.at + timedelta(minutes=minute), dose=units(each))
        for minute in range(vials)
    ]


def tell(story: Story, doses: Sequence[Given], expected: Dosing) -> None:
    """Send the screening, then the doses week by week, and state what they come to."""
    story.send("screening")
    story.check()
    send_weekly(story, doses)
    story.check(as_of=doses[-1].at.date(), dosing=expected, only=())


def send_weekly(story: Story, doses: Sequence[Given]) -> None:
    """One message for each week that has doses."""
    start = doses[0].at.date()
    weeks = [(given.at.date() - start).days // _WEEK for given in doses]
    for week in sorted(set(weeks)):
        sent = [story.dose(given) for given, own in zip(doses, weeks, strict=True) if own == week]
        story.send(f"doses-{week + 1}", sent)
