"""Search parameters of what we define: CodeSystem, OperationDefinition, StructureDefinition."""

from __future__ import annotations

from refnot_fhir.fhir.search.row import Kind, Parameter, row
from refnot_fhir.fhir.versions import Version


def definition(version: Version) -> tuple[Parameter, ...]:
    """Those that every definition of a canonical address has."""
    home = "CanonicalResource" if version is Version.R5 else "conformance"
    status = "http://hl7.org/fhir/publication-status"
    return (
        row("url", Kind.URI, "url", f"{home}-url"),
        row("version", Kind.TOKEN, "version", f"{home}-version"),
        row("name", Kind.STRING, "name", f"{home}-name"),
        row("title", Kind.STRING, "title", f"{home}-title"),
        row("status", Kind.TOKEN, "status", f"{home}-status", system=status),
    )
