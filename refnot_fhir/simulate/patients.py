"""Patients, each with one scenario, and the messages that their hospital sends of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.simulate.expectation import Check
from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.limits import Limits
from refnot_fhir.simulate.messages import posted, put
from refnot_fhir.simulate.scenario import Scenario
from refnot_fhir.simulate.stories import SCENARIOS
from refnot_fhir.simulate.story import Story, criteria

Resource = dict[str, Any]


@record
class Simulated:
    """One patient: what is sent, in order, and what must be concluded."""

    key: str
    reference: str
    """Empty when the receiver gives out the id; the identifier finds the patient then."""
    scenario: Scenario
    shows: tuple[str, ...]
    checks: tuple[Check, ...]
    bundles: tuple[Resource, ...]
    decisions: tuple[Resource, ...] = ()
    """What a trial management system sends after all bundles."""
    status: str = ""
    """Of the subject at the end; empty: not told."""

    def as_json(self) -> dict[str, Any]:
        """The manifest's entry."""
        return {
            "id": self.key,
            "reference": self.reference or None,
            "identifier": {"system": hospital().identifiers, "value": self.key},
            "scenario": self.scenario.name,
            "sentence": self.scenario.sentence,
            "shows": list(self.shows),
            "bundles": [f"{bundle['id']}.json" for bundle in self.bundles],
            "decisions": [bundle["id"] + ".json" for bundle in self.decisions],
            **({"status": self.status} if self.status else {}),
            "checks": [check.as_json() for check in self.checks],
        }


def simulated(
    patients: int,
    seed: int,
    *,
    rulebook: Rulebook,
    until: date | None = None,
    protocol: str = "refnot-r2",
    site: str = "default",
) -> Iterator[Simulated]:
    """The first so many patients of a seed, none of whom depends on how many there are."""
    limits = Limits(rulebook, rulebook.protocols[protocol])
    for number in range(1, patients + 1):
        scenario = _scenario(number - 1, seed)
        rng = Random(f"{seed}/{number}")  # noqa: S311  a simulation must repeat itself
        story = Story(
            number=number,
            key=f"sim-{seed}-{number:04d}",
            limits=limits,
            zone=rulebook.sites[site].zone,
            rng=rng,
            as_of=_assessed(rng, until or hospital().until, scenario),
        )
        yield told(story, scenario)


def _assessed(rng: Random, until: date, scenario: Scenario) -> date:
    house = hospital()
    if scenario.days_ago is not None:
        return until - timedelta(days=scenario.days_ago)
    return until - timedelta(days=house.aftermath + rng.randrange(house.days))


def _scenario(index: int, seed: int) -> Scenario:
    """Every scenario once before any comes again, in an order of the seed's own."""
    turn, place = divmod(index, len(SCENARIOS))
    order = list(SCENARIOS)
    Random(f"{seed}/turn/{turn}").shuffle(order)  # noqa: S311
    return order[place]


def told(story: Story, scenario: Scenario) -> Simulated:
    """The patient that a fresh story becomes by this scenario."""
    _everything_speaks_for(story)
    scenario.tell(story)
    if not story.messages:
        story.send("screening")
    if not story.checks or story.checks[-1].after != f"{story.messages[-1][0]}.json":
        story.check()
    once = len(story.messages) == 1 and not story.status
    by_post = once and story.rng.randrange(4) < hospital().posted_in_four
    return Simulated(
        key=story.key,
        reference="" if by_post else story.reference,
        scenario=scenario,
        shows=tuple(story.shown),
        checks=tuple(story.checks),
        bundles=tuple(
            posted(name, resources, story.rng) if by_post else put(name, resources)
            for name, resources in story.messages
        ),
        decisions=tuple(story.decisions),
        status=story.status,
    )


def _everything_speaks_for(story: Story) -> None:
    """A patient of whom every criterion that data can decide is satisfied."""
    house, rng = hospital(), story.rng
    age = rng.randint(*house.age)
    born = story.as_of.replace(day=1, month=rng.randint(1, 12), year=story.as_of.year - age)
    story.patient = {
        "resourceType": "Patient",
        "id": story.key,
        "meta": {"tag": [{"system": house.codes["tag"], "code": "HTEST"}]},
        "identifier": [{"system": house.identifiers, "value": story.key}],
        "name": [{"family": rng.choice(house.family), "given": [rng.choice(house.given)]}],
        "gender": "female",
        "birthDate": born.isoformat(),
    }
    drawn = rng.randint(1, 6)
    for analyte in (*house.labs.values(), house.spare["body-height"]):
        story.weekly(analyte, drawn)
    story.who_status(rng.randint(0, 2), days_before=drawn)
    story.drug(house.drugs["paclitaxel"], days_before=rng.randint(60, 90))
    story.immunotherapy("not-given", days_before=1)
    story.expected = dict.fromkeys(story.limits.kinds(), "met")
    story.expected |= criteria(immunotherapy="not-met")
    story.be(rng.choice(("female", "male")))
