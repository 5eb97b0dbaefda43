"""Who the patient is: everything fine, age, general condition, pregnancy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from refnot_fhir.simulate.labs import texted
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.story import Story

_REFUSED_SCORE = 3


def _birthday(day: date, years: int) -> str:
    """When somebody was born who turns `years` on `day`."""
    return day.replace(year=day.year - years).isoformat()


def _leap_day(day: date) -> bool:
    return (day.month, day.day) == (2, 29)


@shows("Everything that data can decide speaks for the patient.")
def all_labs_fine(story: Story) -> None:
    story.show_everything()


@shows("A man: pregnancy does not apply, and everything else speaks for him.")
def a_man(story: Story) -> None:
    story.be("male")
    story.expect(pregnancy="not-applicable")


@shows("The patient turned a year older than the protocol allows, on the date of assessment.")
def a_year_too_old(story: Story) -> None:
    _postpone(story, while_day=_leap_day)
    story.patient["birthDate"] = _birthday(story.as_of, story.limits.age("age") + 1)
    story.expect(age="not-met")


@shows("Young enough today, and a year too old tomorrow: a verdict that lapses by itself.")
def too_old_tomorrow(story: Story) -> None:
    _postpone(story, while_day=lambda day: _leap_day(day + timedelta(days=1)))
    tomorrow = story.as_of + timedelta(days=1)
    story.patient["birthDate"] = _birthday(tomorrow, story.limits.age("age") + 1)
    story.expect(age="met")
    story.send("screening")
    story.check()
    story.expect(age="not-met")
    story.check(as_of=tomorrow)


def _postpone(story: Story, *, while_day: Callable[[date], bool]) -> None:
    """Assess a day later when the date of assessment does not suit the scenario."""
    if while_day(story.as_of):
        story.as_of += timedelta(days=1)


@shows("Only the year of birth is known, and no day of it makes the patient too old.")
def birth_year_is_enough(story: Story) -> None:
    story.patient["birthDate"] = f"{story.as_of.year - story.limits.age('age')}"
    story.expect(age="met")


@shows("Only the year of birth is known: the patient may or may not be too old already.")
def birth_year_leaves_it_open(story: Story) -> None:
    # On the last day of a year, a year of birth tells the age for certain.
    _postpone(story, while_day=lambda day: (day.month, day.day) == (12, 31))
    story.patient["birthDate"] = f"{story.as_of.year - story.limits.age('age') - 1}"
    story.expect(age="unknown")


@shows("WHO 3: in bed for more than half of the day.")
def who_three(story: Story) -> None:
    story.never_measured("who-status")
    story.who_status(_REFUSED_SCORE, days_before=1)
    story.expect(performance="not-met")


@shows("WHO status is written as free text that no dictionary knows.")
def who_in_other_words(story: Story) -> None:
    story.replace_newest("who-status", _in_words(story))
    story.expect(performance="unknown")


def _in_words(story: Story) -> dict[str, object]:
    newest = story.newest("who-status")
    coded = {name: value for name, value in newest.items() if name != "valueCodeableConcept"}
    return texted(coded, "walks about, rests a little after lunch")


@shows("WHO status was last recorded a day before the window opens.")
def who_status_too_old(story: Story) -> None:
    story.never_measured("who-status")
    story.who_status(1, days_before=story.limits.within_days("performance") + 1)
    story.expect(performance="unknown")


@shows("A pregnant woman.")
def pregnant(story: Story) -> None:
    story.be("female")
    story.pregnancy("pregnant", days_before=1)
    story.expect(pregnancy="met")


@shows("A woman of whom nobody recorded whether she is pregnant.")
def pregnancy_not_asked(story: Story) -> None:
    story.be("female")
    story.never_measured("pregnancy-status")
    story.expect(pregnancy="unknown")


@shows("A woman who was not pregnant on the first day that still counts.")
def pregnancy_asked_in_time(story: Story) -> None:
    story.be("female")
    story.never_measured("pregnancy-status")
    story.pregnancy("not-pregnant", days_before=story.limits.within_days("pregnancy"))
    story.expect(pregnancy="not-met")


@shows("A woman who was not pregnant when last asked, a day too long ago.")
def pregnancy_asked_too_long_ago(story: Story) -> None:
    story.be("female")
    story.never_measured("pregnancy-status")
    story.pregnancy("not-pregnant", days_before=story.limits.within_days("pregnancy") + 1)
    story.expect(pregnancy="unknown")


SCENARIOS: tuple[Scenario, ...] = (
    all_labs_fine,
    a_man,
    a_year_too_old,
    too_old_tomorrow,
    birth_year_is_enough,
    birth_year_leaves_it_open,
    who_three,
    who_in_other_words,
    who_status_too_old,
    pregnant,
    pregnancy_not_asked,
    pregnancy_asked_in_time,
    pregnancy_asked_too_long_ago,
)
