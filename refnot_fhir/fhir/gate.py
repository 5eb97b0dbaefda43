"""Is this resource valid? Every problem with its place, or none; after the gate nobody asks again.

Types, cardinality, choices, required codes, reference targets, patterns and the simple invariants
come from HL7's definitions, as `schemas/*.json` (written by tools/generate_schemas.py); what those
cannot say is in `invariants`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from refnot_fhir.fhir.gate_messages import Explainer, Problem
from refnot_fhir.fhir.invariants import broken
from refnot_fhir.fhir.versions import Version

__all__ = ["GATED", "Problem", "problems"]

GATED = frozenset(
    {
        "Bundle",
        "CapabilityStatement",
        "CodeSystem",
        "DetectedIssue",
        "Group",
        "Medication",
        "MedicationAdministration",
        "Observation",
        "OperationDefinition",
        "OperationOutcome",
        "Organization",
        "Parameters",
        "Patient",
        "ResearchStudy",
        "ResearchSubject",
    }
)
_MOST_PROBLEMS = 20
# Every violation of a schema is found before the first is told. A resource of more parts than
# this, which could be wrong in each of them, is told its first fault only.
_LARGE = 10_000

Json = Mapping[str, Any]


def problems(resource: Json, version: Version) -> tuple[Problem, ...]:
    """Everything that makes a resource invalid in this version, at most twenty, one a place.

    The entries of a Bundle are the caller's to gate one by one; contained resources are gated
    here. Nothing of the resource is repeated but the offending code or value, cut short.
    """
    return tuple(islice(_distinct(_problems(resource, version, None)), _MOST_PROBLEMS))


def _problems(resource: Json, version: Version, inside: Json | None) -> Iterator[Problem]:
    name = resource.get("resourceType")
    if not isinstance(name, str) or not name:
        yield Problem("structure", "resourceType", "resourceType: is missing or not a string")
        return
    if name not in GATED:
        where = name[:60] if name.isalpha() and name.isascii() else "resourceType"
        yield Problem("not-supported", where, f"{where}: is not a resource type that is read here")
        return
    validator, explainer = _compiled(version)
    wrapped = {name: resource}
    if not validator.is_valid(wrapped):
        for error in _violations(validator, wrapped):
            yield from explainer.problems(error)
        return
    for rule in broken(resource, version, inside=inside):
        where = explainer.expression((name, *rule.path))
        yield Problem("invariant", where, f"{where}: {rule.key}: {rule.message}")
    yield from _nested(resource, version)


def _violations(validator: Draft202012Validator, wrapped: Json) -> Iterator[ValidationError]:
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


def _nested(resource: Json, version: Version) -> Iterator[Problem]:
    """The problems of resources inside this one, other than the entries of a Bundle."""
    for place, item, inside in _inner(resource):
        if item["resourceType"] in GATED:
            for found in _problems(item, version, inside):
                yield _moved(found, item["resourceType"], f"{resource['resourceType']}.{place}")


def _inner(resource: Json) -> Iterator[tuple[str, Json, Json | None]]:
    for index, item in enumerate(resource.get("contained", ())):
        yield f"contained[{index}]", item, resource
    if resource["resourceType"] == "Parameters":
        yield from _parameters(resource.get("parameter", ()), "parameter")


def _parameters(parameters: Iterable[Json], name: str) -> Iterator[tuple[str, Json, None]]:
    for index, parameter in enumerate(parameters):
        place = f"{name}[{index}]"
        if "resource" in parameter:
            yield f"{place}.resource", parameter["resource"], None
        yield from _parameters(parameter.get("part", ()), f"{place}.part")


def _moved(problem: Problem, name: str, place: str) -> Problem:
    inner = problem.expression.removeprefix(name)
    words = problem.message.removeprefix(problem.expression)
    return replace(problem, expression=place + inner, message=f"{place}{inner}{words}")


def _distinct(found: Iterator[Problem]) -> Iterator[Problem]:
    """The first problem of each place: what a schema says next about it is seldom news."""
    seen: set[str] = set()
    for problem in found:
        if problem.expression not in seen:
            seen.add(problem.expression)
            yield problem


@cache
def _compiled(version: Version) -> tuple[Draft202012Validator, Explainer]:
    name = f"{version.lower()}.json"
    text = resources.files("refnot_fhir.fhir").joinpath("schemas", name).read_text("utf-8")
    schema = json.loads(text)
    # Rust's own engine runs in linear time, whatever a sender thinks of.
    return Draft202012Validator(schema, pattern_options=RegexOptions()), Explainer(schema)
