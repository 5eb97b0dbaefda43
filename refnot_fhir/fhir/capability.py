"""The CapabilityStatement: what is registered, and not a word more.

The caller registers what its routes really do; nothing here adds an interaction, a parameter or a
format. https://hl7.org/fhir/R4/capabilitystatement.html; R4, R4B and R5 have every element used
here in the same form, but the search parameters are those of the version.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from refnot_fhir.core.record import record
from refnot_fhir.fhir.search.parameters import Parameter, includes, parameters
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.built import built
from refnot_fhir.fhir.write.published import Json, filled


@record
class Operation:
    """An operation that is offered, without the dollar sign."""

    name: str
    definition: str
    """Canonical URL of its OperationDefinition."""


@record
class TypeOffer:
    """What is offered for one resource type. Every default is: not offered."""

    type: str
    interactions: tuple[str, ...]
    """Codes of type-restful-interaction: `read`, `vread`, `create`, `search-type` …"""
    operations: tuple[Operation, ...] = ()
    versioning: str = "versioned"
    """`no-version`, `versioned` or `versioned-update`."""
    read_history: bool = False
    """Whether older versions can be read."""
    update_create: bool = False
    conditional_create: bool = False
    conditional_update: bool = False
    conditional_delete: str = "not-supported"
    conditional_read: str = "not-supported"
    reference_policy: tuple[str, ...] = ()
    documentation: str = ""


@record
class Offer:
    """Everything that is offered at one base."""

    name: str
    """Of the software."""
    software_version: str
    released: date
    """When the offer last changed: the release date of the software."""
    base: str
    """The address of the service."""
    description: str
    types: tuple[TypeOffer, ...]
    interactions: tuple[str, ...] = ()
    """Codes of system-restful-interaction: `transaction`, `batch` …"""
    operations: tuple[Operation, ...] = ()
    """Of the whole system."""
    formats: tuple[str, ...] = ("application/fhir+json", "json")
    publisher: str = ""
    documentation: str = ""
    """Of the REST interface as a whole: what needs more words than the elements have."""
    security: str = ""
    """How requests are authorised, in words."""
    security_services: tuple[str, ...] = ()
    """Codes of restful-security-service: `SMART-on-FHIR` …"""
    cors: bool | None = None


_SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def write(offer: Offer, version: Version) -> Json:
    """The statement for one version of FHIR, at one base."""
    members: Mapping[str, object] = {
        "resourceType": "CapabilityStatement",
        "version": offer.software_version,
        "name": offer.name.title().replace("-", ""),
        "title": offer.name,
        "status": "active",
        "experimental": False,
        "date": offer.released.isoformat(),
        "publisher": offer.publisher,
        "description": offer.description,
        "kind": "instance",
        "software": {"name": offer.name, "version": offer.software_version},
        "implementation": {"description": offer.description, "url": offer.base},
        "fhirVersion": version.full,
        "format": list(offer.formats),
        "rest": [_rest(offer, version)],
    }
    return built(filled(members), version)


def _rest(offer: Offer, version: Version) -> Json:
    members: Mapping[str, object] = {
        "mode": "server",
        "documentation": offer.documentation,
        "security": _security(offer),
        "resource": [_resource(registered, version) for registered in offer.types],
        "interaction": [{"code": code} for code in offer.interactions],
        "operation": [_operation(operation) for operation in offer.operations],
    }
    return filled(members)


def _security(offer: Offer) -> Json:
    members: Mapping[str, object] = {
        "cors": offer.cors,
        "service": [
            {"coding": [{"system": _SECURITY, "code": code}]} for code in offer.security_services
        ],
        "description": offer.security,
    }
    return filled(members)


def _resource(offer: TypeOffer, version: Version) -> Json:
    is_searched = "search-type" in offer.interactions
    searched = parameters(offer.type, version).values() if is_searched else ()
    members: Mapping[str, object] = {
        "type": offer.type,
        "documentation": offer.documentation,
        "interaction": [{"code": code} for code in offer.interactions],
        "versioning": offer.versioning,
        "readHistory": offer.read_history,
        "updateCreate": offer.update_create,
        "conditionalCreate": offer.conditional_create,
        "conditionalRead": offer.conditional_read,
        "conditionalUpdate": offer.conditional_update,
        "conditionalDelete": offer.conditional_delete,
        "referencePolicy": list(offer.reference_policy),
        "searchInclude": list(includes(offer.type, version)) if is_searched else [],
        "searchParam": [_parameter(parameter) for parameter in searched],
        "operation": [_operation(operation) for operation in offer.operations],
    }
    return filled(members)


def _parameter(parameter: Parameter) -> Json:
    members = {
        "name": parameter.name,
        "definition": parameter.definition,
        "type": parameter.kind.value,
        "documentation": _documentation(parameter),
    }
    return filled(members)


def _documentation(parameter: Parameter) -> str:
    chains = ", ".join(f"{parameter.name}.{name}" for name in parameter.chains)
    chained = f"Can be chained: {chains}." if chains else ""
    return " ".join(filter(None, (parameter.documentation, chained)))


def _operation(operation: Operation) -> Json:
    return {"name": operation.name, "definition": operation.definition}
