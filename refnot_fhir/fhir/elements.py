"""FHIR's data types as core records: moments, quantities, concepts, references, extensions.

All functions trust the structure of what they read: the gate ran before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from refnot_fhir.core.values import Coding, Concept, Quantity, When
from refnot_fhir.fhir.dates import BEGINNING, END, when

Json = Mapping[str, Any]


class Lookup(NamedTuple):
    """What is known of the resources that a resource names."""

    resource: Callable[[str], Json | None] = lambda _reference: None
    """The one that a reference (`Specimen/s1`) names, if it is known."""
    carrying: Callable[[str], Sequence[Json]] = lambda _identifier: ()
    """All that carry an identifier (`Specimen?system|value`)."""


_UCUM = "http://unitsofmeasure.org"


def period(element: Json, *, zone: tzinfo, dates_in_utc: bool = False) -> When | None:
    """From the earliest start to the latest end; a bound that is not said is not known."""
    start, end = element.get("start"), element.get("end")
    if start is None and end is None:
        return None
    first = (
        BEGINNING if start is None else when(start, zone=zone, dates_in_utc=dates_in_utc).earliest
    )
    last = END if end is None else when(end, zone=zone, dates_in_utc=dates_in_utc).latest
    return When(first, max(first, last), f"{start or ''}/{end or ''}")


def timing(element: Json, *, zone: tzinfo, dates_in_utc: bool = False) -> When | None:
    """From the first to the last event of a Timing, or else its bounds, if it has any."""
    events = [event for event in element.get("event", ()) if event is not None]
    if not events:
        bounds = element.get("repeat", {}).get("boundsPeriod", {})
        return period(bounds, zone=zone, dates_in_utc=dates_in_utc)
    seen = [when(event, zone=zone, dates_in_utc=dates_in_utc) for event in events]
    first, last = min(w.earliest for w in seen), max(w.latest for w in seen)
    return When(first, last, ", ".join(events))


def moment(parent: Json, name: str, *, zone: tzinfo, dates_in_utc: bool = False) -> When | None:
    """`name`[x] of `parent`, whichever of dateTime, instant, Period and Timing it is."""
    for kind in ("DateTime", "Instant"):
        if (text := parent.get(name + kind)) is not None:
            return when(text, zone=zone, dates_in_utc=dates_in_utc)
    if (element := parent.get(f"{name}Period")) is not None:
        return period(element, zone=zone, dates_in_utc=dates_in_utc)
    element = parent.get(f"{name}Timing")
    return None if element is None else timing(element, zone=zone, dates_in_utc=dates_in_utc)


def quantity(element: Json | None) -> Quantity | None:
    """A Quantity, its number exactly as sent."""
    if element is None:
        return None
    get = element.get
    value = get("value")
    return Quantity(
        None if value is None else Decimal(value),
        get("unit", ""),
        get("code", ""),
        get("system") == _UCUM,
        get("comparator", ""),
    )


def coding(element: Json) -> Coding:
    """A Coding; what it does not say is empty."""
    return Coding(element.get("system", ""), element.get("code", ""), element.get("display", ""))


def concept(element: Json | None) -> Concept | None:
    """A CodeableConcept."""
    if element is None:
        return None
    codings, text = element.get("coding", ()), element.get("text", "")
    if len(codings) != 1:
        return Concept(tuple(map(coding, codings)), text)
    get = codings[0].get
    system, code, display = get("system", ""), get("code", ""), get("display", "")
    short = len(system) + len(code) + len(display) + len(text) < _LONG
    return (_concept_known if short else _concept)(system, code, display, text)


def _concept(system: str, code: str, display: str, text: str) -> Concept:
    return Concept((Coding(system, code, display),), text)


def concepts(elements: list[Json] | None) -> tuple[Concept, ...]:
    """A list of CodeableConcepts that may be absent."""
    if not elements:
        return ()
    return tuple(found for element in elements if (found := concept(element)) is not None)


def id_of(reference: Json | None, type_: str) -> str:
    """The id in a relative reference to a `type_`; empty if it is not one.

    An absolute address that is left here is another server's: what it names is not ours, even if
    it ends in the same type and id.
    """
    literal = "" if reference is None else reference.get("reference", "")
    if not literal.startswith(type_):
        return ""
    return _id_in(literal, type_) if len(literal) < _LONG else _read_id(literal, type_)


def _read_id(literal: str, type_: str) -> str:
    found = _ID.fullmatch(literal, len(type_))
    return found[1] if found else ""


_ID = re.compile(r"/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?")
# The same few patients and concepts are named again and again. What is remembered must stay small.
_LONG = 400
_concept_known = lru_cache(maxsize=4096)(_concept)
_id_in = lru_cache(maxsize=1024)(_read_id)


def name_of(reference: Json, type_: str) -> str:
    """What a reference to a `type_` names: `Specimen/s1`, or `Specimen?system|value`, or nothing.

    An identifier counts where there is no literal reference
    (https://hl7.org/fhir/R4/references.html#logical).
    """
    if reference.get("reference"):
        id = id_of(reference, type_)
        return f"{type_}/{id}" if id else ""
    if reference.get("type", type_) != type_:
        return ""
    return next(identifiers_of({"identifier": [reference.get("identifier", {})]}, type_), "")


def version_of(reference: Json) -> str:
    """The version that a reference names; empty if it names none."""
    literal: str = reference.get("reference", "")
    return literal.partition("/_history/")[2]


def other_version(reference: Json, found: Json) -> tuple[str, str] | None:
    """The version that a reference names and that of what was found, if they differ."""
    named = version_of(reference)
    current = str((found.get("meta") or {}).get("versionId", ""))
    return (named, current) if named and current and named != current else None


def with_version(resource: Json, version: str) -> Json:
    """The resource as one that says its version: its sender's own goes before this one."""
    meta = resource.get("meta") or {}
    return resource if "versionId" in meta else {**resource, "meta": {**meta, "versionId": version}}


def identifiers_of(resource: Json, type_: str) -> Iterator[str]:
    """The identifiers of a resource, as references name it by them: `Specimen?system|value`."""
    for one in resource.get("identifier", ()):
        if one.get("value"):
            yield f"{type_}?{one.get('system', '')}|{one['value']}"


CONDITIONAL = re.compile(r"/?([A-Z][A-Za-z]{0,63})\?(.+)", re.DOTALL)
"""A conditional reference: a type and a search (https://hl7.org/fhir/R4/http.html#trules)."""


def contained(resource: Json, reference: str) -> tuple[int, Json] | None:
    """The contained resource that `#id` means, with its place; None if there is none."""
    if "contained" not in resource:
        return None
    for place, inner in enumerate(resource["contained"]):
        if reference == f"#{inner.get('id')}":
            return place, inner
    return None


def extensions(element: Json, url: str) -> Iterator[Json]:
    """The extensions with that URL."""
    return (found for found in element.get("extension", ()) if found.get("url") == url)


def modifiers(*elements: Json) -> str:
    """Why the elements must not be used: the modifier extensions on them, none of which we know.

    FHIR forbids to process an element with a modifier extension that is not understood
    (https://hl7.org/fhir/R4/extensibility.html#modifierExtension). Empty if there are none.
    """
    urls: list[str] = []
    for element in elements:
        if "modifierExtension" in element:
            urls += (found["url"] for found in element["modifierExtension"])
    return f"modifierExtension {', '.join(urls)}" if urls else ""
