"""Units as hospitals write them, understood by table and compared exactly.

A table of what hospitals write comes first: UCUM itself reads `K/uL` as kelvin and `G/L` as gauss.
Then the kind of quantity is compared with the one that the lab has, and only then is converted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from typing import TypeVar

from refnot_fhir.core.dictionary import Dimension, Lab
from refnot_fhir.core.exact import product
from refnot_fhir.core.record import shared
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.core.values import Quantity, Reason, reason
from refnot_fhir.core.vocabulary import Unusable

_Meaning = TypeVar("_Meaning")

_ANNOTATION = re.compile(r"\{[^{}]*\}")
# Signs that NFKC leaves apart, and that print alike: slashes, asterisk, circumflex, dots.
_ALIKE = str.maketrans({"⁄": "/", "∕": "/", "∗": "*", "ˆ": "^", "∙": "·", "⋅": "·", "•": "·"})


@shared
class UnitRead:
    """A unit understood for one lab: one of it is `factor` of the lab's canonical unit."""

    ucum: str
    dimension: str
    factor: Decimal
    notes: tuple[Reason, ...] = ()
    """What was mapped, if the unit was not written in UCUM."""


def normalise(unit: str) -> str:
    """The unit in NFKC, trimmed, inner spaces collapsed; case kept, for it carries meaning.

    NFKC makes one letter of both micro signs, digits of superscripts and a space of every space.
    """
    if not unit.isascii():
        unit = unicodedata.normalize("NFKC", unit)
    return " ".join(unit.split())


@lru_cache(maxsize=4096)
def spelling(unit: str) -> str:
    """The unit as spellings are compared: as `normalise`, without blanks and invisible signs.

    Signs that print alike are one; upper and lower case stay two.
    """
    text = normalise(unit).replace(" ", "")
    if text.isascii():
        return text
    return "".join(it for it in text.translate(_ALIKE) if unicodedata.category(it) != "Cf")


def meant(unit: str, site_units: Mapping[str, str]) -> str:
    """The unit, normalised, that a hospital means by a unit: its own ones mapped."""
    text = normalise(unit)
    return site_units.get(text, text)


def to_ucum(unit: str, dimension: Dimension, site_units: Mapping[str, str]) -> str | None:
    """The UCUM unit of `dimension` that a hospital means by `unit`; None: none of it.

    An annotation, `10*3{cells}/uL`, has no meaning in UCUM (https://ucum.org/ucum#para-12).
    """
    key = spelling(meant(unit, site_units))
    found = _listed(key, dimension)
    return found if found or "{" not in key else _listed(_ANNOTATION.sub("", key), dimension)


def _listed(key: str, dimension: Dimension) -> str | None:
    """The unit that a spelling is listed for: as a whole, or on either side of its slash."""
    ucum = dimension.aliases.get(key, key)
    if ucum in dimension.factors:
        return ucum
    above, slash, below = key.rpartition("/")
    if not slash or above not in dimension.numerators or below not in dimension.denominators:
        return None
    ucum = f"{dimension.numerators[above]}/{dimension.denominators[below]}"
    return ucum if ucum in dimension.factors else None


def unit_of(quantity: Quantity, lab: Lab, site: Site, rulebook: Rulebook) -> UnitRead | Reason:
    """What the unit of a hospital's quantity means for a lab, or why it cannot be used."""
    code, unit = quantity.code, quantity.unit
    read = _unit_known if len(code) + len(unit) < _LONG else _unit
    return read(code, unit, quantity.ucum, lab, site, rulebook)


def _unit(
    code: str, unit: str, ucum: bool, lab: Lab, site: Site, rulebook: Rulebook
) -> UnitRead | Reason:
    quantity = Quantity(None, unit, code, ucum)
    return read_unit(quantity, lab, dimensions=rulebook.dimensions, site_units=site.units)


# The same few units come back thousands of times. What is remembered must stay small.
_LONG = 200
_unit_known = lru_cache(maxsize=4096)(_unit)


def read_unit(
    quantity: Quantity,
    lab: Lab,
    *,
    dimensions: Mapping[str, Dimension],
    site_units: Mapping[str, str],
) -> UnitRead | Reason:
    """What the unit of a quantity means for a lab, or why the quantity cannot be used."""
    read = partial(_read_text, lab=lab, dimensions=dimensions, site_units=site_units)
    found = agreed(quantity, read, same=lambda unit: (unit.dimension, unit.factor))
    if isinstance(found, Reason):
        return found
    if found.dimension != lab.dimension and found.dimension not in lab.conversions:
        return reason(
            Unusable.WRONG_DIMENSION,
            unit=found.ucum, measures=_words(found.dimension),
            lab=lab.title, asked=_words(lab.dimension),
        )  # fmt: skip
    return found


def agreed(
    quantity: Quantity,
    read: Callable[[str], _Meaning | None],
    *,
    same: Callable[[_Meaning], Hashable],
) -> _Meaning | Reason:
    """What the unit of a quantity means by its code and by its text, which must agree.

    `read` understands one of the two, and `same` says when two meanings are one. A code that is
    said to be UCUM and is not understood contradicts whatever stands beside it, and so does a text
    that is not understood beside a code that is: it may be another unit. A code of any other system
    that is not understood says nothing, and the text counts.
    """
    coded = normalise(quantity.code)
    seen = coded if quantity.unit == quantity.code else normalise(quantity.unit)
    if not coded and not seen:
        return reason(Unusable.NO_UNIT)
    by_code = read(coded) if coded else None
    if seen in ("", coded):
        return _known(by_code, coded)
    by_text = read(seen)
    if by_code is None and (not coded or not quantity.ucum):
        return _known(by_text, seen)
    if by_code is None and by_text is None:
        return reason(Unusable.UNKNOWN_UNIT, "unknown-unit-shown", coded=coded, shown=seen)
    if by_code is None:
        return reason(Unusable.UNIT_CONFLICT, "unknown-unit-code", coded=coded, shown=seen)
    if by_text is None:
        return reason(Unusable.UNIT_CONFLICT, "unknown-unit-text", coded=coded, shown=seen)
    if same(by_text) != same(by_code):
        return reason(Unusable.UNIT_CONFLICT, coded=coded, shown=seen)
    return by_code


def _known(meaning: _Meaning | None, text: str) -> _Meaning | Reason:
    return reason(Unusable.UNKNOWN_UNIT, unit=text) if meaning is None else meaning


def _words(dimension: str) -> str:
    return dimension.replace("-", " ")


def _read_text(
    text: str,
    lab: Lab,
    *,
    dimensions: Mapping[str, Dimension],
    site_units: Mapping[str, str],
) -> UnitRead | None:
    """The unit of the first dimension that knows it; None when none does."""
    for dimension in _by_closeness(lab, dimensions):
        ucum = to_ucum(text, dimension, site_units)
        if ucum is not None:
            factor = dimension.factors[ucum]
            if dimension.name in lab.conversions:
                factor = product(factor, lab.conversions[dimension.name])
            notes = () if ucum == text else (reason("unit-read", unit=text, ucum=ucum),)
            return UnitRead(ucum, dimension.name, factor, notes)
    return None


def _by_closeness(lab: Lab, dimensions: Mapping[str, Dimension]) -> Iterator[Dimension]:
    """The lab's own dimension, those it converts from, then all others (to name a mistake)."""
    near = (lab.dimension, *lab.conversions)
    yield from (dimensions[name] for name in near if name in dimensions)
    yield from (dimension for name, dimension in dimensions.items() if name not in near)
