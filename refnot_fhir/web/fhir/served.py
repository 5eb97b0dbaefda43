"""The registry of what is served: one row per resource type.

The routes look here whether they may answer, and the CapabilityStatement says what stands here: an
interaction that is not in a row is refused, and not claimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from refnot_fhir.core.record import record
from refnot_fhir.core.site import Site
from refnot_fhir.errors import NotSupported
from refnot_fhir.fhir.search.parameters import DEFINED
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.trial.service import Service
from refnot_fhir.web.fhir.defined import Definitions
from refnot_fhir.web.fhir.kept import Received
from refnot_fhir.web.fhir.published import Studies, Subjects
from refnot_fhir.web.fhir.source import Source


class Interaction(StrEnum):
    """What can be done with a resource (http://hl7.org/fhir/ValueSet/type-restful-interaction)."""

    READ = "read"
    VREAD = "vread"
    UPDATE = "update"
    DELETE = "delete"
    CREATE = "create"
    SEARCH = "search-type"
    HISTORY = "history-instance"


READ_ONLY = (Interaction.READ, Interaction.VREAD, Interaction.SEARCH)
DECIDED = (*READ_ONLY, Interaction.HISTORY, Interaction.CREATE, Interaction.UPDATE)
"""Of what is decided here, and by people and systems that may say so."""
RECEIVED = tuple(Interaction)


@record
class Served:
    """How one resource type is served."""

    type: str
    source: Source
    interactions: tuple[Interaction, ...]
    documentation: str


@record
class Registry:
    """Every type that is served, by name."""

    types: Mapping[str, Served]
    received: Received

    def reading(self, site: Site, type: str, interaction: Interaction) -> Source:
        """Where a type is read. Raises NotSupported where there is nothing of it."""
        row = self.types.get(type)
        if row is not None and interaction in row.interactions:
            return row.source
        if site.keep != "all":
            raise NotSupported(f"there are no resources of type {type} here")
        return self.received

    def referred(self, type: str) -> Source:
        """Where a reference to a type leads."""
        row = self.types.get(type)
        return self.received if row is None else row.source

    def is_read_only(self, type: str) -> bool:
        """Whether a type is served and cannot be written."""
        row = self.types.get(type)
        return row is not None and Interaction.CREATE not in row.interactions


def registry(service: Service) -> Registry:
    """What this service serves."""
    received = Received()
    rows = (*_received(received), *_published(service), *_defined(service))
    return Registry({row.type: row for row in rows}, received)


def _received(source: Received) -> Iterator[Served]:
    said = (
        "Received as {fhir}, or as the fhirVersion of the Content-Type says, and kept so. It is "
        "given in another version where it is valid there as it is. A search names a patient, an "
        "_id or an identifier; conditions of creates and updates are identifier=system|value."
    )
    for type in KINDS:
        yield Served(type, source, RECEIVED, said)


def _published(service: Service) -> Iterator[Served]:
    said = "Decided here from what was received; it cannot be written."
    yield Served("ResearchStudy", Studies(service), READ_ONLY, said)
    subjects = (
        "Decided here from what was received, and by people: with the operations, or by a trial "
        "management system that writes status, arm, period, consent and subject number. What a "
        "status may become is checked; nothing else of what is sent is taken over."
    )
    yield Served("ResearchSubject", Subjects(service), DECIDED, subjects)


def _defined(service: Service) -> Iterator[Served]:
    source = Definitions(service)
    for type in DEFINED:
        interactions = (Interaction.READ, Interaction.SEARCH)
        yield Served(type, source, interactions, "Our own definitions.")
