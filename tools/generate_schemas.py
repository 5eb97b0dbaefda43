"""Writes refnot_fhir/fhir/schemas/*.json from the definitions that HL7 publishes.

    python tools/generate_schemas.py [--packages FOLDER] [--check]

`r4.json` has the types that are, or soon will be, read or published here, `r4.others.json` every
other resource type, with the definitions that only those need: they may come as contained ones.

The packages come from the npm registry (`npm pack`) and stay in the folder: REFNOT_HL7_PACKAGES,
or the user's cache. `--check` writes nothing and fails when a file is not what would be written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Run by its path, Python looks for modules beside this file only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.npm_packages import PackageMissing, default_folder, package_file, resources
from tools.schema_builder import SchemaBuilder
from tools.value_sets import Terminology
from tools.xhtml_rules import xhtml_rules

SCHEMAS = Path(__file__).resolve().parent.parent / "refnot_fhir" / "fhir" / "schemas"
# hl7.fhir.r4.examples carries R4's definitions as well as its examples.
SOURCES = {
    "r4": "hl7.fhir.r4.examples@4.0.1",
    "r4b": "hl7.fhir.r4b.core@4.3.0",
    "r5": "hl7.fhir.r5.core@5.0.0",
}
TYPES = (
    "AllergyIntolerance", "Bundle", "CapabilityStatement", "CodeSystem", "Condition", "Consent",
    "DetectedIssue", "DiagnosticReport", "Group", "Medication", "MedicationAdministration",
    "MedicationDispense", "MedicationRequest", "MedicationStatement", "Observation",
    "OperationDefinition", "OperationOutcome", "Organization", "Parameters", "Patient",
    "Procedure", "QuestionnaireResponse", "ResearchStudy", "ResearchSubject", "Specimen",
)  # fmt: skip


def schemas(version: str, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, content) of one version's two schemas.

    A schema is an object with the resource under the name of its type.
    """
    package = SOURCES[version]
    path = package_file(package, folder)
    structures = {d["url"]: d for d in resources(path, "StructureDefinition")}
    builder = SchemaBuilder(structures, Terminology(resources(path, "ValueSet", "CodeSystem")))
    properties = {name: builder.reference_to(name) for name in TYPES}
    narrative = xhtml_rules(structures, package_file(SOURCES["r4b"], folder))
    known, opened = dict(builder.defs), dict(builder.open_bindings)
    yield f"{version}.json", _schema(package, opened, properties, known, narrative)
    others = [name for name in builder.resource_types if name not in TYPES]
    properties = {name: builder.reference_to(name) for name in others}
    more = {name: found for name, found in builder.defs.items() if name not in known}
    opened = {url: why for url, why in builder.open_bindings.items() if url not in opened}
    yield f"{version}.others.json", _schema(package, opened, properties, more)


def _schema(
    package: str,
    open_bindings: dict[str, str],
    properties: dict[str, Any],
    defs: dict[str, Any],
    narrative: dict[str, list[str]] | None = None,
) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-generator": "tools/generate_schemas.py",
        "x-source": {"package": package, "publisher": "HL7 International", "license": "CC0-1.0"},
        "x-open-bindings": dict(sorted(open_bindings.items())),
        **({"x-xhtml": narrative} if narrative else {}),
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": dict(sorted(defs.items())),
    }


def written(document: dict[str, Any]) -> str:
    """The text of a schema: a definition a line, so that a change of one reads as one."""
    head = [f" {json.dumps(k)}: {json.dumps(v)}," for k, v in document.items() if k != "$defs"]
    defs = [f"  {json.dumps(name)}: {json.dumps(d)}" for name, d in document["$defs"].items()]
    return "\n".join(["{", *head, ' "$defs": {', ",\n".join(defs), " }", "}", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, default=default_folder(), metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    stale = []
    for version in SOURCES:
        for name, content in schemas(version, arguments.packages):
            text, target = written(content), SCHEMAS / name
            if not arguments.check:
                target.write_text(text, encoding="utf-8")
            elif not target.exists() or target.read_text(encoding="utf-8") != text:
                stale.append(target.name)
    if stale:
        sys.stderr.write(f"not what the generator writes: {', '.join(stale)}\n")
    return bool(stale)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PackageMissing as missing:
        sys.exit(f"generate_schemas: {missing}")
