"""Whether an element of a resource is what a value asks for.

https://hl7.org/fhir/R4/search.html#prefix for the prefixes, each parameter type in its section.
Codes and identifiers are compared as they are written, upper and lower case apart: all code
systems that occur in the resources served here are case-sensitive.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from decimal import Decimal
from typing import Any

from refnot_fhir.core.values import When
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import period, timing
from refnot_fhir.fhir.search.values import Amount, Moment, Number, Target, Text, Token

Json = Mapping[str, Any]

_VERSION = re.compile(r"/_history/[^/]+$")


def token(wanted: Token, element: object, bound: str = "") -> bool:
    """A code, Coding, CodeableConcept, Identifier or boolean; `bound` is the system of a code."""
    if isinstance(element, bool):
        return wanted.system is None and wanted.code == str(element).lower()
    if isinstance(element, str):
        in_system = wanted.system in (None, "", bound)
        return in_system and wanted.code in (None, element)
    return isinstance(element, Mapping) and any(
        wanted.system in (None, system) and wanted.code in (None, code)
        for system, code in _codes(element)
    )


def _codes(element: Json) -> Iterator[tuple[str, str]]:
    for coding in element.get("coding", ()):
        yield coding.get("system", ""), coding.get("code", "")
    for name in ("code", "value"):
        if name in element:
            yield element.get("system", ""), element[name]


def text(wanted: Text, element: object, modifier: str = "") -> bool:
    """A string, or any string of a HumanName or Address."""
    return any(_TEXT[modifier](piece, wanted.text) for piece in _strings(element))


def _strings(element: object) -> Iterator[str]:
    if isinstance(element, str):
        yield element
    elif isinstance(element, Mapping):
        for name, value in element.items():
            if name not in ("use", "type", "period", "extension", "id"):
                yield from _strings(value)
    elif isinstance(element, list):
        for item in element:
            yield from _strings(item)


def folded(text: str) -> str:
    """Without accents, case and repeated blanks."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).split())


_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "": lambda found, wanted: folded(found).startswith(folded(wanted)),
    "contains": lambda found, wanted: folded(wanted) in folded(found),
    "exact": lambda found, wanted: found == wanted,
}


def moment(wanted: Moment, element: object, zone: tzinfo) -> bool:
    """A date, dateTime, instant, Period or Timing."""
    found = _span(element, zone)
    return found is not None and within(wanted.prefix, wanted.span, found)


def _span(element: object, zone: tzinfo) -> When | None:
    if isinstance(element, str):
        return when(element, zone=zone)
    if not isinstance(element, Mapping):
        return None
    return period(element, zone=zone) or timing(element, zone=zone)


def within(prefix: str, wanted: When, found: When) -> bool:
    """Whether a span of time lies to the wanted one as the prefix says.

    `ge` and `le` count from the near end of the wanted span, so that what ended in November 2011 is
    `ge2011`; HL7's wording leaves it out. For a single moment they are exactly `gt` or `eq`.
    """
    contained = wanted.earliest <= found.earliest and found.latest <= wanted.latest
    holds: Mapping[str, bool] = {
        "eq": contained,
        "ne": not contained,
        "gt": found.latest > wanted.latest,
        "lt": found.earliest < wanted.earliest,
        "ge": found.latest >= wanted.earliest,
        "le": found.earliest <= wanted.latest,
        "sa": found.earliest > wanted.latest,
        "eb": found.latest < wanted.earliest,
        "ap": found.earliest <= wanted.latest and wanted.earliest <= found.latest,
    }
    return holds[prefix]


def number(wanted: Number, element: object) -> bool:
    """An integer or a decimal."""
    if isinstance(element, bool) or not isinstance(element, int | Decimal):
        return False
    found = Decimal(element)
    close = wanted.low <= found < wanted.high
    holds: Mapping[str, bool] = {
        "eq": close,
        "ne": not close,
        "gt": found > wanted.value,
        "lt": found < wanted.value,
        "ge": found >= wanted.value,
        "le": found <= wanted.value,
        "sa": found > wanted.value,
        "eb": found < wanted.value,
        "ap": wanted.low <= found <= wanted.high,
    }
    return holds[wanted.prefix]


def amount(wanted: Amount, element: object) -> bool:
    """A Quantity; one with a comparator (`<5`) has no value to compare and never matches."""
    if not isinstance(element, Mapping) or "comparator" in element:
        return False
    return number(wanted.number, element.get("value")) and _unit(wanted, element)


def _unit(wanted: Amount, element: Json) -> bool:
    if wanted.system:
        in_system = element.get("system") == wanted.system
        return in_system and wanted.code in ("", element.get("code"))
    return wanted.code in ("", element.get("code"), element.get("unit"))


def target(wanted: Target, element: object, base: str, types: tuple[str, ...]) -> bool:
    """A Reference to one of `types`; one to another service matches by its address only."""
    if not isinstance(element, Mapping):
        return False
    address = local(element, base)
    if wanted.url:
        return address == _VERSION.sub("", wanted.url)
    type, _, id = address.rpartition("/")
    return (
        id == wanted.id
        and "/" not in type
        and wanted.type in ("", type)
        and (not types or type in types)
    )


def local(element: Json, base: str) -> str:
    """A literal reference without its version, relative if it is below `base`; may be empty."""
    address = _VERSION.sub("", str(element.get("reference", "")))
    return address.removeprefix(f"{base.rstrip('/')}/") if base else address
