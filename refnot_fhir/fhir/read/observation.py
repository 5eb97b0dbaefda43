"""Observation → measurements as the hospital sent them: itself, its components, its members.

https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R5/observation.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import tzinfo
from functools import lru_cache
from typing import NamedTuple

from refnot_fhir.core.record import record
from refnot_fhir.core.seen import MeasurementSeen, OtherValue, ReferenceRange, Value
from refnot_fhir.core.values import Concept, Source, When
from refnot_fhir.core.vocabulary import Standing
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import (
    Json,
    Lookup,
    concept,
    concepts,
    contained,
    extensions,
    id_of,
    identifiers_of,
    modifiers,
    moment,
    quantity,
)
from refnot_fhir.fhir.read.observation_context import body_site, device, focus
from refnot_fhir.fhir.read.specimen import Taken, sample_of, taken

# https://hl7.org/fhir/R4/valueset-observation-status.html; the same in R5.
_STANDINGS = {
    "registered": Standing.AWAITED,
    "preliminary": Standing.PRELIMINARY,
    "final": Standing.FINAL,
    "amended": Standing.FINAL,
    "corrected": Standing.FINAL,
    "cancelled": Standing.CANCELLED,
    "entered-in-error": Standing.RETRACTED,
}
_NOTHING = Lookup()
_WHY_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ABSENCES = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
# Beside each value that is a primitive: its extensions.
_BESIDE_VALUES = frozenset(
    {"_valueBoolean", "_valueDateTime", "_valueInteger", "_valueString", "_valueTime"}
)


def read(
    resource: Json,
    source: Source,
    *,
    zone: tzinfo,
    dates_in_utc: bool,
    lookup: Lookup = _NOTHING,
) -> tuple[MeasurementSeen, ...]:
    """Every reading in an Observation: its own, one per component, one per contained member.

    A panel, which has no value but components or members, is no reading of its own; members that
    are resources of their own are read when they arrive. What a contained member does not say of
    its patient, time, specimen, focus, body site, method and device is the panel's. `lookup`
    gives the Specimens that it names, as far as they are known.
    """
    reader = _Reader(resource, zone, dates_in_utc, lookup)
    return tuple(reader.readings(resource, source, _NO_PANEL, frozenset()))


def read_listed(
    report: Json,
    source: Source,
    *,
    withdrawn: bool,
    zone: tzinfo,
    dates_in_utc: bool,
    lookup: Lookup = _NOTHING,
) -> tuple[MeasurementSeen, ...]:
    """Every reading of the Observations that are sent inside the report that lists them as results.

    What one does not say of its patient, time and specimen is the report's, if the report names
    one specimen; with a report that is `withdrawn`, they are.
    """
    reader = _Reader(report, zone, dates_in_utc, lookup)
    specimens = report.get("specimen", ())
    one = {**report, "specimen": specimens[0] if len(specimens) == 1 else None}
    specimen = reader.taken(one, _NO_PANEL)
    said = reader.reading(one, source, _NO_PANEL, specimen, doubt="")
    if one["specimen"]:
        said = replace(said, sample_of=source.reference)
    if withdrawn:
        said = replace(said, standing=Standing.RETRACTED)
    panel = _Panel(said, specimen)
    return tuple(reader.members(report.get("result", ()), source, panel, frozenset()))


class _Panel(NamedTuple):
    """What stands around an Observation: what that does not say itself is as it is here."""

    said: MeasurementSeen
    specimen: Taken


_NO_CODE = Concept()
_NO_PANEL = _Panel(MeasurementSeen(Source("", "", "", ""), "", Standing.UNKNOWN, _NO_CODE), Taken())


@record
class _Reader:
    root: Json
    zone: tzinfo
    dates_in_utc: bool
    lookup: Lookup

    def readings(
        self, resource: Json, source: Source, panel: _Panel, above: frozenset[str]
    ) -> Iterator[MeasurementSeen]:
        inside = resource is not self.root
        doubt = modifiers(self.root, resource) if inside else modifiers(resource)
        specimen = self.taken(resource, panel)
        whole = self.reading(resource, source, panel, specimen, doubt)
        parts, members = resource.get("component", ()), resource.get("hasMember")
        if not (parts or members) or _value_key(resource):
            yield whole
        for place, part in enumerate(parts):
            below = f"{source.part}.component[{place}]".removeprefix(".")
            yield _part(whole, replace(source, part=below), part, doubt or modifiers(part))
        if members:
            yield from self.members(members, source, _Panel(whole, specimen), above)

    def members(
        self, references: Iterable[Json], source: Source, panel: _Panel, above: frozenset[str]
    ) -> Iterator[MeasurementSeen]:
        """Of the members sent along inside; one that has itself as a member is read once."""
        for named in references:
            reference = named.get("reference", "")
            found = None if reference in above else contained(self.root, reference)
            if found is not None and found[1]["resourceType"] == "Observation":
                place, member = found
                inner = replace(source, part=f"contained[{place}]")
                yield from self.readings(member, inner, panel, above | {reference})

    def reading(
        self, resource: Json, source: Source, panel: _Panel, specimen: Taken, doubt: str
    ) -> MeasurementSeen:
        """An Observation without its components and members."""
        around, subject = panel.said, resource.get("subject")
        named = resource.get("specimen")
        issued = self._issued(resource)
        identifiers, version = around.identifiers, around.sent_version
        if resource is self.root:
            identifiers = tuple(identifiers_of(resource, "Observation"))
            version = (resource.get("meta") or {}).get("versionId", "")
        return MeasurementSeen(
            source=source,
            patient=around.patient if subject is None else id_of(subject, "Patient"),
            standing=_standing(resource, around.standing),
            code=concept(resource.get("code")) or _NO_CODE,
            value=OtherValue(doubt) if doubt else _value(resource),
            absent=_absent(resource),
            ranges=_ranges(resource),
            collected=self._collected(resource, issued) or around.collected or specimen.collected,
            issued=issued or around.issued,
            specimen=specimen.type,
            specimen_state=specimen.state,
            method=concept(resource.get("method")) or around.method,
            sample=around.sample if named is None else sample_of(named),
            sample_of=around.sample_of if named is None else "",
            sample_versions=specimen.versions,
            identifiers=identifiers,
            sent_version=version,
            focus=focus(self.root, resource, specimen.owner) or around.focus,
            body_site=body_site(resource) or around.body_site or specimen.body_site,
            interpretations=concepts(resource.get("interpretation")),
            device=device(self.root, resource) or around.device,
        )

    def taken(self, resource: Json, panel: _Panel) -> Taken:
        """What is known of the specimen of an Observation; what it names none of, the panel's."""
        named = resource.get("specimen")
        if named is None:
            return panel.specimen
        return taken(self.root, named, self.lookup, zone=self.zone, dates_in_utc=self.dates_in_utc)

    def _issued(self, resource: Json) -> When | None:
        text = resource.get("issued")
        if text is None:
            return None
        return when(text, zone=self.zone, dates_in_utc=self.dates_in_utc)

    def _collected(self, resource: Json, issued: When | None) -> When | None:
        """The collection time; one whose end is not said ended before the result was issued."""
        seen = moment(resource, "effective", zone=self.zone, dates_in_utc=self.dates_in_utc)
        if seen is None or issued is None or "effectivePeriod" not in resource:
            return seen
        if "end" in resource["effectivePeriod"]:
            return seen
        return replace(seen, latest=max(seen.earliest, issued.latest))


def _part(whole: MeasurementSeen, source: Source, part: Json, doubt: str) -> MeasurementSeen:
    """The reading in a component, which names these elements as an Observation does."""
    return replace(
        whole,
        source=source,
        code=concept(part["code"]) or _NO_CODE,
        value=OtherValue(doubt) if doubt else _value(part),
        absent=_absent(part),
        ranges=_ranges(part),
        interpretations=concepts(part.get("interpretation")),
    )


def _standing(resource: Json, of_panel: Standing) -> Standing:
    """That of the Observation; with a panel that was withdrawn, its members are."""
    if of_panel is Standing.RETRACTED:
        return of_panel
    return _STANDINGS.get(resource.get("status", ""), Standing.UNKNOWN)


def _value_key(element: Json) -> str:
    for key in element:
        if key.startswith("value"):
            return key
    return ""


def _value(element: Json) -> Value | None:
    if "valueQuantity" in element:
        return quantity(element["valueQuantity"])
    key = _value_key(element)
    value = element.get(key)
    match key:
        case "":
            return None
        case "valueCodeableConcept":
            return concept(value)
        case "valueInteger":
            # JSON may write 2 as 2.0 or 2e0, which is the same integer.
            return int(element[key])
        case "valueString" | "valueBoolean":
            return value
    return OtherValue(key.removeprefix("value"))


def _absent(element: Json) -> Concept | None:
    """Why there is no value; it may stand in place of a primitive one: `_valueString.extension`."""
    if "dataAbsentReason" in element:
        return concept(element["dataAbsentReason"])
    if _BESIDE_VALUES.isdisjoint(element):
        return None
    for key in (key for key in element if key in _BESIDE_VALUES):
        for found in extensions(element[key], _WHY_ABSENT):
            reason = {"system": _ABSENCES, "code": found.get("valueCode", "")}
            return concept({"coding": [reason]})
    return None


def _ranges(element: Json) -> tuple[ReferenceRange, ...]:
    sent = element.get("referenceRange")
    if not sent:
        return ()
    text = wire.encode(sent)
    return _ranges_known(text) if len(text) < _LONG else tuple(map(_range, sent))


@lru_cache(maxsize=4096)
def _ranges_known(text: bytes) -> tuple[ReferenceRange, ...]:
    """The ranges in a JSON text, by which they are remembered: a laboratory has only so many."""
    return tuple(map(_range, wire.decode(text)))


_LONG = 1000
"""Bytes; what is longer is not remembered."""


def _range(element: Json) -> ReferenceRange:
    age = element.get("age", {})
    return ReferenceRange(
        low=quantity(element.get("low")),
        high=quantity(element.get("high")),
        text=element.get("text", ""),
        kind=concept(element.get("type")),
        applies_to=concepts(element.get("appliesTo")),
        age_low=quantity(age.get("low")),
        age_high=quantity(age.get("high")),
        doubt=modifiers(element),
    )
