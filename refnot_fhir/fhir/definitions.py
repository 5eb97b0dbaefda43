"""HL7's definitions as the generated files in `schemas/` hold them, read when first needed.

`r4.json` has the types that are, or soon will be, read or published here, `r4.others.json` every
other one.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from refnot_fhir.fhir.versions import Version

Schema = dict[str, Any]


@cache
def schema(version: Version) -> Schema:
    """The schema of the types that are, or soon will be, read or published here."""
    return _read(f"{version.lower()}.json")


def schema_of_others(version: Version) -> Schema:
    """The schema of every other resource type: a contained resource may be of any."""
    others = _read(f"{version.lower()}.others.json")
    return {**others, "$defs": {**schema(version)["$defs"], **others["$defs"]}}


@cache
def other_types(version: Version) -> frozenset[str]:
    """The resource types of a version that are neither read nor published here."""
    return frozenset(_read(f"{version.lower()}.others.json")["properties"])


@cache
def resource_types() -> frozenset[str]:
    """The resource types of every version."""
    own = frozenset(name for version in Version for name in schema(version)["properties"])
    return own.union(*(other_types(version) for version in Version))


@cache
def element_names() -> frozenset[str]:
    """The JSON property names of every element of every type and version."""
    found = {"resourceType"}
    for version in Version:
        for file in (f"{version.lower()}.json", f"{version.lower()}.others.json"):
            for definition in _read(file)["$defs"].values():
                found.update(definition.get("properties", ()))
    return frozenset(found)


def _read(file: str) -> Schema:
    text = resources.files("refnot_fhir.fhir").joinpath("schemas", file).read_bytes()
    content: Schema = json.loads(text)
    return content
