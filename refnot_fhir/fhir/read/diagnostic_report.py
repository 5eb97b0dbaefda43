"""DiagnosticReport → the measurements sent inside it, and what it says of those sent beside it.

https://hl7.org/fhir/R4/diagnosticreport.html, https://hl7.org/fhir/R5/diagnosticreport.html
"""

from __future__ import annotations

from collections.abc import Iterator

from refnot_fhir.core.facts import Report
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.elements import Json, id_of

# https://hl7.org/fhir/R4/valueset-diagnostic-report-status.html: "withdrawn following a previous
# final release", and "unavailable because the measurement was not started or not completed".
_WITHDRAWN = frozenset({"entered-in-error", "cancelled"})


def is_withdrawn(resource: Json) -> bool:
    """Whether the hospital no longer stands by the report, and so by its results."""
    return resource["status"] in _WITHDRAWN


def read(resource: Json, source: Source, patient: str) -> Iterator[Report]:
    """Which Observations the report lists, as resources of their own.

    Nothing of one that lists none, unless it is withdrawn: many systems take the list away then.
    """
    ids = (id_of(named, "Observation") for named in resource.get("result", ()))
    results = tuple(f"Observation/{id}" for id in ids if id)
    withdrawn = is_withdrawn(resource)
    if results or withdrawn:
        yield Report(source, patient, results, withdrawn)
