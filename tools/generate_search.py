"""Writes refnot_fhir/fhir/search/definitions.json from the SearchParameters that HL7 publishes.

    python tools/generate_search.py [--packages FOLDER] [--check]

By version and resource type: each parameter's name, type, the last part of its definition's URL,
where in the JSON its values are, what a reference may point to, and the system of a plain code. One
whose FHIRPath names no elements has that instead. Modifiers are not there: HL7 publishes none for
these. Packages and `--check` are as in generate_schemas.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Run by its path, Python looks for modules beside this file only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.generate_schemas import SOURCES, TYPES
from tools.npm_packages import PackageMissing, default_folder, package_file, resources
from tools.search_routes import NotSimple, Place, Structures

DEFINITIONS = (
    Path(__file__).resolve().parent.parent / "refnot_fhir" / "fhir" / "search" / "definitions.json"
)
_URL = "http://hl7.org/fhir/SearchParameter/"
_ANY = 50
"""A reference to more types than this may be to anything."""
SEARCHED = sorted(
    {*TYPES, "Questionnaire", "StructureDefinition"} - {"Bundle", "OperationOutcome", "Parameters"}
)
_KINDS = {
    "CodeableConcept": "token", "Coding": "token", "code": "token", "boolean": "token",
    "Identifier": "token", "Period": "date", "dateTime": "date", "date": "date",
    "Quantity": "quantity", "string": "string", "Reference": "reference",
}  # fmt: skip
"""The search type of an element, for parts of composites that HL7 defines nowhere."""

Entry = dict[str, Any]


class Parameters:
    """One version's search parameters."""

    def __init__(self, package: str, folder: Path) -> None:
        path = package_file(package, folder)
        self._structures = Structures({d["url"]: d for d in resources(path, "StructureDefinition")})
        self._value_sets = {d["url"]: d for d in resources(path, "ValueSet")}
        # The packages have examples of search parameters, too, which are of no version of FHIR.
        version = package.rpartition("@")[2]
        published = resources(path, "SearchParameter")
        self._published = {d["url"]: d for d in published if d.get("version") == version}

    def of(self, type: str) -> dict[str, Entry]:
        """The parameters of a type, by their names."""
        root = self._structures.root(type)
        found = {}
        for definition in self._published.values():
            if {type, "Resource", "DomainResource"} & {*definition.get("base", ())}:
                entry = self._entry(definition, root)
                if entry is not None:
                    found[definition["code"]] = entry
        return dict(sorted(found.items()))

    def _entry(self, definition: Entry, root: Place) -> Entry | None:
        named = {"definition": definition["url"].removeprefix(_URL)}
        expression = definition.get("expression", "")
        if definition["type"] == "special" or not expression:
            return None
        try:
            places = self._structures.places(expression, root)
            parts = [
                self._part(component, places[0]) for component in definition.get("component", ())
            ]
        except NotSimple:
            return {"type": definition["type"], **named, "expression": expression}
        if not places:
            return None
        entry = self._described(definition, places)
        return {**entry, **named, **({"parts": parts} if parts else {})}

    def _part(self, component: Entry, base: Place) -> Entry:
        """What one part of a composite asks of the element that the composite is about."""
        found = self._structures.below(component["expression"], base)
        below = [Place(p.steps[len(base.steps) :], p.type, "", "", p.binding) for p in found]
        definition = self._published.get(component["definition"])
        if definition is None:
            name = component["definition"].rpartition("-")[2]
            definition = {"code": name, "type": _KINDS[found[0].type]}
        return {"name": definition["code"], **self._described(definition, below)}

    def _described(self, definition: Entry, places: list[Place]) -> Entry:
        entry: Entry = {"type": definition["type"], "routes": [list(p.steps) for p in places]}
        if definition["type"] == "reference":
            narrowed = sorted({place.target for place in places if place.target})
            targets = narrowed or sorted(definition.get("target", ()))
            entry["targets"] = targets if len(targets) < _ANY else []
        if definition["type"] == "token":
            systems = {system for place in places for system in self._systems(place)}
            if len(systems) == 1:
                entry["system"] = systems.pop()
        return entry

    def _systems(self, place: Place) -> Iterable[str]:
        """The systems that a plain code may be from."""
        if place.type != "code" or not place.binding:
            return ()
        value_set = self._value_sets.get(place.binding.partition("|")[0], {})
        include = value_set.get("compose", {}).get("include", ())
        return [part["system"] for part in include if "system" in part]


def definitions(folder: Path) -> dict[str, Any]:
    """The content of the file."""
    found = {}
    for version, package in SOURCES.items():
        parameters = Parameters(package, folder)
        found[version.upper()] = {type: parameters.of(type) for type in SEARCHED}
    return {
        "generator": "tools/generate_search.py",
        "sources": list(SOURCES.values()),
        "publisher": "HL7 International",
        "license": "CC0-1.0",
        "parameters": found,
    }


def written(document: dict[str, Any]) -> str:
    """The text of the file: a parameter a line, so that a change of one reads as one."""
    head = [f" {json.dumps(k)}: {json.dumps(v)}," for k, v in document.items() if k != "parameters"]
    versions = [
        f"  {json.dumps(version)}: {{\n"
        + ",\n".join(_of_type(*one) for one in types.items())
        + "\n  }"
        for version, types in document["parameters"].items()
    ]
    return "\n".join(["{", *head, ' "parameters": {', ",\n".join(versions), " }", "}", ""])


def _of_type(type: str, entries: dict[str, Entry]) -> str:
    lines = [f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()]
    return f"   {json.dumps(type)}: {{\n" + ",\n".join(lines) + "\n   }"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, default=default_folder(), metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    text = written(definitions(arguments.packages))
    if not arguments.check:
        DEFINITIONS.write_text(text, encoding="utf-8")
        return 0
    is_stale = not DEFINITIONS.exists() or DEFINITIONS.read_text(encoding="utf-8") != text
    if is_stale:
        sys.stderr.write(f"not what the generator writes: {DEFINITIONS.name}\n")
    return int(is_stale)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PackageMissing as missing:
        sys.exit(f"generate_search: {missing}")
