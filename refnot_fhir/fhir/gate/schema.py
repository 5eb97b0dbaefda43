"""HL7's definitions as compiled JSON Schemas: which one a resource is held against, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from refnot_fhir.fhir import definitions
from refnot_fhir.fhir.gate.messages import Explainer
from refnot_fhir.fhir.gate.narrative import Rules
from refnot_fhir.fhir.versions import Version

GATED = frozenset(definitions.schema(Version.R4)["properties"])
"""The resource types that may be received or published, now or soon."""
# Every violation of a schema is found before the first is told. A resource of more parts than
# this, which could be wrong in each of them, is told its first fault only.
_LARGE = 10_000

Json = Mapping[str, Any]


def compiled_for(
    name: str, version: Version, *, is_inside: bool
) -> tuple[Draft202012Validator, Explainer] | None:
    """The validator of a type and what explains its findings; None for a type that is not read."""
    if name in GATED:
        return _compiled(version)
    is_known = is_inside and name in definitions.other_types(version)
    return _compiled_others(version) if is_known else None


def violations(validator: Draft202012Validator, wrapped: Json) -> Iterator[ValidationError]:
    """What a resource, under the name of its type, violates."""
    if not _is_large(wrapped):
        yield from validator.iter_errors(wrapped)
        return
    try:
        validator.validate(wrapped)
    except ValidationError as first:
        yield first


def _is_large(value: Json) -> bool:
    below: list[Any] = [*value.values()]
    seen = 0
    while below and seen <= _LARGE:
        node = below.pop()
        items = node.values() if isinstance(node, Mapping) else node
        if isinstance(node, Mapping | list):
            seen += len(node)
            below += (item for item in items if not _is_resource(item))
    return seen > _LARGE


def _is_resource(value: Any) -> bool:
    return isinstance(value, Mapping) and "resourceType" in value


@cache
def _compiled(version: Version) -> tuple[Draft202012Validator, Explainer]:
    return _compile(definitions.schema(version))


@cache
def _compiled_others(version: Version) -> tuple[Draft202012Validator, Explainer]:
    """Compiled when the first of them comes, and all at once.

    That takes 0.2 s and 60 MB; one validator for each type would take 2 MB for each.
    """
    return _compile(definitions.schema_of_others(version))


def _compile(schema: definitions.Schema) -> tuple[Draft202012Validator, Explainer]:
    # Rust's own engine runs in linear time, whatever a sender thinks of.
    return Draft202012Validator(schema, pattern_options=RegexOptions()), Explainer(schema)


@cache
def narrative_rules(version: Version) -> Rules:
    """What the narratives of a version may hold."""
    listed = definitions.schema(version)["x-xhtml"]
    return Rules(frozenset(listed["elements"]), frozenset(listed["attributes"]))
