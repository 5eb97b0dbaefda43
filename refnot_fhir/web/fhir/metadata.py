"""`GET [base]/metadata`: what this service does, put together from what its routes go by."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, Response

from refnot_fhir import __version__
from refnot_fhir.core.site import Site
from refnot_fhir.fhir import capability
from refnot_fhir.fhir.capability import Offer, Operation, TypeOffer
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import operation_definitions
from refnot_fhir.trial.service import Service
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir import bundle, operations
from refnot_fhir.web.fhir.served import Interaction, Registry, Served
from refnot_fhir.web.request import base_url, wanted

RELEASED = date(2026, 11, 22)
"""Of the version in `refnot_fhir.__version__`."""

_SECURITY = (
    "No authorisation is asked for: the service listens on loopback only, unless it is told that a "
    "proxy in front of it authenticates."
)


def routes(service: Service, registry: Registry) -> Blueprint:
    """The CapabilityStatement of the base that it is asked at, in the FHIR version asked for."""
    blueprint = Blueprint("metadata", __name__)

    @blueprint.get("/metadata")
    def metadata(site: str) -> Response:
        known = service.site(site)
        version = wanted(Version(known.fhir))
        offered = offer(service, registry, base_url(), known)
        return fhir(capability.write(offered, version), version=version)

    return blueprint


def offer(service: Service, registry: Registry, base: str, site: Site) -> Offer:
    """What is offered at the base of a hospital.

    It may send in every version, and reads what can be given in the one that it asks for.
    """
    return Offer(
        name="refnot-fhir",
        software_version=__version__,
        released=RELEASED,
        base=base,
        description="FHIR integration adapter: eligibility and dosing of a trial's patients",
        types=tuple(_type(row, service, site) for row in registry.types.values()),
        interactions=bundle.INTERACTIONS,
        documentation=(
            "Published types are served as FHIR 4.0, 4.3 or 5.0, by the fhirVersion parameter of "
            "Accept. Sending the same again changes nothing."
        ),
        security=_SECURITY,
    )


def _type(row: Served, service: Service, site: Site) -> TypeOffer:
    has_versions = Interaction.VREAD in row.interactions
    is_kept = Interaction.DELETE in row.interactions
    versioning = "versioned-update" if Interaction.UPDATE in row.interactions else "versioned"
    return TypeOffer(
        type=row.type,
        interactions=tuple(one.value for one in row.interactions),
        operations=_operations(service) if row.type == operations.TYPE else (),
        versioning=versioning if has_versions else "no-version",
        read_history=has_versions,
        update_create=is_kept,
        conditional_create=is_kept,
        conditional_update=is_kept,
        conditional_read="not-match" if has_versions else "not-supported",
        reference_policy=("literal",) if has_versions else (),
        documentation=row.documentation.format(fhir=site.fhir),
    )


def _operations(service: Service) -> tuple[Operation, ...]:
    canonical = next(iter(service.rulebook.protocols.values())).canonical
    return tuple(
        Operation(name, operation_definitions.url(canonical, name))
        for name in (
            *operations.OPERATIONS,
            operation_definitions.ATTEST,
            *service.rulebook.life.verbs,
        )
    )
