"""Results that change after they were sent, arrive in the wrong order, or grow old."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.labs import stepped
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.story import Resource, Story, criteria


def _platelets(story: Story, *, low: bool) -> Resource:
    """The newest platelet count, as it is or at half of the limit."""
    row, analyte = story.usual_row("platelets"), hospital().analyte("platelets")
    if low:
        half = story.limits.bound("platelets", analyte.unit) / 2
        row = replace(row, value=stepped(half, analyte.step))
    return story.measure("platelets", row)


@shows("Platelets were too low until the laboratory corrected the result.")
def correction_helps(story: Story) -> None:
    good = _platelets(story, low=False)
    _platelets(story, low=True)
    story.expect(platelets="not-met")
    story.send("screening")
    story.check()
    story.expect(platelets="met")
    story.resend("correction", good | {"status": "corrected"})


@shows("Platelets were fine until the laboratory amended the result.")
def amendment_hurts(story: Story) -> None:
    story.expect(platelets="met")
    story.send("screening")
    story.check()
    story.expect(platelets="not-met")
    story.resend("amendment", _platelets(story, low=True) | {"status": "amended"})


@shows("A low count was entered in error; once withdrawn, the one of the week before governs.")
def retraction(story: Story) -> None:
    low = _platelets(story, low=True)
    story.expect(platelets="not-met")
    story.send("screening")
    story.check()
    story.expect(platelets="met")
    story.resend("retraction", low | {"status": "entered-in-error"})


@shows("The corrected result arrives first, and the version that it corrects a day later.")
def old_version_arrives_late(story: Story) -> None:
    good = _platelets(story, low=False) | {"status": "corrected"}
    low = _platelets(story, low=True)
    story.replace_newest("platelets", story.versioned(good, 2))
    story.expect(platelets="met")
    story.send("screening")
    story.check()
    story.send("late", [story.versioned(low, 1)])


@shows("The newest count is preliminary, so no result yet: the one of the week before governs.")
def preliminary_result(story: Story) -> None:
    low = _platelets(story, low=True) | {"status": "preliminary"}
    story.replace_newest("platelets", low)
    story.expect(platelets="met")


@shows("Laboratory values hold on the last day of their window and are unknown on the next.")
def values_grow_old(story: Story) -> None:
    within = story.limits.within_days("granulocytes")
    drawn = story.newest_day("granulocytes")
    story.be("male")
    story.send("screening")
    # The answer about immunotherapy is the first to lapse.
    story.expected |= criteria(immunotherapy="unknown")
    story.check(as_of=drawn + timedelta(days=within))
    grown_old = ("performance", "granulocytes", "platelets", "creatinine", "alt", "ast", "alp")
    story.expect(**dict.fromkeys(grown_old, "unknown"))
    story.check(as_of=drawn + timedelta(days=within + 1))


@shows("The same message comes twice, and nothing changes.")
def sent_twice(story: Story) -> None:
    story.show_everything()
    story.send("screening")
    story.check()
    story.send("again", story.messages[0][1])


@shows("Platelets fall from week to week until they are too low; a message comes each week.")
def platelets_fall(story: Story) -> None:
    limit = story.limits.bound("platelets", hospital().analyte("platelets").unit)
    row, step = story.usual_row("platelets"), hospital().analyte("platelets").step
    story.send("screening")
    story.check()
    for week, share in enumerate(("1.5", "1.2", "0.8"), start=1):
        count = stepped(limit * Decimal(share), step)
        result = story.measure("platelets", replace(row, value=count), days_before=-7 * week)
        story.expect(platelets="met" if count > limit else "not-met")
        story.send(f"week-{week}", [result])
    # The other results are out of their windows by then, or not; only platelets are the story.
    story.check(as_of=story.as_of + timedelta(days=21), only=("platelets",))


SCENARIOS: tuple[Scenario, ...] = (
    correction_helps,
    amendment_hurts,
    retraction,
    old_version_arrives_late,
    preliminary_result,
    values_grow_old,
    sent_twice,
    platelets_fall,
)
