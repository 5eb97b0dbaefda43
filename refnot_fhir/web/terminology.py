"""The codes and operations that we define ourselves, so that what we publish can be looked up."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from refnot_fhir import __version__
from refnot_fhir.errors import BadInput, NotFound, Trouble
from refnot_fhir.fhir import bundle, code_systems, operation_definitions, structure_definitions
from refnot_fhir.fhir.published import Json
from refnot_fhir.fhir.search_row import Kind, row
from refnot_fhir.fhir.versions import Version
from refnot_fhir.service import Service
from refnot_fhir.web import answers

DEFINED = ("CodeSystem", "OperationDefinition", "StructureDefinition")
_PLACE = f"/<any({', '.join(DEFINED)}):type_>"
SEARCHED = (row("_id", Kind.TOKEN, "id", "Resource-id"), row("url", Kind.URI, "url", ""))
"""Their search parameters."""


def routes(service: Service) -> Blueprint:
    """Read and search (by `url` and `_id`) of what we define."""
    blueprint = Blueprint("terminology", __name__)
    defined = {version: _defined(service, version) for version in Version}

    @blueprint.get(_PLACE)
    @blueprint.post(f"{_PLACE}/_search", endpoint="search_by_form")
    def search(site: str, type_: str) -> Response:
        version = answers.wanted(Version(service.site(site).fhir))
        return _search(type_, _of_type(defined[version], type_), version)

    @blueprint.get(f"{_PLACE}/<id_>")
    def read(site: str, type_: str, id_: str) -> Response:
        version = answers.wanted(Version(service.site(site).fhir))
        for one in defined[version]:
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
            *code_systems.write(protocol, drugs),
            *operation_definitions.write(protocol.canonical, __version__),
            *structure_definitions.write(protocol.canonical, version, __version__),
        )
        found.update({one["url"]: one for one in written})
    return list(found.values())


def _search(type_: str, defined: list[Json], version: Version) -> Response:
    unknown = sorted(set(request.values) - {"url", "_id", "_format"})
    if unknown:
        said = f"{type_} is searched by url and _id, not by {unknown[0]}"
        raise BadInput(said, (Trouble("not-supported", said, f"http.{unknown[0]}"),))
    asked = [(name, request.values[name]) for name in ("url", "_id") if request.values.get(name)]
    members = {"url": "url", "_id": "id"}
    found = [
        one
        for one in defined
        if all(one[members[name]] in value.split(",") for name, value in asked)
    ]
    base = answers.base_url()
    query = f"?{urlencode(asked, safe='/,:')}" if asked else ""
    body = bundle.searchset(found, base=base, self_url=f"{base}/{type_}{query}", total=len(found))
    return answers.fhir(body, version=version)
