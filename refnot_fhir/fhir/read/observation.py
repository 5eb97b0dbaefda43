"""Observation → measurements as the hospital sent them: itself, its components, its members.

https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R5/observation.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import tzinfo

from refnot_fhir.core.record import record
from refnot_fhir.core.seen import Focus, MeasurementSeen, OtherValue, ReferenceRange, Value
from refnot_fhir.core.values import Concept, Source, When
from refnot_fhir.core.vocabulary import Standing
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import (
    Json,
    concept,
    concepts,
    contained,
    extensions,
    id_of,
    modifiers,
    moment,
    quantity,
)
from refnot_fhir.fhir.read.observation_context import body_site, device, focus
from refnot_fhir.fhir.read.specimen import Taken, taken
from refnot_fhir.fhir.versions import Version

Lookup = Callable[[str], Json | None]
"""A reference and the resource that it names, if it is known."""

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
    version: Version,  # noqa: ARG001 (one shape for all readers; these elements never changed)
    resource_of: Lookup = lambda _reference: None,
) -> tuple[MeasurementSeen, ...]:
    """Every reading in an Observation: its own, one per component, one per contained member.

    A panel, which has no value but components or members, is no reading of its own; members that
    are resources of their own are read when they arrive. What a contained member does not say of
    its patient, time, specimen, focus, body site, method and device is the panel's. `resource_of`
    gives the Specimen that a reference (`Specimen/s1`) names, if it is known.
    """
    reader = _Reader(resource, zone, dates_in_utc, resource_of)
    return tuple(reader.readings(resource, source, _Frame(source), frozenset()))


def read_listed(
    report: Json,
    source: Source,
    *,
    withdrawn: bool,
    zone: tzinfo,
    dates_in_utc: bool,
    resource_of: Lookup = lambda _reference: None,
) -> tuple[MeasurementSeen, ...]:
    """Every reading of the Observations that are sent inside the report that lists them as results.

    What one does not say of its patient, time and specimen is the report's, if the report names
    one specimen; with a report that is `withdrawn`, they are.
    """
    reader = _Reader(report, zone, dates_in_utc, resource_of)
    specimens = report.get("specimen", ())
    one = specimens[0] if len(specimens) == 1 else None
    frame = reader.frame({**report, "specimen": one}, source, _Frame(source))
    if withdrawn:
        frame = replace(frame, standing=Standing.RETRACTED)
    return tuple(reader.members(report.get("result", ()), source, frame, frozenset()))


@record
class _Frame:
    """What all readings of one Observation have in common."""

    source: Source
    patient: str = ""
    standing: Standing = Standing.UNKNOWN
    collected: When | None = None
    issued: When | None = None
    taken: Taken = Taken()
    sample: str = ""
    method: Concept | None = None
    focus: tuple[Focus, ...] = ()
    body_site: Concept | None = None
    device: Concept | None = None


@record
class _Reader:
    root: Json
    zone: tzinfo
    dates_in_utc: bool
    resource_of: Lookup

    def readings(
        self, resource: Json, source: Source, panel: _Frame, above: frozenset[str]
    ) -> Iterator[MeasurementSeen]:
        inside = resource is not self.root
        doubt = modifiers(self.root, resource) if inside else modifiers(resource)
        frame = self.frame(resource, source, panel)
        parts = resource.get("component", ())
        if _value_key(resource) or not (parts or "hasMember" in resource):
            yield _reading(frame, source, resource, doubt)
        for place, part in enumerate(parts):
            below = f"{source.part}.component[{place}]".removeprefix(".")
            yield _reading(frame, replace(source, part=below), part, doubt or modifiers(part))
        yield from self.members(resource.get("hasMember", ()), source, frame, above)

    def members(
        self, references: Iterable[Json], source: Source, panel: _Frame, above: frozenset[str]
    ) -> Iterator[MeasurementSeen]:
        """Of the members sent along inside; one that has itself as a member is read once."""
        for named in references:
            reference = named.get("reference", "")
            found = None if reference in above else contained(self.root, reference)
            if found is not None and found[1]["resourceType"] == "Observation":
                place, member = found
                inner = replace(source, part=f"contained[{place}]")
                yield from self.readings(member, inner, panel, above | {reference})

    def frame(self, resource: Json, source: Source, panel: _Frame) -> _Frame:
        subject = resource.get("subject")
        issued = self._issued(resource)
        named = resource.get("specimen")
        own = panel.taken if named is None else self._taken(named)
        sample = panel.sample if named is None else _sample(named)
        return _Frame(
            source=source,
            patient=panel.patient if subject is None else id_of(subject, "Patient"),
            standing=_standing(resource, panel.standing),
            collected=self._collected(resource, issued) or panel.collected or own.collected,
            issued=issued or panel.issued,
            taken=own,
            sample=sample,
            method=concept(resource.get("method")) or panel.method,
            focus=focus(self.root, resource, own.owner) or panel.focus,
            body_site=body_site(resource) or panel.body_site or own.body_site,
            device=device(self.root, resource) or panel.device,
        )

    def _taken(self, named: Json) -> Taken:
        return taken(
            self.root, named, self.resource_of, zone=self.zone, dates_in_utc=self.dates_in_utc
        )

    def _issued(self, resource: Json) -> When | None:
        text = resource.get("issued")
        if text is None:
            return None
        return when(text, zone=self.zone, dates_in_utc=self.dates_in_utc)

    def _collected(self, resource: Json, issued: When | None) -> When | None:
        """The collection time; one whose end is not said ended before the result was issued."""
        seen = moment(resource, "effective", zone=self.zone, dates_in_utc=self.dates_in_utc)
        open_ended = "effectivePeriod" in resource and "end" not in resource["effectivePeriod"]
        if seen is None or issued is None or not open_ended:
            return seen
        return replace(seen, latest=max(seen.earliest, issued.latest))


def _reading(frame: _Frame, source: Source, element: Json, doubt: str) -> MeasurementSeen:
    """The reading in an Observation or a component, which name these elements alike."""
    value = OtherValue(doubt) if doubt else _value(element)
    return MeasurementSeen(
        source=source,
        patient=frame.patient,
        standing=frame.standing,
        code=concept(element["code"]) or Concept(),
        value=value,
        absent=concept(element.get("dataAbsentReason")) or _absent_value(element),
        ranges=tuple(map(_range, element.get("referenceRange", ()))),
        collected=frame.collected,
        issued=frame.issued,
        specimen=frame.taken.type,
        specimen_state=frame.taken.state,
        method=frame.method,
        sample=frame.sample,
        focus=frame.focus,
        body_site=frame.body_site,
        device=frame.device,
        interpretations=concepts(element.get("interpretation")),
    )


def _standing(resource: Json, of_panel: Standing) -> Standing:
    """That of the Observation; with a panel that was withdrawn, its members are."""
    if of_panel is Standing.RETRACTED:
        return of_panel
    return _STANDINGS.get(resource.get("status", ""), Standing.UNKNOWN)


def _value_key(element: Json) -> str:
    if "valueQuantity" in element:
        return "valueQuantity"
    for key in element:
        if key.startswith("value"):
            return key
    return ""


def _value(element: Json) -> Value | None:
    key = _value_key(element)
    value = element.get(key)
    match key:
        case "":
            return None
        case "valueQuantity":
            return quantity(value)
        case "valueCodeableConcept":
            return concept(value)
        case "valueInteger":
            # JSON may write 2 as 2.0 or 2e0, which is the same integer.
            return int(element[key])
        case "valueString" | "valueBoolean":
            return value
    return OtherValue(key.removeprefix("value"))


def _absent_value(element: Json) -> Concept | None:
    """The reason that stands in the place of a primitive value: `_valueString.extension`."""
    if element.keys().isdisjoint(_BESIDE_VALUES):
        return None
    for key in (key for key in element if key in _BESIDE_VALUES):
        for found in extensions(element[key], _WHY_ABSENT):
            reason = {"system": _ABSENCES, "code": found.get("valueCode", "")}
            return concept({"coding": [reason]})
    return None


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


def _sample(reference: Json) -> str:
    """Which specimen a reference means, whatever it is of."""
    literal: str = reference.get("reference", "")
    named = literal or str((reference.get("identifier") or {}).get("value", ""))
    return id_of(reference, "Specimen") or named
