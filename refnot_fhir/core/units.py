"""Units as hospitals write them, understood by table and compared exactly.

A table of what hospitals write comes first: UCUM itself reads `K/uL` as kelvin and `G/L` as gauss.
Then the kind of quantity is compared with the one that the lab has, and only then is converted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from refnot_fhir.core.dictionary import Dimension, Lab
from refnot_fhir.core.exact import product
from refnot_fhir.core.records import NotUsable, Quantity


@dataclass(frozen=True, slots=True)
class UnitRead:
    """A unit understood for one lab: one of it is `factor` of the lab's canonical unit."""

    ucum: str
    dimension: str
    factor: Decimal
    note: str = ""
    """What was mapped, if the unit was not written in UCUM."""


def normalise(unit: str) -> str:
    """The unit in NFKC, trimmed, inner spaces collapsed; case kept, for it carries meaning.

    NFKC makes one letter of both micro signs, digits of superscripts and a space of every space.
    """
    if not unit.isascii():
        unit = unicodedata.normalize("NFKC", unit)
    return " ".join(unit.split())


def to_ucum(unit: str, dimension: Dimension, site_units: Mapping[str, str]) -> str | None:
    """The UCUM unit of `dimension` that a hospital means by `unit`; None: none of it."""
    return _ucum(normalise(unit), dimension, site_units)


def _ucum(text: str, dimension: Dimension, site_units: Mapping[str, str]) -> str | None:
    text = site_units.get(text, text)
    ucum = dimension.aliases.get(text, text)
    return ucum if ucum in dimension.factors else None


def read_unit(
    quantity: Quantity,
    lab: Lab,
    *,
    dimensions: Mapping[str, Dimension],
    site_units: Mapping[str, str],
) -> UnitRead | NotUsable:
    """What the unit of a quantity means for a lab, or why the quantity cannot be used.

    The coded unit is preferred to the one shown; when both are understood they must agree.
    """
    coded = normalise(quantity.code)
    seen = coded if quantity.unit == quantity.code else normalise(quantity.unit)
    if not coded and not seen:
        return NotUsable("no-unit", "The value has no unit, and none is ever assumed.")
    reads = [
        _read_text(text, lab, dimensions=dimensions, site_units=site_units)
        for text in dict.fromkeys((coded, seen))
        if text
    ]
    known = [read for read in reads if not isinstance(read, str)]
    if not known:
        return NotUsable("unknown-unit", f"The unit “{coded or seen}” is not known.")
    return _agreed(known, lab, quantity)


def _agreed(known: list[UnitRead], lab: Lab, quantity: Quantity) -> UnitRead | NotUsable:
    first = known[0]
    for other in known[1:]:
        if (other.dimension, other.factor) != (first.dimension, first.factor):
            why = f"The unit shown, “{quantity.unit}”, contradicts its code, “{quantity.code}”."
            return NotUsable("unknown-unit", why)
    if first.dimension != lab.dimension and first.dimension not in lab.conversions:
        why = (
            f"The unit {first.ucum} measures {_words(first.dimension)}, "
            f"but {lab.title} is measured as {_words(lab.dimension)}."
        )
        return NotUsable("wrong-dimension", why)
    return first


def _words(dimension: str) -> str:
    return dimension.replace("-", " ")


def _read_text(
    text: str,
    lab: Lab,
    *,
    dimensions: Mapping[str, Dimension],
    site_units: Mapping[str, str],
) -> UnitRead | str:
    """The unit of the first dimension that knows it; the text itself when none does."""
    for dimension in _by_closeness(lab, dimensions):
        ucum = _ucum(text, dimension, site_units)
        if ucum is not None:
            factor = dimension.factors[ucum]
            if dimension.name in lab.conversions:
                factor = product(factor, lab.conversions[dimension.name])
            note = "" if ucum == text else f"unit {text} read as {ucum}"
            return UnitRead(ucum, dimension.name, factor, note)
    return text


def _by_closeness(lab: Lab, dimensions: Mapping[str, Dimension]) -> Iterator[Dimension]:
    """The lab's own dimension, those it converts from, then all others (to name a mistake)."""
    near = (lab.dimension, *lab.conversions)
    yield from (dimensions[name] for name in near if name in dimensions)
    yield from (dimension for name, dimension in dimensions.items() if name not in near)
