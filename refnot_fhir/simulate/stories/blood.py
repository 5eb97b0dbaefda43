"""Granulocytes and platelets: limits, what may stand for them, and how hospitals write them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.labs import Row, panel, stepped, texted, usual
from refnot_fhir.simulate.scenario import Scenario, shows
from refnot_fhir.simulate.story import Story


def _limit(story: Story, lab: str, criterion: str) -> tuple[Decimal, Decimal]:
    """A criterion's limit in the unit that the hospital reports, and the smallest step above it."""
    analyte = hospital().analyte(lab)
    limit = stepped(story.limits.bound(criterion, analyte.unit), analyte.step)
    return limit, limit + analyte.step


def _respelled(story: Story, lab: str, written: str) -> Row:
    """The newest row of a lab with its unit as another hospital writes it, and no UCUM code."""
    row, unit = story.usual_row(lab), hospital().spellings[written]

    def convert(value: Decimal) -> Decimal:
        return story.limits.converted(lab, value, of=row.code, to=unit)

    return Row(
        value=convert(row.value),
        unit=written,
        low=None if row.low is None else convert(row.low),
        high=None if row.high is None else convert(row.high),
    )


@shows("The newest granulocytes are exactly the limit, and the limit is not more than itself.")
def granulocytes_at_the_limit(story: Story) -> None:
    limit, _ = _limit(story, "granulocytes", "granulocytes")
    story.measure("granulocytes", replace(story.usual_row("granulocytes"), value=limit))
    story.expect(granulocytes="not-met")


@shows("The newest granulocytes are the smallest reportable step above the limit.")
def granulocytes_just_above_the_limit(story: Story) -> None:
    _, above = _limit(story, "granulocytes", "granulocytes")
    story.measure("granulocytes", replace(story.usual_row("granulocytes"), value=above))
    story.expect(granulocytes="met")


@shows(
    "Granulocytes at the limit, counted per microlitre: no rounding error may lift them over it."
)
def granulocytes_at_the_limit_per_microlitre(story: Story) -> None:
    limit = story.limits.bound("granulocytes", hospital().spellings["cells/uL"])
    story.measure("granulocytes", Row(limit.to_integral_value(), "cells/uL"))
    story.expect(granulocytes="not-met")


@shows("Platelets are exactly the limit, which is also the end of the normal range.")
def platelets_at_the_limit(story: Story) -> None:
    limit, _ = _limit(story, "platelets", "platelets")
    story.measure("platelets", replace(story.usual_row("platelets"), value=limit))
    story.expect(platelets="not-met")


@shows("Platelets are the smallest reportable step above the limit.")
def platelets_just_above_the_limit(story: Story) -> None:
    _, above = _limit(story, "platelets", "platelets")
    story.measure("platelets", replace(story.usual_row("platelets"), value=above))
    story.expect(platelets="met")


@shows("The analyser gave up counting: more than the limit is all that is said, and it is enough.")
def platelets_more_than_the_limit(story: Story) -> None:
    limit, _ = _limit(story, "platelets", "platelets")
    story.measure("platelets", replace(story.usual_row("platelets"), value=limit, comparator=">"))
    story.expect(platelets="met")


@shows("Platelets are above a value that is itself below the limit: that proves nothing.")
def platelets_more_than_too_little(story: Story) -> None:
    limit, _ = _limit(story, "platelets", "platelets")
    row = replace(story.usual_row("platelets"), value=limit - hospital().analyte("platelets").step)
    story.measure("platelets", replace(row, comparator=">"))
    story.expect(platelets="unknown")


@shows("Units as hospitals write them: K/uL, a Greek mu, a micro sign; none of them is kelvin.")
def units_as_hospitals_write_them(story: Story) -> None:
    story.measure("granulocytes", _respelled(story, "granulocytes", "10^3/μL"))
    story.measure("platelets", _respelled(story, "platelets", "K/uL"))
    story.expect(granulocytes="met", platelets="met")


@shows("Other spellings of the same units: x10^9/L, and a micro sign where another has a Greek mu.")
def more_units_as_hospitals_write_them(story: Story) -> None:
    story.measure("granulocytes", _respelled(story, "granulocytes", "x10^9/L"))
    story.measure("platelets", _respelled(story, "platelets", "10^3/µL"))
    story.expect(granulocytes="met", platelets="met")


@shows("The newest granulocytes come as text with a decimal comma: no number, so nothing is known.")
def value_as_text(story: Story) -> None:
    newest = story.newest("granulocytes")
    said = str(newest["valueQuantity"]["value"]).replace(".", ",")
    story.replace_newest("granulocytes", texted(newest, said))
    story.expect(granulocytes="unknown")


@shows("A blood count sent as one panel whose members carry the values.")
def results_in_a_panel(story: Story) -> None:
    rows = {name: story.usual_row(name) for name in hospital().panel["members"]}
    at = story.at(1)
    story.readings["panel"] = [panel(story.new_key("o"), story.reference, rows, at=at)]
    story.never_measured(*rows)
    story.expect(granulocytes="met", platelets="met")


@shows("Only neutrophils are counted; above the limit they prove that granulocytes are, too.")
def neutrophils_above_the_limit(story: Story) -> None:
    story.never_measured("granulocytes")
    story.weekly(hospital().analyte("neutrophils"), 3)
    story.expect(granulocytes="met")


@shows("Only neutrophils are counted; at the limit they leave open what all granulocytes are.")
def neutrophils_at_the_limit(story: Story) -> None:
    story.never_measured("granulocytes")
    limit, _ = _limit(story, "neutrophils", "granulocytes")
    story.measure("neutrophils", usual(hospital().analyte("neutrophils"), limit), days_before=3)
    story.expect(granulocytes="unknown")


def _counted_by_share(story: Story, white_cells: Decimal, percent: Decimal) -> None:
    """Leucocytes and the share of granulocytes among them, from one blood sample."""
    story.never_measured("granulocytes")
    for name, value in (("white-cells", white_cells), ("granulocytes-percent", percent)):
        story.measure(name, usual(hospital().analyte(name), value), days_before=3)


@shows("Granulocytes follow from leucocytes and their share in the same sample, above the limit.")
def granulocytes_derived(story: Story) -> None:
    spare = hospital().spare
    _counted_by_share(
        story, spare["white-cells"].typical[1], spare["granulocytes-percent"].typical[0]
    )
    story.expect(granulocytes="met")


@shows("Granulocytes follow from leucocytes and their share in the same sample, below the limit.")
def granulocytes_derived_too_low(story: Story) -> None:
    percent = hospital().analyte("granulocytes-percent").typical[0]
    limit, _ = _limit(story, "granulocytes", "granulocytes")
    _counted_by_share(story, stepped(limit, hospital().analyte("white-cells").step), percent)
    story.expect(granulocytes="not-met")


@shows("The analyser swaps its codes: a percentage under the code of the absolute count.")
def swapped_analyser_codes(story: Story) -> None:
    share = hospital().analyte("granulocytes-percent")
    story.measure("granulocytes", Row(share.typical[0], share.unit, share.unit))
    story.expect(granulocytes="unknown")


SCENARIOS: tuple[Scenario, ...] = (
    granulocytes_at_the_limit,
    granulocytes_just_above_the_limit,
    granulocytes_at_the_limit_per_microlitre,
    platelets_at_the_limit,
    platelets_just_above_the_limit,
    platelets_more_than_the_limit,
    platelets_more_than_too_little,
    units_as_hospitals_write_them,
    more_units_as_hospitals_write_them,
    value_as_text,
    results_in_a_panel,
    neutrophils_above_the_limit,
    neutrophils_at_the_limit,
    granulocytes_derived,
    granulocytes_derived_too_low,
    swapped_analyser_codes,
)
