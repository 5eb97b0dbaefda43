"""The codes, operations and extensions that we define ourselves, so that they can be looked up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

from refnot_fhir import __version__
from refnot_fhir.errors import NotFound
from refnot_fhir.fhir.search import Search
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import (
    code_systems,
    operation_definitions,
    questionnaire,
    structure_definitions,
)
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.trial.service import Service
from refnot_fhir.web.fhir.source import Asking, Candidate, Standing


class Definitions:
    """What we define, written when it is first asked for; versions are not kept apart."""

    def __init__(self, service: Service) -> None:
        self._written = cache(partial(_defined, service))

    def candidates(self, asking: Asking, search: Search, after: int) -> Iterator[Candidate]:
        """Every definition of the type."""
        found = (one for one in self._written(asking.version) if one["resourceType"] == search.type)
        for row, definition in enumerate(found, start=1):
            if row > after:
                yield Candidate(row, definition)

    def read(self, asking: Asking, type: str, id: str, _version: str | None) -> Standing:
        """One definition."""
        written = self._written(asking.version)
        named = (it for it in written if (it["resourceType"], it["id"]) == (type, id))
        found = next(named, None)
        if found is None:
            raise NotFound(f"there is no {type}/{id}")
        return Standing(lambda: (found, asking.version))

    def referred(self, _asking: Asking, _type: str, _id: str, _given: bool) -> None:
        """Nothing that is served here refers to a definition by its address on this server."""


def _defined(service: Service, version: Version) -> list[Json]:
    protocols = service.rulebook.protocols.values()
    drugs = [service.rulebook.drugs[protocol.dosing.drug] for protocol in protocols]
    written = [
        one
        for protocol in protocols
        for one in (
            *code_systems.write(protocol, version),
            *operation_definitions.write(protocol.canonical, version, __version__),
            *structure_definitions.write(protocol.canonical, version, __version__),
            *questionnaire.write(protocol, version),
        )
    ]
    written += code_systems.write_shared(protocols, drugs, version)
    canonical = next(iter(protocols)).canonical
    verbs = service.rulebook.life.verbs.values()
    written += operation_definitions.write_decisions(canonical, version, __version__, verbs)
    return list({one["url"]: one for one in written}.values())
