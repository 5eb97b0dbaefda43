"""`GET [base]/metadata`: what this service does, put together from what its rooms register."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, Response

from refnot_fhir import __version__
from refnot_fhir.core.rules import Site
from refnot_fhir.fhir import capability
from refnot_fhir.fhir.capability import Offer, Operation, TypeOffer
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import operation_definitions
from refnot_fhir.trial.service import Service
from refnot_fhir.web import answers
from refnot_fhir.web.published import PUBLISHED
from refnot_fhir.web.terminology import DEFINED

RELEASED = date(2026, 11, 22)
"""Of the version in `refnot_fhir.__version__`."""

_SECURITY = (
    "No authorisation is asked for: the service listens on loopback only, unless it is told that a "
    "proxy in front of it authenticates."
)


def routes(service: Service) -> Blueprint:
    """The CapabilityStatement of the base that it is asked at, in the FHIR version asked for."""
    blueprint = Blueprint("metadata", __name__)

    @blueprint.get("/metadata")
    def metadata(site: str) -> Response:
        known = service.site(site)
        version = answers.wanted(Version(known.fhir))
        offered = offer(service, answers.base_url(), known)
        return answers.fhir(capability.write(offered, version), version=version)

    return blueprint


def offer(service: Service, base: str, site: Site) -> Offer:
    """What is offered at the base of a hospital.

    It may send in every version, and reads what can be given in the one that it asks for.
    """
    return Offer(
        name="refnot-fhir",
        software_version=__version__,
        released=RELEASED,
        base=base,
        description="FHIR integration adapter: eligibility and dosing of a trial's patients",
        types=(
            *(_received(type_, site.fhir) for type_ in KINDS),
            *(_published(type_, service) for type_ in PUBLISHED),
            *(_defined(type_) for type_ in DEFINED),
        ),
        interactions=("transaction", "batch"),
        documentation=(
            "Published types are served as FHIR 4.0, 4.3 or 5.0, by the fhirVersion parameter of "
            "Accept. Sending the same again changes nothing."
        ),
        security=_SECURITY,
    )


def _received(type_: str, fhir: str) -> TypeOffer:
    return TypeOffer(
        type=type_,
        interactions=("read", "vread", "update", "delete", "create", "search-type"),
        searchable=True,
        versioning="versioned-update",
        read_history=True,
        update_create=True,
        conditional_create=True,
        conditional_update=True,
        conditional_read="not-match",
        reference_policy=("literal",),
        documentation=(
            f"Received as {fhir}, or as the fhirVersion of the Content-Type says, and kept so. "
            "It is "
            "given in another version where it is valid there as it is. A search names a patient, "
            "an _id or an identifier; "
            "conditions of creates and updates are identifier=system|value."
        ),
    )


def _published(type_: str, service: Service) -> TypeOffer:
    return TypeOffer(
        type=type_,
        interactions=("read", "vread", "search-type"),
        searchable=True,
        read_history=True,
        conditional_read="not-match",
        reference_policy=("literal",),
        operations=_operations(service) if type_ == "ResearchSubject" else (),
        documentation="Decided here from what was received; it cannot be written.",
    )


def _operations(service: Service) -> tuple[Operation, ...]:
    canonical = next(iter(service.rulebook.protocols.values())).canonical
    names = (operation_definitions.SCREENING_REPORT, operation_definitions.DOSING_RECORD)
    return tuple(Operation(name, operation_definitions.url(canonical, name)) for name in names)


def _defined(type_: str) -> TypeOffer:
    return TypeOffer(
        type=type_,
        interactions=("read", "search-type"),
        searchable=True,
        versioning="no-version",
        documentation="Our own definitions.",
    )
