"""DiagnosticReport or panel → what it says of the measurements that are sent beside it.

https://hl7.org/fhir/R4/diagnosticreport.html, https://hl7.org/fhir/R5/diagnosticreport.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo

from refnot_fhir.core.facts import Report, State, Verification
from refnot_fhir.core.seen import ConditionSeen
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import (
    Json,
    Lookup,
    concept,
    concepts,
    contained,
    identifiers_of,
    modifiers,
    moment,
    name_of,
    version_of,
)
from refnot_fhir.fhir.read.specimen import reported

# https://hl7.org/fhir/R4/valueset-diagnostic-report-status.html: "withdrawn following a previous
# final release", and "unavailable because the measurement was not started or not completed".
_WITHDRAWN = frozenset({"entered-in-error", "cancelled"})
_FINAL = frozenset({"final", "amended", "corrected", "appended"})


def is_withdrawn(resource: Json) -> bool:
    """Whether the hospital no longer stands by the report, and so by its results."""
    return resource["status"] in _WITHDRAWN


def read(resource: Json, source: Source, patient: str, lookup: Lookup) -> Iterator[Report]:
    """Which Observations the report lists, and the specimens that it names.

    Members of a panel that is sent inside it are listed with it. Nothing of a report that lists
    none, unless it is withdrawn: many systems take the list away then.
    """
    named = resource.get("result", ())
    inside = [found[1] for it in named if (found := contained(resource, it.get("reference", "")))]
    listed = [*named, *(member for one in inside for member in one.get("hasMember", ()))]
    results = _results(listed)
    withdrawn = is_withdrawn(resource)
    specimens = tuple(reported(resource, resource.get("specimen", ()), source.reference, lookup))
    if results or withdrawn or (inside and specimens):
        yield Report(source, patient, results, withdrawn, specimens)


def concluded(
    resource: Json, source: Source, patient: str, *, zone: tzinfo, dates_in_utc: bool = False
) -> ConditionSeen:
    """What the report comes to: its coded conclusion, which rests on its category and its code.

    It was concluded when it was issued, or else at the time that it is about.
    """
    issued = resource.get("issued")
    verification = Verification.UNCONFIRMED
    if is_withdrawn(resource):
        verification = Verification.RETRACTED
    elif resource["status"] in _FINAL:
        verification = Verification.CONFIRMED
    code = concept(resource.get("code"))
    return ConditionSeen(
        source=source,
        patient=patient,
        codes=concepts(resource.get("conclusionCode")),
        state=State.ACTIVE,
        verification=verification,
        recorded=(
            moment(resource, "effective", zone=zone, dates_in_utc=dates_in_utc)
            if issued is None
            else when(issued, zone=zone, dates_in_utc=dates_in_utc)
        ),
        evidence=(*concepts(resource.get("category")), *(() if code is None else (code,))),
        doubt=modifiers(resource),
    )


def read_panel(resource: Json, source: Source, patient: str, lookup: Lookup) -> Iterator[Report]:
    """What an Observation says of its members that are resources of their own."""
    results = _results(resource["hasMember"])
    if not results:
        return
    named = [resource["specimen"]] if "specimen" in resource else []
    yield Report(
        source,
        patient,
        results,
        resource["status"] == "entered-in-error",
        tuple(reported(resource, named, source.reference, lookup)),
        tuple(identifiers_of(resource, "Observation")),
    )


def _results(references: Iterable[Json]) -> tuple[str, ...]:
    """Observations as they are listed, each with the version that is named."""
    found = ((name_of(it, "Observation"), version_of(it)) for it in references)
    return tuple(
        f"{name}/_history/{version}" if version else name for name, version in found if name
    )
