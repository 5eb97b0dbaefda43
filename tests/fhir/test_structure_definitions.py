from __future__ import annotations

import importlib
import json

import pytest

from refnot_fhir.fhir import wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import dosing_record, structure_definitions
from tests.fhir.published_builders import (
    BASE,
    CANONICAL,
    NOW,
    PROTOCOL,
    RECORD,
    VERSIONS,
    subject,
)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_extension_of_a_dosing_record_is_defined(version):
    bundle = dosing_record.write(subject(), RECORD, PROTOCOL, version, now=NOW, base=BASE)
    used = {
        (part["url"], next(name for name in part if name.startswith("value")))
        for entry in bundle["entry"]
        for part in entry["resource"].get("extension", ())
        if part["url"].startswith(CANONICAL)
    }
    defined = {
        (
            found["url"],
            "value" + value["type"][0]["code"][:1].upper() + value["type"][0]["code"][1:],
        )
        for found in structure_definitions.write(CANONICAL, version, "0.1.0")
        for value in found["differential"]["element"]
        if value["path"] == "Extension.value[x]"
    }
    assert used == defined


@pytest.mark.parametrize("version", VERSIONS)
def test_a_definition_is_a_simple_extension_of_an_administration(version):
    definitions = structure_definitions.write(CANONICAL, version, "0.1.0")

    assert [found["id"] for found in definitions] == list(structure_definitions.EXTENSIONS)
    for found in definitions:
        package = "fhir.resources" if version is Version.R5 else "fhir.resources.R4B"
        model = importlib.import_module(f"{package}.structuredefinition").StructureDefinition
        model.model_validate(json.loads(wire.encode(found)))
        assert (found["type"], found["derivation"]) == ("Extension", "constraint")
        assert (found["version"], found["fhirVersion"]) == ("0.1.0", version.full)
        assert found["context"] == [{"type": "element", "expression": "MedicationAdministration"}]
        first, inner, url, value = found["differential"]["element"]
        assert (first["max"], inner["max"], value["min"]) == ("1", "0", 1)
        assert url["fixedUri"] == found["url"]
