"""What is taken at home, ordered, handed over and done: how much each of it says."""

from __future__ import annotations

from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.medicines import dispense, order, procedure, statement
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.story import Resource, Story


def _stated(story: Story, drug: str, first: int, last: int | None = None) -> Resource:
    """A drug taken from and to so many days before, as stated on the last day or yesterday."""
    return statement(
        story.new_key("s"),
        story.reference,
        hospital().drugs[drug],
        first=story.at(first).date(),
        last=None if last is None else story.at(last).date(),
        stated=story.at(1 if last is None else last).date(),
    )


@shows("Prednisolone has been taken for longer than counts as chronic, and still is.")
def chronic_steroid(story: Story) -> None:
    story.expect(steroids="met")
    days = story.limits.long_use("steroids").longer_than_days + 1
    story.send("screening", [_stated(story, "prednisolone", days)])


@shows(
    "Prednisolone for exactly as long as does not yet count as chronic: the investigator judges."
)
def steroid_at_the_limit(story: Story) -> None:
    story.expect(steroids="unknown")
    days = story.limits.long_use("steroids").longer_than_days
    story.send("screening", [_stated(story, "prednisolone", days)])


@shows("Dexamethasone before three infusions, weeks apart: single doses are no chronic use.")
def premedication(story: Story) -> None:
    for weeks in (3, 6, 9):
        story.drug(hospital().drugs["dexamethasone"], days_before=7 * weeks)
    story.expect(steroids="unknown")


@shows("Prednisolone that was only handed over: nobody says that it was taken.")
def dispensed_steroid(story: Story) -> None:
    story.expect(steroids="unknown")
    word, at = hospital().drugs["prednisolone"], story.at(60)
    story.send("screening", [dispense(story.new_key("s"), story.reference, word, at, 90)])


@shows("Chronic prednisolone, and the hospital then says that the statement was an error.")
def steroid_retracted(story: Story) -> None:
    taken = _stated(story, "prednisolone", 90)
    story.expect(steroids="met")
    story.send("screening", [taken])
    story.check()
    story.expect(steroids="unknown")
    story.resend("retraction", taken | {"status": "entered-in-error"})


@shows(
    "Nivolumab was ordered before the patient answered that none was given: the answer settles it."
)
def order_before_the_answer(story: Story) -> None:
    story.expect(immunotherapy="not-met")
    word = hospital().drugs["nivolumab"]
    story.send("screening", [order(story.new_key("r"), story.reference, word, story.at(20))])


@shows("Nivolumab was ordered after the answer that none was given: nobody knows.")
def order_after_the_answer(story: Story) -> None:
    story.expect(immunotherapy="unknown")
    word = hospital().drugs["nivolumab"]
    story.send("screening", [order(story.new_key("r"), story.reference, word, story.at(0))])


@shows("Nivolumab inside the window, taken elsewhere, as a statement says.")
def stated_immunotherapy(story: Story) -> None:
    story.expect(immunotherapy="met")
    story.send("screening", [_stated(story, "nivolumab", 20, 20)])


@shows("An immunotherapy inside the window that was recorded as a procedure.")
def immunotherapy_as_a_procedure(story: Story) -> None:
    story.expect(immunotherapy="met")
    word = hospital().procedures["immunotherapy"]
    story.send("screening", [procedure(story.new_key("x"), story.reference, word, story.at(10))])


@shows("Chemotherapy in the years before, as statement and procedure: listed for the investigator.")
def earlier_chemotherapy(story: Story) -> None:
    story.expect(immunotherapy="not-met")
    word = hospital().procedures["chemotherapy"]
    done = procedure(story.new_key("x"), story.reference, word, story.at(700))
    story.send("screening", [_stated(story, "paclitaxel", 400, 300), done])


SCENARIOS: tuple[Scenario, ...] = (
    chronic_steroid,
    steroid_at_the_limit,
    premedication,
    dispensed_steroid,
    steroid_retracted,
    order_before_the_answer,
    order_after_the_answer,
    stated_immunotherapy,
    immunotherapy_as_a_procedure,
    earlier_chemotherapy,
)
