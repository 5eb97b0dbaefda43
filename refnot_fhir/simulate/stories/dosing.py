"""Courses of the trial drug: as planned, in every form of charting, and with deviations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from refnot_fhir.simulate.doses import Given, units, unstated
from refnot_fhir.simulate.expectation import Dosing
from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.labs import stepped
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.schedule import (
    course,
    every_other_day,
    first_monday,
    in_vials,
    protocol_dose,
    tell,
)
from refnot_fhir.simulate.story import Story

_HALF = Decimal("0.5")


def _sum(story: Story, doses: int, *deviations: str, lacking: Decimal = Decimal(0)) -> Dosing:
    """So many doses of the protocol, less what was lacking, all of it known."""
    return Dosing(
        deviations=deviations,
        given=doses,
        cumulative=protocol_dose(story) * doses - lacking,
        complete=True,
    )


def _full(story: Story) -> int:
    return story.limits.dosing.doses_per_course


@shows("A course as planned: Monday, Wednesday and Friday for four weeks at alternating places.")
def perfect_course(story: Story) -> None:
    tell(story, course(story), _sum(story, _full(story)))


@shows("Each dose is charted vial by vial; all vials of one time are one dose.")
def vial_by_vial(story: Story) -> None:
    small = min(story.limits.rulebook.drugs[story.limits.dosing.drug].vial_strengths)
    vials = int(protocol_dose(story) / small)
    doses = [part for given in course(story) for part in in_vials(given, vials, small)]
    tell(story, doses, _sum(story, _full(story)))


@shows("One dose in many words: IU, thousands of IU, vials of a stated strength, millilitres.")
def dose_in_many_words(story: Story) -> None:
    drug = story.limits.rulebook.drugs[story.limits.dosing.drug]
    small, dose = min(drug.vial_strengths), protocol_dose(story)
    thousands = hospital().thousands
    forms = (
        {"dose": units(dose)},
        {"dose": units(dose / 1000, thousands["coded"])},
        {"dose": units(dose / small, "{vial}"), "vial_strength": small},
        {"dose": units(drug.dissolved_in_ml or Decimal(1), "mL")},
        {"dose": {"value": dose / 1000, "unit": thousands["written"]}},
    )
    doses = [replace(given, **forms[at % len(forms)]) for at, given in enumerate(course(story))]
    tell(story, doses, _sum(story, _full(story)))


@shows("Injections a little after midnight, with times in UTC: the hospital's own day governs.")
def after_midnight_in_utc(story: Story) -> None:
    doses = [replace(dose, at=dose.at.replace(hour=0), in_utc=True) for dose in course(story)]
    tell(story, doses, _sum(story, _full(story)))


@shows("The patient did not come for the fifth dose; the others were given on their days.")
def missed_dose(story: Story) -> None:
    doses = course(story)
    doses[4] = replace(doses[4], status="not-done", dose=None)
    # What was not given does not count as the last dose: the next one comes too long after it.
    tell(story, doses, _sum(story, _full(story) - 1, "missed-dose", "long-interval"))


@shows("One dose was half of what the protocol says.")
def half_a_dose(story: Story) -> None:
    doses, half = course(story), protocol_dose(story, _HALF)
    doses[5] = replace(doses[5], dose=units(half))
    tell(story, doses, _sum(story, _full(story), "wrong-dose", lacking=half))


@shows("One injection was stopped after half of the dose; what was given counts.")
def stopped_halfway(story: Story) -> None:
    doses, half = course(story), protocol_dose(story, _HALF)
    doses[7] = replace(doses[7], dose=units(half), status="stopped")
    expected = _sum(story, _full(story), "wrong-dose", lacking=half)
    tell(story, doses, replace(expected, given=None))


@shows("One dose was given into a vein.")
def wrong_route(story: Story) -> None:
    doses = course(story)
    doses[3] = replace(doses[3], route="intravenous")
    tell(story, doses, _sum(story, _full(story), "wrong-route"))


@shows("One dose was given into the forearm: neither upper arm nor thigh.")
def wrong_place(story: Story) -> None:
    doses = course(story)
    doses[6] = doses[6].elsewhere("forearm")
    tell(story, doses, _sum(story, _full(story), "wrong-site"))


@shows("Two doses running were given at the same place.")
def same_place_twice(story: Story) -> None:
    doses = course(story)
    again = [dose.elsewhere(doses[at].place) for at, dose in enumerate(doses[1:])]
    tell(story, doses[:5] + again[4:5] + doses[6:], _sum(story, _full(story), "no-alternation"))


@shows("The second dose came on the day after the first, the third as planned.")
def a_day_early(story: Story) -> None:
    days = list(every_other_day(story.limits.dosing))
    days[1] -= 1
    tell(story, course(story, days), _sum(story, _full(story), "short-interval"))


@shows("The third dose came a day later than the schedule allows; the rest followed on from it.")
def a_day_late(story: Story) -> None:
    gaps = sorted(story.limits.dosing.gap_days)
    late = max(gaps) + 1
    steps = (min(gaps), late) + (min(gaps), max(gaps), min(gaps)) * _full(story)
    days = _days(steps, _full(story))
    tell(story, course(story, days), _sum(story, _full(story), "long-interval"))


@shows("Four doses in one week, each on its second day: one more than a week holds.")
def four_in_a_week(story: Story) -> None:
    short, long = sorted(story.limits.dosing.gap_days)
    steps = (short, short, short, long) + (short, short, long) * _full(story)
    days = _days(steps, _full(story))
    tell(story, course(story, days), _sum(story, _full(story), "extra-dose"))


def _days(steps: tuple[int, ...], doses: int) -> list[int]:
    """Days from the first dose on, given the steps between doses."""
    days = [0]
    for step in steps[: doses - 1]:
        days.append(days[-1] + step)
    return days


@shows("A thirteenth dose within the four weeks: one too many.")
def thirteenth_dose(story: Story) -> None:
    rule = story.limits.dosing
    days = (*every_other_day(rule), every_other_day(rule)[-1] + min(rule.gap_days))
    both = ("course-overrun", "extra-dose")
    tell(story, course(story, days), _sum(story, _full(story) + 1, *both))


@shows(
    "A second course that follows on at once, and nothing says that the disease has stood still."
)
def second_course_at_once(story: Story) -> None:
    rule = story.limits.dosing
    weeks = rule.weeks_per_course * 7
    first = every_other_day(rule)
    days = (*first, *(weeks + day for day in first))
    expected = _sum(story, 2 * _full(story), "second-course-unconfirmed")
    tell(story, course(story, days), expected)


@shows(
    "A second course after a pause, and nothing on record says that the disease has not progressed."
)
def second_course(story: Story) -> None:
    rule, start = story.limits.dosing, first_monday(story)
    first = course(story, start=start)
    weeks = rule.weeks_per_course + -(-rule.new_course_after_days // 7)
    second = course(story, start=start + timedelta(weeks=weeks))
    expected = _sum(story, 2 * _full(story), "second-course-unconfirmed")
    tell(story, first + second, expected)


@shows("The doses of one course in three blocks with pauses: one course with gaps, not three.")
def three_blocks(story: Story) -> None:
    rule = story.limits.dosing
    size, pause = _full(story) // 3, rule.new_course_after_days
    steps = every_other_day(rule)[:size]
    days = [block * (steps[-1] + pause) + day for block in range(3) for day in steps]
    left = [
        min((pause - max(rule.gap_days)) // max(rule.gap_days), _full(story) - size * block)
        for block in (1, 2)
    ]
    gaps = ("missed-dose",) * sum(left) + ("long-interval",) * 2
    tell(story, course(story, days), _sum(story, _full(story), *gaps))


@shows("The patient dies in the second week: nothing is missed from then on.")
def death_in_the_second_week(story: Story) -> None:
    doses = course(story)[:5]
    tell(story, doses, _sum(story, 5))
    died = doses[-1].at.date() + timedelta(days=max(story.limits.dosing.gap_days))
    story.resend("death", story.patient | {"deceasedDateTime": died.isoformat()})
    story.check(as_of=died + timedelta(days=60), dosing=_sum(story, 5), only=())


@shows("The treatment is discontinued after five doses: nothing is missed from then on.")
def discontinued(story: Story) -> None:
    doses = course(story)[:6]
    doses[5] = replace(doses[5], status="not-done", dose=None, text="treatment discontinued")
    tell(story, doses, _sum(story, 5))
    ended = doses[-1].at.date() + timedelta(days=60)
    story.check(as_of=ended, dosing=_sum(story, 5), only=())


@shows("One dose was charted twice under two ids, to the minute and in full.")
def charted_twice(story: Story) -> None:
    doses = course(story)
    doses.insert(9, doses[8])
    tell(story, doses, Dosing(("possible-duplicate",), given=_full(story)))


@shows("One dose is stated in words alone: given, but how much cannot be told.")
def dose_in_words_alone(story: Story) -> None:
    doses = course(story)
    doses[2] = replace(doses[2], dose=unstated(), text="one ampoule as usual")
    known = protocol_dose(story) * (_full(story) - 1)
    expected = Dosing(("dose-not-evaluable",), given=_full(story), cumulative=known)
    tell(story, doses, replace(expected, complete=False))


@shows("A dose too many was charted by mistake and withdrawn: twelve remain.")
def dose_withdrawn(story: Story) -> None:
    doses = course(story)
    mistake = story.dose(replace(doses[5], at=doses[5].at + timedelta(days=1)))
    story.send("screening")
    story.check()
    story.send("mistake", [mistake])
    story.resend("withdrawal", mistake | {"status": "entered-in-error"})
    _finish(story, doses)


def _finish(story: Story, doses: list[Given]) -> None:
    story.send("course", [story.dose(given) for given in doses])
    story.check(as_of=doses[-1].at.date(), dosing=_sum(story, _full(story)), only=())


@shows("Arm 2: a course as planned, and chemotherapy once the four weeks are over.")
def chemotherapy_after_the_course(story: Story) -> None:
    doses = course(story)
    after = (doses[-1].at.date() - story.as_of).days + 3
    tell(story, doses, _sum(story, _full(story)))
    story.drug(hospital().drugs["paclitaxel"], days_before=-after)
    story.send("chemotherapy", story.others[-1:])
    ended = story.as_of + timedelta(days=after)
    story.check(as_of=ended, dosing=_sum(story, _full(story)), only=())


@shows("The course began although platelets were known to be too low.")
def dosed_although_not_eligible(story: Story) -> None:
    analyte = hospital().analyte("platelets")
    half = stepped(story.limits.bound("platelets", analyte.unit) * _HALF, analyte.step)
    story.measure("platelets", replace(story.usual_row("platelets"), value=half))
    story.expect(platelets="not-met")
    tell(story, course(story), _sum(story, _full(story), "dose-before-eligible"))


SCENARIOS: tuple[Scenario, ...] = (
    perfect_course,
    vial_by_vial,
    dose_in_many_words,
    after_midnight_in_utc,
    missed_dose,
    half_a_dose,
    stopped_halfway,
    wrong_route,
    wrong_place,
    same_place_twice,
    a_day_early,
    a_day_late,
    four_in_a_week,
    thirteenth_dose,
    second_course_at_once,
    second_course,
    three_blocks,
    death_in_the_second_week,
    discontinued,
    charted_twice,
    dose_in_words_alone,
    dose_withdrawn,
    chemotherapy_after_the_course,
    dosed_although_not_eligible,
)
