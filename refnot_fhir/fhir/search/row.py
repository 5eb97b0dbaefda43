"""What a search parameter is: a name, a type, and where in a resource its values are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from refnot_fhir.core.record import record

Json = Mapping[str, Any]
Extract = Callable[[Json], Iterator[Any]]


class Kind(StrEnum):
    """A search parameter type (https://hl7.org/fhir/R4/valueset-search-param-type.html)."""

    TOKEN = "token"  # noqa: S105 - a type of search parameter, no secret
    STRING = "string"
    DATE = "date"
    REFERENCE = "reference"
    NUMBER = "number"
    QUANTITY = "quantity"
    COMPOSITE = "composite"
    URI = "uri"


@record
class Parameter:
    """One search parameter of one type in one version."""

    name: str
    kind: Kind
    extract: Extract
    definition: str = ""
    """Canonical URL of HL7's SearchParameter; empty for other names."""
    targets: tuple[str, ...] = ()
    """Types that a reference may point to; empty: any."""
    system: str = ""
    """The system that a plain code is from."""
    parts: tuple[Parameter, ...] = ()
    """Of a composite: what each part asks of the same element."""
    chains: tuple[str, ...] = ()
    """Parameters of the target that may follow a dot."""
    documentation: str = ""


def at(*paths: str) -> Extract:
    """The elements at any of the paths (`progress.subjectState`), lists opened."""
    routes = tuple(tuple(path.split(".")) for path in paths)

    def extract(resource: Json) -> Iterator[Any]:
        for route in routes:
            yield from _along(resource, route)

    return extract


def _along(node: Any, route: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            yield from _along(item, route)
    elif not route:
        yield node
    elif isinstance(node, Mapping) and route[0] in node:
        yield from _along(node[route[0]], route[1:])


_DEFINITIONS = "http://hl7.org/fhir/SearchParameter/"
_PATIENT_CHAINS = ("identifier", "_id", "birthdate", "gender", "active")


def row(
    name: str,
    kind: Kind,
    extract: Extract | str,
    definition: str,
    *,
    system: str = "",
    parts: tuple[Parameter, ...] = (),
) -> Parameter:
    """A parameter by its path, and by the last part of its definition's URL."""
    found = at(extract) if isinstance(extract, str) else extract
    url = _DEFINITIONS + definition if definition else ""
    return Parameter(name, kind, found, url, system=system, parts=parts)


def reference(
    name: str, path: str | Extract, definition: str, targets: str, *chains: str
) -> Parameter:
    """A reference parameter; `targets` are separated by blanks."""
    found = row(name, Kind.REFERENCE, path, definition)
    return replace(found, targets=tuple(targets.split()), chains=chains)


def patient(name: str, path: str, definition: str, targets: str = "Patient") -> Parameter:
    """A reference to a patient, and what may be asked of that patient."""
    return reference(name, path, definition, targets, *_PATIENT_CHAINS)


def also(parameter: Parameter, name: str) -> Parameter:
    """The same parameter under a name that is not of this version."""
    said = f"Another name for {parameter.name}."
    return replace(parameter, name=name, definition="", documentation=said)
