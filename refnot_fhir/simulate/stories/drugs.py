"""What else was given: immunotherapy around the edge of its window, and what only looks like it."""

from __future__ import annotations

from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.story import Story


def _given(story: Story, drug: str, days_before: int) -> None:
    story.drug(hospital().drugs[drug], days_before=days_before)


@shows("Nivolumab was given a day inside the window.")
def nivolumab_inside_the_window(story: Story) -> None:
    _given(story, "nivolumab", story.limits.within_days("immunotherapy") - 1)
    story.expect(immunotherapy="met")


@shows("Nivolumab was given on the first day of the window, which counts.")
def nivolumab_on_the_first_day(story: Story) -> None:
    _given(story, "nivolumab", story.limits.within_days("immunotherapy"))
    story.expect(immunotherapy="met")


@shows("Nivolumab was given on the day before the window opens.")
def nivolumab_before_the_window(story: Story) -> None:
    _given(story, "nivolumab", story.limits.within_days("immunotherapy") + 1)
    story.expect(immunotherapy="not-met")


@shows("Filgrastim five days ago: listed among immunostimulants, and supportive care all the same.")
def filgrastim_is_no_immunotherapy(story: Story) -> None:
    _given(story, "filgrastim", 5)
    story.expect(immunotherapy="not-met")


@shows("An infusion that no dictionary knows, inside the window: it may have been anything.")
def unlisted_infusion(story: Story) -> None:
    _given(story, "unlisted", 10)
    story.expect(immunotherapy="unknown")


@shows("Nobody says whether immunotherapy was given: other administrations prove nothing.")
def nobody_was_asked(story: Story) -> None:
    story.never_measured("immunotherapy-6-weeks")
    story.expect(immunotherapy="unknown")


@shows("No administration of anything on record, and the patient's answer that none was given.")
def only_an_answer(story: Story) -> None:
    story.others.clear()
    story.expect(immunotherapy="not-met")


@shows("The answer that none was given is too old to stand for today.")
def answer_too_old(story: Story) -> None:
    story.never_measured("immunotherapy-6-weeks")
    story.immunotherapy("not-given", days_before=story.limits.answer_days("immunotherapy") + 1)
    story.expect(immunotherapy="unknown")


@shows("Nivolumab inside the window, and the hospital then says that it was entered in error.")
def nivolumab_retracted(story: Story) -> None:
    _given(story, "nivolumab", 10)
    story.expect(immunotherapy="met")
    story.send("screening")
    story.check()
    wrong = story.others[-1] | {"status": "entered-in-error"}
    story.expect(immunotherapy="not-met")
    story.resend("retraction", wrong)


@shows("Nivolumab inside the window, named by a Medication in the same message.")
def nivolumab_by_reference(story: Story) -> None:
    _given(story, "nivolumab", 10)
    product = story.by_reference()
    story.expect(immunotherapy="met")
    story.send("screening", [product])


@shows("Something given inside the window; only a later message says that it was nivolumab.")
def product_named_later(story: Story) -> None:
    _given(story, "nivolumab", 10)
    product = story.by_reference()
    story.expect(immunotherapy="unknown")
    story.send("screening")
    story.check()
    story.expect(immunotherapy="met")
    story.send("product", [product])


SCENARIOS: tuple[Scenario, ...] = (
    nivolumab_inside_the_window,
    nivolumab_on_the_first_day,
    nivolumab_before_the_window,
    filgrastim_is_no_immunotherapy,
    unlisted_infusion,
    nobody_was_asked,
    only_an_answer,
    answer_too_old,
    nivolumab_retracted,
    nivolumab_by_reference,
    product_named_later,
)
