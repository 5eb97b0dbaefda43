"""Creatinine and liver enzymes: multiples of the upper limit of normal of the same row."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.story import Story

_LIVER = ("alt", "ast", "alp")
"""Labs, and the criteria of the same names."""


def _at_the_multiple(story: Story, lab: str) -> Decimal:
    """The highest value that the hospital's own upper limit allows."""
    return story.limits.bound(lab, "") * hospital().analyte(lab).high


@shows("Creatinine is exactly the allowed multiple of the laboratory's upper limit.")
def creatinine_at_the_multiple(story: Story) -> None:
    value = _at_the_multiple(story, "creatinine")
    story.measure("creatinine", replace(story.usual_row("creatinine"), value=value))
    story.expect(creatinine="met")


@shows("Creatinine is one reportable step above the allowed multiple.")
def creatinine_above_the_multiple(story: Story) -> None:
    value = _at_the_multiple(story, "creatinine") + hospital().analyte("creatinine").step
    story.measure("creatinine", replace(story.usual_row("creatinine"), value=value))
    story.expect(creatinine="not-met")


@shows("Creatinine in mg/dL with its range in mg/dL, well below the allowed multiple.")
def creatinine_in_milligrams(story: Story) -> None:
    story.never_measured("creatinine")
    story.weekly(hospital().analyte("creatinine-mass"), 2)
    story.expect(creatinine="met")


@shows("Creatinine in umol/L at exactly the allowed multiple of a range stated in mg/dL.")
def creatinine_with_a_range_in_milligrams(story: Story) -> None:
    analyte, step = hospital().analyte("creatinine"), Decimal("0.1")
    own = story.limits.converted("creatinine", analyte.high, of=analyte.unit, to="mg/dL")
    high = own.quantize(step)
    allowed = high * story.limits.bound("creatinine", "")
    value = story.limits.converted("creatinine", allowed, of="mg/dL", to=analyte.unit)
    row = replace(story.usual_row("creatinine"), low=None, high=high, range_unit="mg/dL")
    story.measure("creatinine", replace(row, value=value))
    story.expect(creatinine="met")


@shows("The newest creatinine comes without a range: older rows with one must not speak for it.")
def creatinine_without_a_range(story: Story) -> None:
    story.measure("creatinine", story.usual_row("creatinine").without_range())
    story.expect(creatinine="unknown")


@shows("A laboratory that sends no ranges at all: nothing that depends on one is known.")
def no_ranges_at_all(story: Story) -> None:
    for lab in ("creatinine", *_LIVER):
        for reading in story.readings[lab]:
            reading.pop("referenceRange")
    story.expect(creatinine="unknown", **dict.fromkeys(_LIVER, "unknown"))


@shows("ALT in ukat/L at exactly the allowed multiple of a range stated in U/L.")
def alt_in_katal(story: Story) -> None:
    allowed = _at_the_multiple(story, "alt")
    value = story.limits.converted("alt", allowed, of="U/L", to="ukat/L").normalize()
    row = replace(story.usual_row("alt"), value=value, unit="ukat/L", code="ukat/L")
    story.measure("alt", replace(row, low=None, range_unit="U/L"))
    story.expect(alt="met")


@shows("AST and its range in IU/L, which is no UCUM unit and means U/L.")
def ast_in_international_units(story: Story) -> None:
    story.measure("ast", replace(story.usual_row("ast"), unit="IU/L", code=""))
    story.expect(ast="met")


@shows("Alkaline phosphatase below the measuring range, which is far below any limit.")
def alp_below_the_measuring_range(story: Story) -> None:
    row = story.usual_row("alp")
    story.measure("alp", replace(row, value=row.low or row.value, comparator="<"))
    story.expect(alp="met")


def _enzyme(lab: str, *, above: bool) -> Scenario:
    def tell(story: Story) -> None:
        value = _at_the_multiple(story, lab)
        if above:
            value += hospital().analyte(lab).step
        story.measure(lab, replace(story.usual_row(lab), value=value))
        story.expect(**{lab: "not-met" if above else "met"})

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
    *(_enzyme(lab, above=True) for lab in _LIVER),
    *(_enzyme(lab, above=False) for lab in _LIVER),
)
