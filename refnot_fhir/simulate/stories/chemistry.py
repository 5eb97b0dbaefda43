"""Creatinine and liver enzymes: multiples of the upper limit of normal of the same row."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.story import Story

_LIVER = {"IN08B": "alt", "IN08C": "ast", "IN08D": "alp"}


def _at_the_multiple(story: Story, criterion: str, lab: str) -> Decimal:
    """The highest value that the hospital's own upper limit allows."""
    return story.limits.bound(criterion, "") * hospital().analyte(lab).high


@shows("Creatinine is exactly the allowed multiple of the laboratory's upper limit.")
def creatinine_at_the_multiple(story: Story) -> None:
    value = _at_the_multiple(story, "IN08A", "creatinine")
    story.measure("creatinine", replace(story.usual_row("creatinine"), value=value))
    story.expect(IN08A="met")


@shows("Creatinine is one reportable step above the allowed multiple.")
def creatinine_above_the_multiple(story: Story) -> None:
    value = _at_the_multiple(story, "IN08A", "creatinine") + hospital().analyte("creatinine").step
    story.measure("creatinine", replace(story.usual_row("creatinine"), value=value))
    story.expect(IN08A="not-met")


@shows("Creatinine in mg/dL with its range in mg/dL, well below the allowed multiple.")
def creatinine_in_milligrams(story: Story) -> None:
    story.never_measured("creatinine")
    story.weekly(hospital().analyte("creatinine-mass"), 2)
    story.expect(IN08A="met")


@shows("Creatinine in umol/L at exactly the allowed multiple of a range stated in mg/dL.")
def creatinine_with_a_range_in_milligrams(story: Story) -> None:
    analyte, step = hospital().analyte("creatinine"), Decimal("0.1")
    own = story.limits.converted("creatinine", analyte.high, of=analyte.unit, to="mg/dL")
    high = own.quantize(step)
    allowed = high * story.limits.bound("IN08A", "")
    value = story.limits.converted("creatinine", allowed, of="mg/dL", to=analyte.unit)
    row = replace(story.usual_row("creatinine"), low=None, high=high, range_unit="mg/dL")
    story.measure("creatinine", replace(row, value=value))
    story.expect(IN08A="met")


@shows("The newest creatinine comes without a range: older rows with one must not speak for it.")
def creatinine_without_a_range(story: Story) -> None:
    story.measure("creatinine", story.usual_row("creatinine").without_range())
    story.expect(IN08A="unknown")


@shows("A laboratory that sends no ranges at all: nothing that depends on one is known.")
def no_ranges_at_all(story: Story) -> None:
    for lab in ("creatinine", *_LIVER.values()):
        for reading in story.readings[lab]:
            reading.pop("referenceRange")
    story.expect(IN08A="unknown", **dict.fromkeys(_LIVER, "unknown"))


@shows("ALT in ukat/L at exactly the allowed multiple of a range stated in U/L.")
def alt_in_katal(story: Story) -> None:
    allowed = _at_the_multiple(story, "IN08B", "alt")
    value = story.limits.converted("alt", allowed, of="U/L", to="ukat/L").normalize()
    row = replace(story.usual_row("alt"), value=value, unit="ukat/L", code="ukat/L")
    story.measure("alt", replace(row, low=None, range_unit="U/L"))
    story.expect(IN08B="met")


@shows("AST and its range in IU/L, which is no UCUM unit and means U/L.")
def ast_in_international_units(story: Story) -> None:
    story.measure("ast", replace(story.usual_row("ast"), unit="IU/L", code=""))
    story.expect(IN08C="met")


@shows("Alkaline phosphatase below the measuring range, which is far below any limit.")
def alp_below_the_measuring_range(story: Story) -> None:
    row = story.usual_row("alp")
    story.measure("alp", replace(row, value=row.low or row.value, comparator="<"))
    story.expect(IN08D="met")


def _enzyme(criterion: str, lab: str, *, above: bool) -> Scenario:
    def tell(story: Story) -> None:
        value = _at_the_multiple(story, criterion, lab)
        if above:
            value += hospital().analyte(lab).step
        story.measure(lab, replace(story.usual_row(lab), value=value))
        story.expect(**{criterion: "not-met" if above else "met"})

    place = "above" if above else "at"
    says = f"{lab.upper()} is {'one step above' if above else 'exactly'} the allowed multiple."
    return Scenario(f"{lab}-{place}-the-multiple", says, tell)


SCENARIOS: tuple[Scenario, ...] = (
    creatinine_at_the_multiple,
    creatinine_above_the_multiple,
    creatinine_in_milligrams,
    creatinine_with_a_range_in_milligrams,
    creatinine_without_a_range,
    no_ranges_at_all,
    alt_in_katal,
    ast_in_international_units,
    alp_below_the_measuring_range,
    *(_enzyme(name, lab, above=True) for name, lab in _LIVER.items()),
    *(_enzyme(name, lab, above=False) for name, lab in _LIVER.items()),
)
