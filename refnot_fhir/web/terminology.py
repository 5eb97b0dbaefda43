"""The codes and operations that we define ourselves, so that what we publish can be looked up."""

from __future__ import annotations

from functools import cache, partial

from flask import Blueprint, Response

from refnot_fhir import __version__
from refnot_fhir.errors import NotFound
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import code_systems, operation_definitions, structure_definitions
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.trial.service import Service
from refnot_fhir.web import answers, searching

DEFINED = ("CodeSystem", "OperationDefinition", "StructureDefinition")
_PLACE = f"/<any({', '.join(DEFINED)}):type_>"


def routes(service: Service) -> Blueprint:
    """Read and search of what we define."""
    blueprint = Blueprint("terminology", __name__)
    defined = cache(partial(_defined, service))

    @blueprint.get(_PLACE)
    @blueprint.post(f"{_PLACE}/_search", endpoint="search_by_form")
    def search(site: str, type_: str) -> Response:
        known = service.site(site)
        version = answers.wanted(Version(known.fhir))
        wanted = searching.asked(service, known, type_, version)
        after = searching.after()
        found = [
            (row, one)
            for row, one in enumerate(_of_type(defined(version), type_), start=1)
            if row > after
        ]
        matches = searching.matching(wanted, found, searching.nothing)
        return searching.answer(wanted, matches, searching.nothing, service.new_id)

    @blueprint.get(f"{_PLACE}/<id_>")
    def read(site: str, type_: str, id_: str) -> Response:
        version = answers.wanted(Version(service.site(site).fhir))
        for one in defined(version):
            if (one["resourceType"], one["id"]) == (type_, id_):
                return answers.fhir(one, version=version)
        raise NotFound(f"there is no {type_}/{id_}")

    return blueprint


def _of_type(defined: list[Json], type_: str) -> list[Json]:
    return [one for one in defined if one["resourceType"] == type_]


def _defined(service: Service, version: Version) -> list[Json]:
    drugs = [service.rulebook.drugs[p.dosing.drug] for p in service.rulebook.protocols.values()]
    found: dict[str, Json] = {}
    for protocol in service.rulebook.protocols.values():
        written = (
            *code_systems.write(protocol, drugs, version),
            *operation_definitions.write(protocol.canonical, version, __version__),
            *structure_definitions.write(protocol.canonical, version, __version__),
        )
        found.update({one["url"]: one for one in written})
    return list(found.values())
