"""Read and vread: one resource, by its address."""

from __future__ import annotations

from flask import Blueprint, Response

from refnot_fhir.trial.service import Service
from refnot_fhir.web import headers
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir.served import Interaction, Registry
from refnot_fhir.web.fhir.source import Asking


def routes(service: Service, registry: Registry) -> Blueprint:
    """The addresses of single resources, for the default site and for every named one."""
    blueprint = Blueprint("read", __name__)

    @blueprint.get("/<type_>/<id_>")
    def read(site: str, type_: str, id_: str) -> Response:
        return _answer(site, type_, id_, Interaction.READ, None)

    @blueprint.get("/<type_>/<id_>/_history/<version>")
    def vread(site: str, type_: str, id_: str, version: str) -> Response:
        return _answer(site, type_, id_, Interaction.VREAD, version)

    def _answer(
        site: str, type_: str, id_: str, interaction: Interaction, version: str | None
    ) -> Response:
        known = service.site(site)
        source = registry.reading(known, type_, interaction)
        with Asking(service, known) as asking:
            found = source.read(asking, type_, id_, version)
            if found.version == "":
                resource, written_as = found.give()
                return fhir(resource, version=written_as)
            named = headers.of_version(found.version, found.updated)
            if headers.is_known(found.version):
                return fhir(None, 304, named)
            resource, written_as = found.give()
            return fhir(resource, headers=named, version=written_as)

    return blueprint
