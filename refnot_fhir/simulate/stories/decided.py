"""Patients of whom people stated and decided: one for each status that is reached here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time

from refnot_fhir.simulate import people
from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.medicines import procedure, statement
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.schedule import course, every_other_day, send_weekly
from refnot_fhir.simulate.story import Resource, Story

_YESTERDAY = 1
_ON_TREATMENT = 24
"""Days that two weeks of doses need, from the Monday after the assessment."""
_NOON = time(12)


def _papers(story: Story) -> list[Resource]:
    """What a hospital has on record of a patient of the trial, beside measurements."""
    house, who = hospital(), story.reference
    specimen = people.tissue(story.new_key("t"), who, story.at(200))
    first, last = story.at(180).date(), story.at(90).date()
    drug = house.drugs["paclitaxel"]
    return [
        specimen,
        people.pathology(story.new_key("h"), who, specimen["id"], story.at(190)),
        people.diagnosis(story.new_key("d"), who, house.findings["metastasis"], story.at(185)),
        statement(story.new_key("s"), who, drug, first=first, last=last, stated=last),
        procedure(story.new_key("x"), who, house.procedures["chemotherapy"], story.at(180)),
        people.no_known_allergy(story.new_key("a"), who, story.at(3)),
    ]


def _stated(story: Story, papers: Sequence[Resource]) -> Resource:
    """What the investigator states of all that data leave open."""
    needed = hospital().statements["criteria"]
    kinds = story.limits.every_kind()
    verdicts = {id_: "met" if kinds[id_] == "inclusion" else "not-met" for id_ in needed}
    story.expected |= verdicts
    protocol = story.limits.protocol
    at = story.at(0, _NOON)
    seen = [f"{one['resourceType']}/{one['id']}" for one in papers]
    return people.statements(story.new_key("q"), story.reference, verdicts, at, protocol, seen)


def _consent(story: Story, *, permits: bool = True) -> Resource:
    study = f"ResearchStudy/{story.limits.protocol.id}"
    at = story.at(2, _NOON)
    return people.consent(story.new_key("n"), story.reference, study, at, permits=permits)


def _eligible(story: Story) -> Resource:
    """Send a screening of which every criterion is satisfied; returns the consent."""
    given = _consent(story)
    story.expect(histology="met", allergy="not-met", consent="met")
    papers = _papers(story)
    story.send("screening", [*papers, given, _stated(story, papers)])
    story.show_everything()
    story.check()
    return given


def _enrolled(story: Story, arm: int = 0) -> Resource:
    """An eligible patient whom the trial management system enrolled in an arm."""
    given = _eligible(story)
    number = {"system": hospital().subject_numbers, "value": f"R2-{story.key}"}
    story.decide(
        "on-study",
        story.as_of,
        identifier=[number],
        assignedArm=story.limits.protocol.arms[arm].name,
        consent={"reference": f"Consent/{given['id']}"},
        period={"start": story.as_of.isoformat()},
    )
    return given


def _treated(story: Story, doses: int) -> None:
    """The first doses of a course, after the intervention was begun."""
    planned = course(story, every_other_day(story.limits.dosing)[:doses])
    story.decide("on-study-intervention", planned[0].at.date())
    send_weekly(story, planned)


@shows("Every criterion is satisfied: data, a consent, and an investigator's statements.",
       days_ago=_YESTERDAY)  # fmt: skip
def eligible(story: Story) -> None:
    _eligible(story)
    story.status = "eligible"


@shows("Everything speaks for the patient, and no consent is on record.", days_ago=_YESTERDAY)
def consent_awaited(story: Story) -> None:
    story.expect(histology="met", allergy="not-met", consent="unknown")
    papers = _papers(story)
    story.send("screening", [*papers, _stated(story, papers)])
    story.status = "screening"


@shows("Everything speaks for the patient, who refused the consent.", days_ago=_YESTERDAY)
def consent_refused(story: Story) -> None:
    story.expect(histology="met", allergy="not-met", consent="not-met")
    papers, refused = _papers(story), _consent(story, permits=False)
    story.send("screening", [*papers, refused, _stated(story, papers)])
    story.status = "ineligible"


@shows("An eligible patient whom people chose, and who is not enrolled yet.", days_ago=_YESTERDAY)
def chosen(story: Story) -> None:
    _eligible(story)
    story.decide("pending-on-study", story.as_of)


@shows("A patient who was enrolled in the arm of Refnot alone.", days_ago=_YESTERDAY)
def enrolled_alone(story: Story) -> None:
    _enrolled(story)


@shows("A patient who was enrolled in the arm with chemotherapy.", days_ago=_YESTERDAY)
def enrolled_with_chemotherapy(story: Story) -> None:
    _enrolled(story, arm=1)


@shows("A patient in the first weeks of the intervention.", days_ago=_ON_TREATMENT)
def on_intervention(story: Story) -> None:
    _enrolled(story)
    _treated(story, 2 * story.limits.dosing.doses_per_week)


@shows("A patient who stays on the study after a week of doses, without more of them.")
def observed(story: Story) -> None:
    _enrolled(story)
    _treated(story, story.limits.dosing.doses_per_week)
    story.decide("on-study-observation", story.day_after(21))


@shows("A patient who is followed up after a whole course.")
def followed_up(story: Story) -> None:
    _enrolled(story)
    _treated(story, len(every_other_day(story.limits.dosing)))
    story.decide("follow-up", story.day_after(42))


@shows("A patient who completed the participation.")
def completed(story: Story) -> None:
    _enrolled(story)
    _treated(story, len(every_other_day(story.limits.dosing)))
    story.decide("follow-up", story.day_after(42))
    ended = story.day_after(100)
    period = {"start": story.as_of.isoformat(), "end": ended.isoformat()}
    story.decide("off-study", ended, period=period)


@shows("A patient who withdrew the consent after a week of doses.")
def withdrew(story: Story) -> None:
    given = _enrolled(story)
    _treated(story, story.limits.dosing.doses_per_week)
    ended = story.day_after(21)
    period = {"period": {"end": ended.isoformat()}}
    story.resend(
        "withdrawal",
        given | {"status": "inactive", "provision": given["provision"] | period},
    )
    story.decide("withdrawn", ended)


@shows("An eligible patient whom people rejected all the same.", days_ago=_YESTERDAY)
def rejected(story: Story) -> None:
    _eligible(story)
    story.decide("ineligible", story.as_of)


SCENARIOS: tuple[Scenario, ...] = (
    eligible,
    consent_awaited,
    consent_refused,
    chosen,
    enrolled_alone,
    enrolled_with_chemotherapy,
    on_intervention,
    observed,
    followed_up,
    completed,
    withdrew,
    rejected,
)
