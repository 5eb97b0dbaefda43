"""HL7's npm packages for the tests of `make interop`: packed once into a cache folder."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from refnot_fhir.fhir.definitions import other_types
from refnot_fhir.fhir.gate import GATED
from refnot_fhir.fhir.versions import Version
from tests.real_input import BUNDLES
from tools.npm_packages import default_folder, package_file, raw_resources

EXAMPLES = {
    Version.R4: "hl7.fhir.r4.examples@4.0.1",
    Version.R4B: "hl7.fhir.r4b.examples@4.3.0",
    Version.R5: "hl7.fhir.r5.examples@5.0.0",
}


def package(name: str) -> Path:
    """The package's file."""
    return package_file(name, default_folder())


@cache
def examples(version: Version) -> dict[str, bytes]:
    """HL7's published examples of the gated types, by the name of the file without .json."""
    prefixes = tuple(f"{name}-" for name in sorted(GATED))
    found = raw_resources(package(EXAMPLES[version]), prefixes)
    return {name.removesuffix(".json"): body for name, body in found}


def other_examples(version: Version) -> Iterator[tuple[str, bytes]]:
    """HL7's published examples of every other resource type, as `examples`."""
    prefixes = tuple(f"{name}-" for name in sorted(other_types(version)))
    for name, body in raw_resources(package(EXAMPLES[version]), prefixes):
        # The R4 package carries the definitions too, which are no examples.
        if not name.startswith(_DEFINITIONS) and name.endswith(".json"):
            yield name.removesuffix(".json"), body


_DEFINITIONS = (
    "StructureDefinition-",
    "SearchParameter-",
    "ValueSet-",
    "ConceptMap-",
    "ImplementationGuide-",
)


def synthea_bundles() -> Iterator[tuple[str, bytes]]:
    """(file name, body) of each published hospital bundle, for tests marked `real_input`."""
    for file in BUNDLES:
        yield file.name, gzip.decompress(file.read_bytes())
