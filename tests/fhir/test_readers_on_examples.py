"""Every example that HL7 publishes, and every resource of real bundles, is read or refused."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from refnot_fhir.core.values import Source
from refnot_fhir.fhir.elements import Lookup
from refnot_fhir.fhir.gate import problems
from refnot_fhir.fhir.read import (
    medication,
    medication_administration,
    medication_use,
    observation,
    patient,
    procedure,
)
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.wire import decode
from tests.fhir.hl7_packages import examples, synthea_bundles

MOSCOW = ZoneInfo("Europe/Moscow")


def read(resource: dict, version: Version) -> int:
    """How many records a resource gives."""
    source = Source("default", resource["resourceType"], resource.get("id", "x"), "1")
    match resource["resourceType"]:
        case "Patient":
            return int(patient.read(resource, source, zone=UTC).source is source)
        case "Medication":
            return len(medication.read(resource, version))
        case "Observation":
            found = observation.read(resource, source, zone=MOSCOW, dates_in_utc=False)
            assert found or "hasMember" in resource
            return len(found)
        case "MedicationAdministration":
            dose = medication_administration.read(
                resource,
                source,
                zone=MOSCOW,
                dates_in_utc=False,
                version=version,
                lookup=Lookup(),
            )
            made_of = dose.product.ingredients if dose.product else ()
            assert dose.medication or made_of or dose.unresolved
            return int(dose.given is not None)
        case "MedicationStatement" | "MedicationRequest" | "MedicationDispense":
            use = medication_use.read(
                resource,
                source,
                zone=MOSCOW,
                dates_in_utc=False,
                version=version,
                lookup=Lookup(),
            )
            return int(use.source is source)
        case "Procedure":
            done = procedure.read(
                resource, source, zone=MOSCOW, dates_in_utc=False, version=version
            )
            return int(done.code is not None)
    return 0


@pytest.mark.interop
@pytest.mark.parametrize("version", Version)
def test_every_published_example_that_passes_the_gate_is_read(version):
    seen: Counter[str] = Counter()
    for body in examples(version).values():
        resource = decode(body)
        if not problems(resource, version):
            seen[resource["resourceType"]] += read(resource, version)

    assert seen["Patient"] > 10
    assert seen["Observation"] > 50
    assert seen["MedicationAdministration"] > 10
    for type in ("MedicationStatement", "MedicationRequest", "MedicationDispense", "Procedure"):
        assert seen[type] > 2


@pytest.mark.real_input
def test_every_resource_of_real_bundles_is_read():
    seen: Counter[str] = Counter()
    for _, body in synthea_bundles():
        for entry in decode(body)["entry"]:
            seen[entry["resource"]["resourceType"]] += read(entry["resource"], Version.R4)

    assert seen["Patient"] >= 7
    assert seen["Observation"] > 1000
    assert seen["MedicationAdministration"] >= 12
