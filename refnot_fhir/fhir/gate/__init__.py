"""Is this resource valid? Every problem with its place, or none; after the gate nobody asks again.

Types, cardinality, choices, required codes, reference targets, patterns and the simple invariants
come from HL7's definitions, as `schemas/*.json` (written by tools/generate_schemas.py),
and what those find is put in words in `messages`. What they cannot say is in `invariants` and
`contained`, and what a narrative may hold in `narrative`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, islice
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from refnot_fhir.core.record import record
from refnot_fhir.errors import Problem
from refnot_fhir.fhir import definitions
from refnot_fhir.fhir.gate.contained import references_in
from refnot_fhir.fhir.gate.invariants import broken
from refnot_fhir.fhir.gate.messages import Explainer, problem, wrong_target
from refnot_fhir.fhir.gate.narrative import Rules
from refnot_fhir.fhir.versions import Version

__all__ = ["GATED", "problems"]

GATED = frozenset(definitions.schema(Version.R4)["properties"])
"""The resource types that may be received or published, now or soon."""
# Every violation of a schema is found before the first is told. A resource of more parts than
# this, which could be wrong in each of them, is told its first fault only.
_LARGE = 10_000
_MOST_PROBLEMS = 20
_CARRIERS = frozenset({"Bundle", "Parameters"})
Json = Mapping[str, Any]


def problems(resource: Json, version: Version) -> tuple[Problem, ...]:
    """Everything that makes a resource invalid in this version, at most twenty, one a place.

    The entries of a Bundle are the caller's to gate one by one; contained resources, of whatever
    type, are gated here. What another version's gate takes as it is gets one problem that says so.
    Nothing received is repeated.
    """
    each = _problems(resource, version, None)
    first = next(each, None)
    if first is None:
        return ()
    found = tuple(islice(_distinct(chain((first,), each)), _MOST_PROBLEMS))
    # Elements that a version does not have speak for another one; a wrong value does not.
    plain = [one for one in found if one.code == "structure"]
    other = _other_version(resource, version) if plain else None
    if other is None:
        return found
    return (_of_another_version(resource["resourceType"], version, other, plain[0]),)


def _other_version(resource: Json, version: Version) -> Version | None:
    """The version in which the resource is valid as it is, where there is one."""
    others = (other for other in Version if other is not version)
    return next((o for o in others if next(_problems(resource, o, None), None) is None), None)


def _of_another_version(name: str, read: Version, right: Version, first: Problem) -> Problem:
    said = (
        f"is not valid as FHIR {read}, as which it was read, but is as {right}: if it is "
        f"{right}, send it with Content-Type: application/fhir+json; fhirVersion={right.mime}, or "
        f'set fhir = "{right}" in the file of the site; if it is {read}, {first.message}'
    )
    return problem("structure", name, said)


@record
class _Inside:
    """Where a resource stands that is inside another one."""

    container: Json | None = None
    """The resource that it is contained in; None where it is carried (Parameters, Bundle)."""


def _problems(resource: Json, version: Version, inside: _Inside | None) -> Iterator[Problem]:
    name = resource.get("resourceType")
    if not isinstance(name, str) or not name:
        yield problem("structure", "resourceType", "is missing or not a string")
        return
    compiled = _compiled_for(name, version, is_inside=inside is not None)
    if compiled is None:
        yield _unknown_type(name, version, is_inside=inside is not None)
        return
    validator, explainer = compiled
    wrapped = {name: resource}
    if not validator.is_valid(wrapped):
        for error in _violations(validator, wrapped):
            yield from explainer.problems(error, wrapped)
        return
    container = inside.container if inside else None
    for rule in broken(resource, version, _narrative_rules(version), inside=container):
        where = explainer.expression((name, *rule.path))
        key = f"{rule.key}: " if rule.key else ""
        yield problem(rule.code, where, f"{key}{rule.message}")
    if "contained" in resource:
        yield from _wrong_contained(resource, explainer)
    elif name not in _CARRIERS:
        return
    yield from _nested(resource, version, is_inside=inside is not None)


def _unknown_type(name: str, version: Version, *, is_inside: bool) -> Problem:
    """A type that the gate does not take; its name is told only where it is one of FHIR's."""
    where = name if name in definitions.resource_types() else "resourceType"
    said = f"is not a resource type of {version}" if is_inside else "is not read here"
    if where == "resourceType" and not is_inside:
        said = "is not a resource type that is read here"
    return problem("not-supported", where, said)


def _wrong_contained(resource: Json, explainer: Explainer) -> Iterator[Problem]:
    """References to contained resources of a type that does not belong there."""
    types = {f"#{item.get('id', '')}": item["resourceType"] for item in resource["contained"]}
    for path, reference in references_in(resource, (resource["resourceType"],)):
        wanted = explainer.targets(path)
        if wanted and types.get(reference, wanted[0]) not in wanted:
            where = explainer.expression((*path, "reference"))
            yield problem("value", where, wrong_target(wanted))


def _nested(resource: Json, version: Version, *, is_inside: bool) -> Iterator[Problem]:
    """The problems of resources inside this one, other than the entries of a Bundle received."""
    for place, item, container in _inner(resource, is_inside=is_inside):
        for found in _problems(item, version, _Inside(container)):
            yield found.inside(f"{resource['resourceType']}.{place}", str(item.get("resourceType")))


def _inner(resource: Json, *, is_inside: bool) -> Iterator[tuple[str, Json, Json | None]]:
    for index, item in enumerate(resource.get("contained", ())):
        yield f"contained[{index}]", item, resource
    if resource["resourceType"] == "Parameters":
        yield from _parameters(resource.get("parameter", ()), "parameter")
    if resource["resourceType"] == "Bundle":
        yield from _of_bundle(resource, is_inside=is_inside)


def _of_bundle(bundle: Json, *, is_inside: bool) -> Iterator[tuple[str, Json, None]]:
    """What a Bundle carries besides its entries, and those too where nobody else gates them."""
    if "issues" in bundle:
        yield "issues", bundle["issues"], None
    for index, entry in enumerate(bundle.get("entry", ())):
        if is_inside and "resource" in entry:
            yield f"entry[{index}].resource", entry["resource"], None
        outcome = entry.get("response", {}).get("outcome")
        if outcome is not None:
            yield f"entry[{index}].response.outcome", outcome, None


def _parameters(parameters: Iterable[Json], name: str) -> Iterator[tuple[str, Json, None]]:
    for index, parameter in enumerate(parameters):
        place = f"{name}[{index}]"
        if "resource" in parameter:
            yield f"{place}.resource", parameter["resource"], None
        yield from _parameters(parameter.get("part", ()), f"{place}.part")


def _distinct(found: Iterator[Problem]) -> Iterator[Problem]:
    """The first problem of each place: what a schema says next about it is seldom news."""
    seen: set[str] = set()
    for one in found:
        if one.expression not in seen:
            seen.add(one.expression)
            yield one


def _compiled_for(
    name: str, version: Version, *, is_inside: bool
) -> tuple[Draft202012Validator, Explainer] | None:
    """The validator of a type and what explains its findings; None for a type that is not read."""
    if name in GATED:
        return _compiled(version)
    is_known = is_inside and name in definitions.other_types(version)
    return _compiled_others(version) if is_known else None


def _violations(validator: Draft202012Validator, wrapped: Json) -> Iterator[ValidationError]:
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
def _narrative_rules(version: Version) -> Rules:
    """What the narratives of a version may hold."""
    listed = definitions.schema(version)["x-xhtml"]
    return Rules(frozenset(listed["elements"]), frozenset(listed["attributes"]))
